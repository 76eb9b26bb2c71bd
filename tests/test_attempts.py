import pytest

from dispatch_model.errors import DispatchError, ErrorKind
from serving.guard.attempts import MOST, Attempts


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def pause(attempts: Attempts, who: str = "zhang") -> int:
    """Seconds to wait before the next attempt; counts as one when that is none."""
    try:
        attempts.begin(who)
    except DispatchError as error:
        return error.retry_after or -1
    return 0


def test_some_failures_are_free_then_each_pause_is_longer() -> None:
    clock = Clock()
    attempts = Attempts(3, 60.0, clock=clock)
    assert [pause(attempts) for _ in range(3)] == [0, 0, 0]
    pauses = []
    for _ in range(5):
        pauses.append(seconds := pause(attempts))
        clock.now += seconds
        assert pause(attempts) == 0
    assert pauses == [10, 20, 40, 60, 60]
    assert pause(attempts, "li") == 0


def test_the_message_tells_how_long() -> None:
    clock = Clock()
    attempts = Attempts(1, 300.0, clock=clock)
    pause(attempts)
    with pytest.raises(DispatchError, match="请在 10 秒后再试") as caught:
        attempts.begin("zhang")
    assert caught.value.kind is ErrorKind.RATE_LIMITED
    for _ in range(6):
        clock.now += 300.0
        pause(attempts)
    with pytest.raises(DispatchError, match="请在 5 分钟后再试"):
        attempts.begin("zhang")


def test_failures_far_apart_are_no_attack() -> None:
    clock = Clock()
    attempts = Attempts(3, 60.0, clock=clock)
    for _ in range(20):
        assert pause(attempts) == 0
        clock.now += 150.0


def test_who_leaves_it_begins_anew() -> None:
    clock = Clock()
    attempts = Attempts(1, 60.0, clock=clock)
    pause(attempts)
    clock.now += 10.0 + 301.0
    assert pause(attempts) == 0
    assert pause(attempts) == 10


def test_what_did_not_fail_is_forgiven() -> None:
    attempts = Attempts(2, 60.0, clock=Clock())
    for _ in range(9):
        assert pause(attempts) == 0
        attempts.forgive("zhang")
    pause(attempts)
    pause(attempts)
    assert pause(attempts) == 10
    attempts.clear("zhang")
    assert pause(attempts) == 0
    attempts.forgive("nobody")


def test_names_without_end_are_not_all_remembered() -> None:
    attempts = Attempts(2, 60.0, clock=Clock())
    for number in range(MOST + 10):
        attempts.begin(str(number))
    assert len(attempts._failures) == MOST
