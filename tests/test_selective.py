import numpy as np
import pytest

from dispatch_model.promise import Kept
from training.selective import (
    LADDER,
    SMALL,
    Served,
    choose,
    dispatched,
    interval,
    large,
    least_cases,
    together,
    upper_bound,
    walk,
)


def served(names: list[str], scores: list[float], wrong: list[bool], can: list[bool] | None = None) -> Served:
    return Served(
        np.array(names, dtype=np.str_), np.array(scores), np.array(can or [True] * len(names)), np.array(wrong)
    )


def block(name: str, score: float, n: int, wrong: int) -> Served:
    return served([name] * n, [score] * n, [at < wrong for at in range(n)])


def joined(*parts: Served) -> Served:
    columns = ("functions", "scores", "open", "wrong")
    return Served(*(np.concatenate([getattr(part, column) for part in parts]) for column in columns))


def test_the_bound_is_clopper_and_pearsons() -> None:
    # of 59 cases with none wrong, 5 % cannot be ruled out at 95 %; of 58 it can (the rule of three)
    assert upper_bound(0, 59, 0.95) == pytest.approx(1 - 0.05 ** (1 / 59))
    assert upper_bound(0, 59, 0.95) <= 0.05 < upper_bound(0, 58, 0.95)
    assert least_cases(0.05, 0.95) == 59
    assert (upper_bound(3, 3, 0.95), upper_bound(0, 0, 0.95)) == (1.0, 1.0)


def test_the_interval_is_two_sided_and_exact() -> None:
    low, high = interval(7, 201)
    assert (round(low, 4), round(high, 4)) == (0.0141, 0.0704)
    assert interval(0, 0) == (0.0, 1.0)
    assert interval(0, 10)[0] == 0.0


def test_the_walk_stops_at_the_first_rung_that_fails() -> None:
    scores = np.array([0.97] * 60 + [0.85] * 20 + [0.75] * 400)
    wrong = np.array([False] * 60 + [True] * 20 + [False] * 400)
    found = walk(scores, wrong, 0.05, 0.95)
    # below 0.84 the share would be fine again: 20 of 480
    assert found == Kept(threshold=0.86, n=60, wrong=0, bound=upper_bound(0, 60, 0.95))


def test_too_few_cases_promise_nothing() -> None:
    assert walk(np.full(58, 0.99), np.zeros(58, dtype=bool), 0.05, 0.95) is None
    assert walk(np.full(59, 0.99), np.zeros(59, dtype=bool), 0.05, 0.95) is not None


def test_nothing_less_likely_than_not_goes_automatically() -> None:
    assert min(LADDER) == 0.5
    assert walk(np.full(500, 0.49), np.zeros(500, dtype=bool), 0.1, 0.95) is None


def test_each_function_has_its_own_threshold_and_small_ones_none() -> None:
    cases = joined(
        block("城管", 0.9, 60, 0),
        block("城管", 0.6, 60, 30),
        block("公安", 0.6, 80, 0),
        block("司法信访", 0.99, SMALL - 1, 0),
        block("教育", 0.9, 60, 30),
    )
    found = choose(cases, 0.1)
    assert {name: kept.threshold for name, kept in found.items()} == {"城管": 0.62, "公安": 0.5}
    assert "司法信访" not in large(cases)


def test_all_at_once_asks_more_of_each() -> None:
    cases = joined(block("城管", 0.9, 32, 0), block("公安", 0.9, 60, 0))
    assert set(choose(cases, 0.1, scope="each")) == {"城管", "公安"}
    assert set(choose(cases, 0.1, scope="together")) == {"公安"}


def test_the_whole_may_hide_a_function_that_is_worse() -> None:
    cases = joined(block("城管", 0.9, 200, 0), block("公安", 0.9, 40, 10))
    assert set(choose(cases, 0.1, scope="each")) == {"城管"}
    whole = choose(cases, 0.1, scope="whole")
    assert set(whole) == {"城管", "公安"}
    assert whole["公安"].bound > 0.1
    seen = together(cases, {name: kept.threshold for name, kept in whole.items()}, 0.95)
    assert seen is not None
    assert (seen.n, seen.wrong) == (240, 10)
    assert seen.bound <= 0.1


def test_what_something_else_holds_back_is_neither_counted_nor_sent() -> None:
    held = served(["城管"] * 100, [0.9] * 100, [True] * 50 + [False] * 50, [False] * 50 + [True] * 50)
    assert choose(held, 0.1)["城管"].n == 50
    assert dispatched(held, {"城管": 0.5}).sum() == 50
    assert dispatched(held, {"公安": 0.0}).sum() == 0
    assert together(held, {"公安": 0.0}, 0.95) is None


@pytest.mark.parametrize("alpha", [0.1, 0.05])
def test_the_promise_is_broken_in_at_most_one_of_twenty_worlds(alpha: float) -> None:
    """Worlds where the true error at every threshold is known; each draws its own calibration cases."""
    rng = np.random.default_rng(5)
    broken = kept = 0
    for _ in range(1500):
        scores = rng.uniform(0.5, 1.0, 300)
        found = walk(scores, rng.random(300) < 0.6 * (1 - scores), alpha, 0.95)
        if found:
            kept += 1
            # errors fall evenly from 0.3 at 0.5 to 0 at 1: above t their mean is half of that at t
            broken += 0.3 * (1 - found.threshold) > alpha
    assert kept > 100
    assert broken / 1500 <= 0.05


def test_a_world_on_the_edge_breaks_as_often_as_allowed_and_no_more() -> None:
    rng = np.random.default_rng(6)
    passed = 0
    for _ in range(2000):
        scores = rng.uniform(0.5, 1.0, 200)
        passed += walk(scores, rng.random(200) < 0.101, 0.1, 0.95) is not None
    # every rung is just too bad: any pass breaks the promise
    assert 0.01 < passed / 2000 <= 0.06
