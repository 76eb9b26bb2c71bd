import time

import numpy as np
import pytest
from sklearn.metrics import f1_score

from training import metrics
from training.metrics import RESAMPLES, Score


def answers(rows: int, labels: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Scores that often favour the true label."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, labels, rows)
    scores = rng.normal(size=(rows, labels))
    scores[np.arange(rows), truth] += 1.0
    return scores, truth


def value(statistic: metrics.Statistic, n: int) -> float:
    return metrics.score(statistic, n).value


def test_top_k_counts_labels_ahead_of_the_true_one() -> None:
    scores = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7], [0.2, 0.5, 0.3]])
    truth = np.array([0, 1, 0])
    assert metrics.top_k_hits(scores, truth, 1).tolist() == [True, False, False]
    assert metrics.top_k_hits(scores, truth, 2).tolist() == [True, True, False]
    assert metrics.top_k_hits(scores, truth, 3).all()


def test_top_1_is_the_argmax_even_among_equals() -> None:
    scores = np.zeros((3, 3))
    truth = np.arange(3)
    assert (metrics.top_k_hits(scores, truth, 1) == (scores.argmax(axis=1) == truth)).all()


def test_macro_f1_is_that_of_scikit_learn_over_the_labels_of_the_truth() -> None:
    scores, truth = answers(400, 9)
    said = scores.argmax(axis=1)
    truth[truth == 8] = 0  # label 8 is said but never true
    expected = f1_score(truth, said, labels=np.unique(truth), average="macro", zero_division=0)
    assert value(metrics.macro_f1_of(truth, said), 400) == pytest.approx(expected)


def test_macro_f1_of_each_resample_is_that_of_the_rows_drawn() -> None:
    scores, truth = answers(30, 4)
    said = scores.argmax(axis=1)
    weights = metrics.resample_weights(30)[:5]
    drawn = [np.repeat(np.arange(30), row.astype(int)) for row in weights]
    expected = [
        f1_score(truth[i], said[i], labels=np.unique(truth[i]), average="macro", zero_division=0) for i in drawn
    ]
    assert metrics.macro_f1_of(truth, said)(weights) == pytest.approx(np.array(expected))


def test_f1_per_label_is_that_of_scikit_learn() -> None:
    scores, truth = answers(200, 5)
    expected = f1_score(truth, scores.argmax(axis=1), labels=range(6), average=None, zero_division=0)
    assert metrics.f1_per_label(truth, scores.argmax(axis=1), 6) == pytest.approx(expected)


def test_precision_and_recall() -> None:
    truth = np.array([True, True, False, False, True])
    said = np.array([True, False, True, False, False])
    assert value(metrics.ratio_of(truth, said), 5) == pytest.approx(1 / 2)
    assert value(metrics.ratio_of(said, truth), 5) == pytest.approx(1 / 3)
    assert value(metrics.ratio_of(truth, np.zeros(5, dtype=np.bool_)), 5) == 0.0


def test_calibration_error_by_hand() -> None:
    confidence = np.array([0.6, 0.6, 0.9, 0.9])
    hits = np.array([True, False, True, True])
    # two bins of two: |0.6 − 0.5| and |0.9 − 1.0|, each half of the mass
    assert value(metrics.ece_of(confidence, hits, bins=2), 4) == pytest.approx(0.1)


def test_more_bins_than_rows_leave_no_empty_bin() -> None:
    confidence = np.array([0.3, 0.8])
    hits = np.array([False, True])
    assert value(metrics.ece_of(confidence, hits), 2) == pytest.approx(0.25)
    assert [point.n for point in metrics.reliability(confidence, hits)] == [1, 1]


def test_reliability_bins_hold_equal_mass_in_order_of_confidence() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(size=300)
    bins = metrics.reliability(confidence, rng.uniform(size=300) < confidence)
    assert [point.n for point in bins] == [20] * 15
    assert [point.x for point in bins] == sorted(point.x for point in bins)
    assert np.mean([abs(point.x - point.accuracy) for point in bins]) < 0.15


def test_coverage_curve_starts_with_the_most_confident() -> None:
    confidence = np.array([0.2, 0.9, 0.5, 0.7])
    hits = np.array([False, True, False, True])
    curve = metrics.coverage_curve(confidence, hits, points=4)
    assert [(point.x, point.accuracy, point.n) for point in curve] == [
        (0.25, 1.0, 1),
        (0.5, 1.0, 2),
        (0.75, pytest.approx(2 / 3), 3),
        (1.0, 0.5, 4),
    ]


def test_interval_of_a_share_is_about_the_binomial_one() -> None:
    hits = np.arange(1000) < 800
    found = metrics.score(metrics.mean_of(hits), 1000)
    margin = 1.96 * np.sqrt(0.8 * 0.2 / 1000)
    assert found.value == pytest.approx(0.8)
    assert found.n == 1000
    assert found.low == pytest.approx(0.8 - margin, abs=0.004)
    assert found.high == pytest.approx(0.8 + margin, abs=0.004)


def test_the_same_rows_give_the_same_interval() -> None:
    first = metrics.resample_weights(17)
    metrics.resample_weights.cache_clear()
    assert (first == metrics.resample_weights(17)).all()
    assert first.shape == (RESAMPLES, 17)
    assert (first.sum(axis=1) == 17).all()


def test_paired_differences_are_narrower_than_the_two_intervals() -> None:
    rng = np.random.default_rng(1)
    rival = rng.uniform(size=800) < 0.7
    ours = rival | (rng.uniform(size=800) < 0.1)  # never worse
    ours_of, rival_of = metrics.mean_of(ours), metrics.mean_of(rival)
    gain = metrics.difference(ours_of, rival_of, 800)
    assert gain.value == pytest.approx(ours.mean() - rival.mean())
    assert 0 < gain.low < gain.value < gain.high
    assert gain.high - gain.low < metrics.score(ours_of, 800).high - metrics.score(ours_of, 800).low


def test_a_system_does_not_differ_from_itself() -> None:
    hits = metrics.mean_of(np.arange(50) % 3 == 0)
    assert metrics.difference(hits, hits, 50) == Score(0.0, 0.0, 0.0, 50)


def test_centring_removes_what_resampling_adds_to_a_calibration_error() -> None:
    rng = np.random.default_rng(2)
    confidence = rng.uniform(0.4, 1, size=600)
    statistic = metrics.ece_of(confidence, rng.uniform(size=600) < confidence)
    plain, centred = metrics.score(statistic, 600), metrics.score(statistic, 600, centred=True)
    assert plain.value - plain.low < 0.2 * (plain.high - plain.value)
    assert centred.low < centred.value < centred.high


def test_ceiling_of_repeated_texts_by_hand() -> None:
    groups = ["a"] * 4 + ["b"] * 2 + ["c"]
    labels = np.array([1, 1, 1, 2, 5, 5, 3])
    ceiling = metrics.repeated_text_ceiling(groups, labels)
    assert ceiling is not None
    assert (ceiling.texts, ceiling.disputed, ceiling.best.n) == (2, 1, 6)
    assert ceiling.best.value == pytest.approx(5 / 6)
    # of a's 12 ordered pairs 6 agree, of b's 2 both: (4 · ½ + 2 · 1) / 6
    assert ceiling.agreement.value == pytest.approx(4 / 6)


def test_no_repeated_text_gives_no_ceiling() -> None:
    assert metrics.repeated_text_ceiling(["a", "b"], np.array([0, 1])) is None


def test_a_thousand_resamples_of_five_thousand_rows_take_no_time() -> None:
    scores, truth = answers(5000, 40)
    metrics.resample_weights(5000)
    started = time.perf_counter()
    metrics.score(metrics.macro_f1_of(truth, scores.argmax(axis=1)), 5000)
    assert time.perf_counter() - started < 5
