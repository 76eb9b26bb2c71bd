import pytest

from dispatch_model.errors import DispatchError, ErrorKind
from serving.web.admission import Admission


def test_so_many_may_wait_and_the_next_is_refused() -> None:
    admission = Admission(queue_limit=2, threads=1)
    for _ in range(3):
        admission.enter()
    with pytest.raises(DispatchError, match="已有 3 件") as caught:
        admission.enter()
    assert caught.value.kind is ErrorKind.OVERLOADED
    assert (admission.inside, admission.refused) == (3, 1)
    admission.leave()
    admission.enter()
    assert admission.inside == 3


def test_a_batch_takes_several_places_or_none() -> None:
    admission = Admission(queue_limit=2, threads=1)
    admission.enter(2)
    with pytest.raises(DispatchError):
        admission.enter(2)
    admission.enter(1)
    admission.leave(2)
    assert admission.inside == 1


def test_whoever_finds_nobody_inside_comes_in() -> None:
    admission = Admission(queue_limit=0, threads=1)
    admission.enter(2)
    assert admission.refusal() is not None


@pytest.mark.parametrize(("seconds", "inside", "threads", "after"), [(0.01, 30, 1, 1), (0.5, 8, 1, 4), (0.5, 8, 2, 2)])
def test_retry_after_follows_the_measured_service_time(seconds: float, inside: int, threads: int, after: int) -> None:
    admission = Admission(queue_limit=100, threads=threads)
    for _ in range(100):
        admission.measured(seconds)
    admission.enter(inside)
    assert admission.retry_after == after


def test_a_refusal_carries_retry_after() -> None:
    admission = Admission(queue_limit=0, threads=1)
    for _ in range(100):
        admission.measured(2.9)
    admission.enter()
    error = admission.refusal()
    assert error is not None
    assert error.retry_after == 3
    assert "3 秒后" in error.message


def test_leaving_is_announced_before_the_doors_close() -> None:
    admission = Admission()
    admission.announce_leaving()
    admission.enter()
    assert admission.leaving
    admission.close()
    with pytest.raises(DispatchError) as caught:
        admission.enter()
    assert caught.value.kind is ErrorKind.NOT_READY
    assert admission.inside == 1
