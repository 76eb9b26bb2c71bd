import numpy as np
import pytest

from dispatch_model.promise import PlausibleSets, Promise
from training.promise_report import PromiseReport, curve, exact, judge, reach
from training.selective import Served
from training.served import Answers

NAMES = ("城管", "公安")


def answers(n: int, wrong: int, score: float = 0.9) -> Answers:
    """`n` cases told to be 城管, the first `wrong` of them 公安's."""
    errors = np.arange(n) < wrong
    served = Served(np.full(n, "城管"), np.full(n, score), np.ones(n, dtype=bool), errors)
    return Answers(served, np.tile([0.8, 0.2], (n, 1)), np.where(errors, 1, 0), {})


def made(n: int) -> Promise:
    sets = PlausibleSets(coverage=0.9, cutoffs={"城管": 0.5, "公安": 0.5}, n=n, own=())
    return Promise(
        alpha=0.1,
        confidence=0.95,
        scope="each",
        city="海口市",
        rows="promise",
        n=n,
        functions={},
        whole=None,
        sets=sets,
    )


def judged(test: Answers) -> PromiseReport:
    return judge(made(100), {"promise": answers(100, 0), "test": test}, NAMES, bundle="b")


def test_thresholds_of_one_part_are_judged_on_another() -> None:
    report = judged(answers(200, 10))
    (found,) = [one for one in report.judged if (one.part, one.scope, one.alpha) == ("test", "each", 0.1)]
    assert (found.functions, found.coverage.value, found.error.value, found.error.n) == (1, 1.0, 0.05, 200)
    assert found.broken == ()


def test_a_function_that_surely_breaks_its_promise_is_named() -> None:
    report = judged(answers(200, 60))
    assert {one.broken for one in report.judged if one.part == "test" and one.error.n} == {("城管",)}


def test_two_percent_cannot_be_promised_on_a_hundred_cases() -> None:
    (found,) = [
        one for one in judged(answers(9, 0)).judged if (one.part, one.scope, one.alpha) == ("test", "each", 0.02)
    ]
    assert (found.functions, found.error.n, found.error.high) == (0, 0, 1.0)


def test_sets_are_counted_by_class() -> None:
    (_, found) = judged(answers(200, 10)).sets
    assert found.classes == {"城管": (190, 190), "公安": (0, 10)}
    assert (found.coverage.value, found.size, found.single) == (0.95, 1.0, 1.0)


def test_reach_is_the_largest_share_with_few_enough_errors() -> None:
    scores, wrong = np.linspace(1, 0.5, 100), np.arange(100) >= 90
    assert reach(scores, wrong, 0.0).value == pytest.approx(0.9)
    assert reach(scores, wrong, 0.05).value == pytest.approx(0.94)
    found = reach(scores, wrong, 0.05)
    assert found.low < found.value < found.high


def test_what_could_not_go_is_never_reached() -> None:
    scores = np.array([0.9] * 10 + [-1.0] * 10)
    assert reach(scores, np.zeros(20, dtype=bool), 0.1).value == 0.5
    assert curve(scores, np.zeros(20, dtype=bool))[-1] == (0.5, 0.0)


def test_an_exact_share_of_nothing_says_nothing() -> None:
    assert (exact(0, 0).low, exact(0, 0).high) == (0.0, 1.0)
