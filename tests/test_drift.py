import math
from collections import Counter

import pytest

from dispatch_model.bundle import Reference
from dispatch_model.cases import Case, ModelView, Routing
from serving.monitoring.drift import BINS, LEAST, Window, classes_of, expected, psi, score_bin
from serving.routing import Router

VIEW = ModelView(
    function=(("公安", 0.6),),
    level=(("市", 0.8),),
    category=(("030703", 0.7),),
    duty_function=(("城管", 0.93), ("公安", 0.02)),
    duty_level=(("区", 0.8),),
    kind=(("投诉", 0.9),),
)
REFERENCE = Reference(
    labels={"kind": {"投诉": 0.6, "求助": 0.4}, "level": {"区": 1.0}}, scores=[0.0] * 5 + [0.1, 0.1, 0.2, 0.2, 0.4]
)


def routing(router: Router, bundle: str = "one", **view: object) -> Routing:
    answer = router.route([Case(case_id="1", transcript="路灯不亮")])[0]
    return answer.model_copy(
        update={
            "model": VIEW.model_copy(update=view),
            "versions": answer.versions.model_copy(update={"bundle": bundle}),
        }
    )


def test_classes_are_what_the_model_thinks_best(router: Router) -> None:
    assert classes_of(routing(router)) == {
        "kind": "投诉",
        "function": "城管",
        "level": "区",
        "category": "03",
        "score": "0.9",
    }


def test_a_head_that_is_not_shown_has_no_class(router: Router) -> None:
    assert classes_of(routing(router, duty_function=(), duty_level=(), kind=())) == {"category": "03"}


@pytest.mark.parametrize(
    ("probability", "name"), [(0.0, "0.0"), (0.0999, "0.0"), (0.3, "0.3"), (0.55, "0.5"), (1.0, "0.9")]
)
def test_scores_fall_in_ten_equal_bins(probability: float, name: str) -> None:
    assert score_bin(probability) == name


def test_the_bins_of_the_reference_are_those_of_answers() -> None:
    scores = expected(REFERENCE)["score"]
    assert list(scores) == [score_bin(number / BINS + 0.05) for number in range(BINS)]
    assert scores["0.9"] == 0.4


def test_equal_spreads_do_not_differ() -> None:
    assert psi({"投诉": 600, "求助": 400}, {"投诉": 0.6, "求助": 0.4}) == 0


def test_the_index_is_the_textbook_one() -> None:
    by_hand = (0.8 - 0.6) * math.log(0.8 / 0.6) + (0.2 - 0.4) * math.log(0.2 / 0.4)
    assert psi({"投诉": 800, "求助": 200}, {"投诉": 0.6, "求助": 0.4}) == pytest.approx(by_hand)


def test_another_population_is_above_the_bound_of_the_alert() -> None:
    assert psi({"投诉": 100, "求助": 900}, {"投诉": 0.6, "求助": 0.4}) > 0.25


@pytest.mark.parametrize("counts", [{"咨询": 1000}, {"投诉": 1000}])
def test_a_class_on_one_side_only_weighs_within_bounds(counts: dict[str, float]) -> None:
    assert 1 < psi(counts, {"求助": 1.0}) < 20


def test_few_answers_say_nothing() -> None:
    assert math.isnan(psi({"投诉": LEAST - 1}, {"投诉": 1.0}))
    assert psi({"投诉": LEAST}, {"投诉": 1.0}) == 0
    assert math.isnan(psi({}, {"投诉": 1.0}))


def counted(window: Window, *answers: Routing) -> dict[tuple[str, str], int]:
    """The counts after `answers`, kept as the gauges keep them."""
    counts = Counter[tuple[str, str]]()
    for answer in answers:
        counts.update(window.add(answer))
    return {pair: count for pair, count in counts.items() if count and pair[0] == "level"}


def test_only_the_last_answers_count(router: Router) -> None:
    old, new = routing(router), routing(router, duty_level=(("市", 0.9),))
    assert counted(Window(2), old, old) == {("level", "区"): 2}
    assert counted(Window(2), old, old, new) == {("level", "区"): 1, ("level", "市"): 1}
    assert counted(Window(2), old, old, new, new) == {("level", "市"): 2}


def test_another_bundle_begins_anew(router: Router) -> None:
    old = routing(router)
    assert counted(Window(9), old, old, routing(router, bundle="two")) == {("level", "区"): 1}
