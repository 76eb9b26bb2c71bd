"""Figures with an interval: every score carries its 95 % bootstrap interval and its number of rows.

A statistic maps `[resamples, rows]` bootstrap weights to `[resamples]` values, so that a thousand
resamples are a few matrix products, and two systems are compared on the very same resamples.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]
Integers = NDArray[np.integer]
Statistic = Callable[[NDArray[np.float32]], NDArray[np.float64]]

RESAMPLES = 1000
SEED = 20261123
BINS = 15


@dataclass(frozen=True)
class Score:
    """A figure, the bounds of its 95 % interval and the number of rows it rests on."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Bin:
    """One point of a reliability diagram or of an accuracy-against-coverage curve."""

    x: float  # mean confidence, or share of cases answered
    accuracy: float
    n: int


@dataclass(frozen=True)
class Ceiling:
    """What texts that came more than once allow at best.

    :param best: accuracy of always giving each text its most frequent label; an upper bound.
    :param agreement: how often two cases of one text carry the same label; a lower bound.
    :param texts: number of texts that occur more than once.
    :param disputed: how many of them carry differing labels.
    """

    best: Score
    agreement: Score
    texts: int
    disputed: int


@lru_cache(maxsize=6)
def resample_weights(n: int) -> NDArray[np.float32]:
    """`[RESAMPLES, n]`: how often each row was drawn, the same for the same `n`."""
    rng = np.random.default_rng(SEED)
    rows = np.arange(RESAMPLES)[:, None] * n
    drawn = np.bincount((rng.integers(0, n, (RESAMPLES, n)) + rows).ravel(), minlength=RESAMPLES * n)
    return drawn.reshape(RESAMPLES, n).astype(np.float32)


def _bounds(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.percentile(values, (2.5, 97.5))
    return float(low), float(high)


def _once(statistic: Statistic, n: int) -> float:
    return float(statistic(np.ones((1, n), dtype=np.float32))[0])


def score(statistic: Statistic, n: int, *, centred: bool = False) -> Score:
    """The statistic of all `n` rows (`n` ≥ 1) with its interval.

    :param centred: shift the interval by the bootstrap's own bias. Resampling inflates calibration
        errors and loses rare labels from a macro-F1, so their plain percentiles miss the value.
    """
    value, samples = _once(statistic, n), statistic(resample_weights(n))
    if centred:
        samples = np.clip(samples + value - samples.mean(), 0.0, 1.0)
    low, high = _bounds(samples)
    return Score(value, min(low, value), max(high, value), n)


def difference(first: Statistic, second: Statistic, n: int, *, centred: bool = False) -> Score:
    """First minus second on the same rows, with the interval of the paired difference."""
    weights = resample_weights(n)
    value, samples = _once(first, n) - _once(second, n), first(weights) - second(weights)
    low, high = _bounds(samples + (value - samples.mean() if centred else 0.0))
    return Score(value, min(low, value), max(high, value), n)


def top_k_hits(scores: Floats, truth: Integers, k: int) -> Bools:
    """Whether the true label is among the `k` best of each row of `[rows, labels]`; the first of equals wins."""
    own = scores[np.arange(len(truth)), truth][:, None]
    before = np.arange(scores.shape[1]) < truth[:, None]
    ahead = (scores > own) | ((scores == own) & before)
    hits: Bools = ahead.sum(axis=1) < k
    return hits


def mean_of(hits: Bools) -> Statistic:
    """Share of hits."""
    return ratio_of(hits, np.ones(len(hits), dtype=np.bool_))


def ratio_of(part: Bools, whole: Bools) -> Statistic:
    """Share of `part` in `whole`, 0 where `whole` is empty (precision, recall)."""
    counted = np.stack([part & whole, whole], axis=1).astype(np.float32)

    def statistic(weights: NDArray[np.float32]) -> NDArray[np.float64]:
        sums = (weights @ counted).astype(np.float64)
        return np.asarray(sums[:, 0] / np.maximum(sums[:, 1], 1.0))

    return statistic


def macro_f1_of(truth: Integers, predicted: Integers) -> Statistic:
    """Unweighted mean F1 of the labels that occur in the (resampled) truth."""
    labels = np.unique(truth)
    true = (truth[:, None] == labels).astype(np.float32)
    said = (predicted[:, None] == labels).astype(np.float32)

    def statistic(weights: NDArray[np.float32]) -> NDArray[np.float64]:
        positives = (weights @ true).astype(np.float64)
        both = (weights @ (true * said)).astype(np.float64)
        f1 = 2 * both / np.maximum(positives + weights @ said, 1.0)
        return np.asarray(f1.sum(axis=1) / (positives > 0).sum(axis=1))

    return statistic


def f1_per_label(truth: Integers, predicted: Integers, labels: int) -> NDArray[np.float64]:
    """`[labels]` F1 of each label, 0 where it neither occurs nor is said."""
    both = np.bincount(truth[truth == predicted], minlength=labels)
    total = np.bincount(truth, minlength=labels) + np.bincount(predicted, minlength=labels)
    return np.asarray(2 * both / np.maximum(total, 1))


def _mass_bins(confidence: Floats, bins: int) -> list[NDArray[np.intp]]:
    order = np.argsort(confidence, kind="stable")
    return [rows for rows in np.array_split(order, bins) if len(rows)]


def ece_of(confidence: Floats, hits: Bools, bins: int = BINS) -> Statistic:
    """Expected calibration error over equal-mass bins (fixed by the full sample)."""
    gap = np.zeros((len(hits), bins), dtype=np.float32)
    for column, rows in enumerate(_mass_bins(confidence, bins)):
        gap[rows, column] = confidence[rows] - hits[rows]

    def statistic(weights: NDArray[np.float32]) -> NDArray[np.float64]:
        sums = (weights @ gap).astype(np.float64)
        return np.asarray(np.abs(sums).sum(axis=1) / weights.sum(axis=1))

    return statistic


def reliability(confidence: Floats, hits: Bools, bins: int = BINS) -> tuple[Bin, ...]:
    """Mean confidence and accuracy of equal-mass bins, least confident first."""
    return tuple(
        Bin(float(confidence[rows].mean()), float(hits[rows].mean()), len(rows))
        for rows in _mass_bins(confidence, bins)
    )


def coverage_curve(confidence: Floats, hits: Bools, points: int = 50) -> tuple[Bin, ...]:
    """Accuracy on the most confident share of cases, for `points` shares up to all."""
    order = np.argsort(-confidence, kind="stable")
    running = np.cumsum(hits[order]) / np.arange(1, len(order) + 1)
    kept = np.unique(np.ceil(np.linspace(0, 1, points + 1)[1:] * len(order)).astype(int))
    return tuple(Bin(count / len(order), float(running[count - 1]), int(count)) for count in kept)


def repeated_text_ceiling(groups: Sequence[str], labels: Iterable[int]) -> Ceiling | None:
    """The ceiling over groups of equal texts that occur more than once; None when there are none.

    Each text weighs with the number of its cases; the bootstrap draws whole texts.
    """
    by_text: dict[str, Counter[int]] = {}
    for group, label in zip(groups, labels, strict=True):
        by_text.setdefault(group, Counter())[int(label)] += 1
    repeated = [counts for counts in by_text.values() if counts.total() > 1]
    if not repeated:
        return None
    size = np.array([counts.total() for counts in repeated], dtype=np.float32)
    best = np.array([max(counts.values()) for counts in repeated], dtype=np.float32)
    pairs = np.array([sum(c * (c - 1) for c in counts.values()) for counts in repeated], dtype=np.float32)
    rows = int(size.sum())
    return Ceiling(
        _over_texts(best, size, rows),
        _over_texts(pairs / (size - 1), size, rows),
        texts=len(repeated),
        disputed=sum(len(counts) > 1 for counts in repeated),
    )


def _over_texts(numerator: Floats, size: Floats, rows: int) -> Score:
    def statistic(weights: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.asarray((weights @ numerator).astype(np.float64) / (weights @ size))

    drawn = score(statistic, len(size))
    return Score(drawn.value, drawn.low, drawn.high, rows)
