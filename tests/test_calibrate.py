import numpy as np
import pytest

from training.calibrate import Mix, fit_blend, fit_flag_scale, fit_mix, log_softmax, negative_log_likelihood
from training.targets import MISSING

RNG = np.random.default_rng(4)
LOGITS = RNG.normal(size=(4000, 5))


def drawn(logits: np.ndarray) -> np.ndarray:
    """Labels that happen exactly as often as softmax of `logits` says."""
    chance = np.exp(log_softmax(logits))
    return np.asarray((chance.cumsum(axis=1) > RNG.random((len(logits), 1))).argmax(axis=1))


def test_log_softmax_is_safe_and_sums_to_one() -> None:
    values = log_softmax(np.array([[1e4, 1e4 - 1, -1e4], [0.0, 0.0, 0.0]]))
    assert np.exp(values).sum(axis=1) == pytest.approx([1, 1])
    assert values[0, 0] == pytest.approx(-np.log(1 + np.exp(-1)))


def test_likelihood_counts_known_rows_only() -> None:
    logits = np.log(np.array([[0.25, 0.75], [0.5, 0.5], [0.9, 0.1]]))
    assert negative_log_likelihood(logits, np.array([1, 0, MISSING])) == pytest.approx(-np.log(0.75 * 0.5) / 2)


def test_an_overconfident_branch_is_cooled() -> None:
    mix = fit_mix(3.0 * LOGITS, np.zeros_like(LOGITS), drawn(LOGITS))
    assert mix.encoder == pytest.approx(1 / 3, rel=0.1)


def test_both_branches_are_weighed() -> None:
    other = RNG.normal(size=LOGITS.shape)
    mix = fit_mix(LOGITS, other, drawn(0.5 * LOGITS + 2.0 * other))
    assert mix.encoder == pytest.approx(0.5, rel=0.2)
    assert mix.wide == pytest.approx(2.0, rel=0.1)


def test_a_useless_branch_is_left_out() -> None:
    mix = fit_mix(LOGITS, -LOGITS[::-1].copy(), drawn(LOGITS))
    assert mix.wide < 0.1
    assert mix.wide >= 0


def test_unknown_rows_change_nothing() -> None:
    target = drawn(LOGITS)
    known = fit_mix(LOGITS[:2000], np.zeros((2000, 5)), target[:2000])
    target[2000:] = MISSING
    assert fit_mix(LOGITS, np.zeros_like(LOGITS), target) == known


def test_where_nothing_is_known_nothing_is_changed() -> None:
    nothing = np.full(len(LOGITS), MISSING)
    assert fit_mix(LOGITS, LOGITS, nothing) == Mix(1.0, 0.0)
    assert fit_flag_scale(LOGITS, np.full(LOGITS.shape, MISSING)) == (1.0, 0.0)
    assert fit_blend(LOGITS, LOGITS, nothing) == 0.5


def test_flags_are_scaled_and_shifted() -> None:
    chance = 1 / (1 + np.exp(-(0.5 * LOGITS - 1.0)))
    slope, offset = fit_flag_scale(LOGITS, (RNG.random(LOGITS.shape) < chance).astype(np.int64))
    assert slope == pytest.approx(0.5, abs=0.05)
    assert offset == pytest.approx(-1.0, abs=0.1)


def test_duty_gets_no_weight_that_costs_practice() -> None:
    should, does = (np.log(np.array(rows)) for rows in ([[0.6, 0.4]] * 4, [[0.3, 0.7]] * 4))
    second = np.full(4, 1)
    weight = fit_blend(should, does, second)  # 0.4w + 0.7(1−w) > 0.5 while w < 2/3
    assert weight == 0.65


def test_duty_that_agrees_with_practice_gets_all_the_weight() -> None:
    alike = np.log(np.array([[0.9, 0.1]] * 4))
    assert fit_blend(alike, alike, np.zeros(4, dtype=np.int64)) == 1.0
