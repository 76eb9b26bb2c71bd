from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from dispatch_model.gate_record import Check, Finding
from dispatch_model.labels import LabelMaps
from training import paired
from training.paired import DUTY, PRACTICE, Question

LABELS = 4


def asked(name: str, truth: NDArray[np.int64], champion: NDArray[np.bool_], challenger: NDArray[np.bool_]) -> Question:
    """A question that the two answer right where told, and surely."""
    return Question(name, truth, scores(truth, champion), scores(truth, challenger), stated=True)


def scores(truth: NDArray[np.int64], right: NDArray[np.bool_], sure: float = 0.9) -> NDArray[np.float32]:
    said = np.where(right, truth, (truth + 1) % LABELS)
    found = np.full((len(truth), LABELS), np.log((1 - sure) / (LABELS - 1)), dtype=np.float32)
    found[np.arange(len(truth)), said] = np.log(sure)
    return found


def alternating(n: int) -> NDArray[np.int64]:
    return np.arange(n, dtype=np.int64) % LABELS


def judged(champion: NDArray[np.bool_], challenger: NDArray[np.bool_], name: str = DUTY) -> Finding:
    (finding,) = paired.answer_findings({"test": [asked(name, alternating(len(champion)), champion, challenger)]})
    return finding


def test_mcnemar_is_the_exact_binomial_over_cases_that_differ() -> None:
    champion = np.array([True] * 8 + [False] * 2 + [True] * 50)
    challenger = np.array([False] * 8 + [True] * 2 + [True] * 50)
    won, lost, p = paired.mcnemar(champion, challenger)
    ways = sum(1 for k in (0, 1, 2) for _ in combinations(range(10), k))
    assert (won, lost) == (2, 8)
    assert p == pytest.approx(2 * ways / 2**10)
    assert paired.mcnemar(champion, champion) == (0, 0, 1.0)


def test_holm_is_monotone_and_keeps_the_order() -> None:
    assert paired.holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert paired.holm([0.9, 0.8]) == [1.0, 1.0]
    assert paired.holm([]) == []


def test_a_loss_that_is_no_chance_refuses() -> None:
    right, worse = np.ones(400, dtype=np.bool_), np.arange(400) >= 20
    finding = judged(right, worse)
    assert not finding.passed
    assert (finding.won, finding.lost, finding.n) == (0, 20, 400)
    assert finding.change is not None
    assert finding.change.value == pytest.approx(-0.05)
    assert finding.change.high < 0
    assert judged(worse, right).passed, "a gain passes"


def test_a_loss_that_may_be_chance_passes_on_few_cases_but_not_a_point_on_many() -> None:
    rows = np.arange(200)
    few = judged(rows % 20 != 0, rows % 20 != 1)
    assert few.passed
    assert few.p == 1.0
    many = np.arange(2000)
    champion = many % 20 != 0  # 100 wrong
    challenger = (many % 20 != 1) & (many < 1975)  # 98 others wrong, and 25 or so more
    finding = judged(champion, challenger)
    assert finding.p is not None
    assert finding.p > paired.CERTAIN
    assert not finding.passed
    assert "1 点" in finding.rule


def test_one_loss_among_many_questions_must_be_surer() -> None:
    right, worse = np.ones(300, dtype=np.bool_), np.arange(300) >= 7
    alone = asked(DUTY, alternating(300), right, worse)
    same = asked("诉求类型", alternating(300), right, right)
    assert not paired.answer_findings({"test": [alone]})[0].passed
    first, *_ = paired.answer_findings({"test": [alone, *[same] * 6]})
    assert first.p == pytest.approx(7 * 2 / 2**7)
    assert first.passed


def test_a_function_may_not_lose_more_than_five_points(maps: LabelMaps) -> None:
    truth = np.repeat(np.array([0, 1, 2], dtype=np.int64), (40, 40, 29))
    champion = np.ones(109, dtype=np.bool_)
    challenger = champion.copy()
    challenger[[0, 1]] = False  # 5 points of 40
    challenger[[40, 41, 42]] = False  # 7.5 points
    challenger[80:90] = False  # too few cases to be judged
    findings = list(paired.function_findings("test", [asked(PRACTICE, truth, champion, challenger)], maps))
    assert [(finding.n, finding.passed) for finding in findings] == [(40, True), (40, False)]
    names = list(maps.functions)
    assert [finding.what for finding in findings] == [f"{name} · {PRACTICE}" for name in names[:2]]
    assert list(paired.function_findings("test", [asked("诉求类型", truth, champion, challenger)], maps)) == []


def test_what_a_function_loses_may_have_to_be_shown(maps: LabelMaps) -> None:
    truth, right = np.zeros(40, dtype=np.int64), np.ones(40, dtype=np.bool_)
    for lost, passed in ((5, True), (6, False)):  # exact p of 5 of 5: 0.06, of 6 of 6: 0.03
        question = asked(DUTY, truth, right, np.arange(40) >= lost)
        (finding,) = paired.function_findings("test", [question], maps, shown=True)
        assert finding.passed is passed
        assert "确有" in finding.rule


def test_worse_calibration_refuses_when_its_interval_says_so() -> None:
    truth, right = alternating(600), np.arange(600) % 10 != 0
    honest, boastful = scores(truth, right, 0.9), scores(truth, right, 0.999)
    (worse,) = paired.calibration_findings("test", [Question(DUTY, truth, honest, boastful, stated=True)])
    (better,) = paired.calibration_findings("test", [Question(DUTY, truth, boastful, honest, stated=True)])
    (same,) = paired.calibration_findings("test", [Question(DUTY, truth, honest, honest, stated=True)])
    assert (worse.passed, better.passed, same.passed) == (False, True, True)
    assert worse.challenger == pytest.approx(0.099, abs=0.002)
    assert list(paired.calibration_findings("test", [Question("x", truth, honest, boastful)])) == []


def test_a_rare_function_that_is_lost_shows_in_macro_f1() -> None:
    truth = np.repeat(np.array([0, 1, 2, 3], dtype=np.int64), (200, 200, 200, 30))
    right, without = np.ones(630, dtype=np.bool_), truth != 3
    (finding,) = paired.macro_findings("test", [asked(DUTY, truth, right, without)])
    assert not finding.passed
    assert finding.check is Check.MACRO_F1


def test_by_chance_the_rule_on_functions_refuses_often_with_few_cases_and_never_with_many() -> None:
    def chance(n: int, differ: int, *, shown: bool = False) -> float:
        truth = np.zeros(n, dtype=np.int64)
        champion, challenger = np.ones(n, dtype=np.bool_), np.ones(n, dtype=np.bool_)
        champion[:differ], challenger[differ : 2 * differ] = False, False
        return paired.chance_of_refusal([asked(DUTY, truth, champion, challenger)], shown=shown)

    # 6 cases that differ; a net loss of 2 or more is more than 5 points of 30: P(at least 4 of 6 lost)
    assert chance(30, 3) == pytest.approx(22 / 64, abs=0.05)
    assert chance(30, 3, shown=True) == pytest.approx(1 / 64, abs=0.012)
    assert chance(3000, 3) == 0.0
    assert chance(29, 3) == 0.0
