"""Does choosing what to label pay? As many rows, chosen and drawn, with a linear probe: `dispatch data curve`.

The probe is the n-gram branch alone: minutes instead of days, and it chooses for itself as a model in service would.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.svm import LinearSVC
from tqdm import tqdm

from dispatch_model.labels import LabelMaps
from training.acquire import choose, uncertainty
from training.calibrate import log_softmax
from training.charts import learning_chart
from training.config import TrainingConfig
from training.prepare import Part, load_parts
from training.targets import MISSING
from training.wide import choose_vocabulary, encode_texts

Strategy = Literal["random", "uncertain", "diverse"]
STRATEGIES: tuple[Strategy, ...] = ("random", "uncertain", "diverse")
HEADS = ("function", "parent")
SIZES = (500, 1000, 1500, 2000, 3000, 4000)
SEEDS = 3
VOCABULARY = 28_000
_SCALE = 3.0  # from margins to probabilities; chosen rows are too few to fit it
_C = 0.5

Targets = Mapping[str, NDArray[np.int64]]


@dataclass(frozen=True)
class Point:
    """One probe.

    :param size: rows it learned from.
    :param hits: head → share of the judged rows it answers rightly.
    :param labels: head → how many labels it has seen.
    """

    strategy: Strategy
    seed: int
    size: int
    hits: dict[str, float]
    labels: dict[str, int]


@dataclass(frozen=True)
class Read:
    """Rows that were read case by case: n-grams and answers."""

    features: csr_matrix
    targets: Targets

    @classmethod
    def of(cls, part: Part, texts: Sequence[str]) -> "Read":
        """The rows of a part that know every head; calls are left out, as each repeats a case.

        :param texts: whose n-grams count.
        """
        read = np.all([part.targets[head] != MISSING for head in HEADS], axis=0)
        rows = np.flatnonzero(read & (np.array(part.rows["source"]) != "dialogue"))
        vocabulary = choose_vocabulary(texts, VOCABULARY)
        features = encode_texts(vocabulary, [part.texts[row] for row in rows])
        return cls(features, {head: part.targets[head][rows] for head in HEADS})


def learning_curve(pool: Read, judged: Read, sizes: Sequence[int] = SIZES, seeds: int = SEEDS) -> list[Point]:
    """One point per strategy, seed and size; all strategies of a seed begin with the same drawn rows."""
    runs = [(strategy, seed) for strategy in STRATEGIES for seed in range(seeds)]
    return [point for run in tqdm(runs, desc="learning curve") for point in _grow(*run, pool, judged, sizes)]


def _grow(strategy: Strategy, seed: int, pool: Read, judged: Read, sizes: Sequence[int]) -> list[Point]:
    order = np.random.default_rng(seed).permutation(pool.features.shape[0])
    known = order[: sizes[0]]
    points: list[Point] = []
    probes: dict[str, LinearSVC] = {}
    for size in sizes:
        if size > len(known):
            more = order[len(known) : size] if strategy == "random" else _more(strategy, pool, known, size, probes)
            known = np.concatenate([known, more])
        probes = {head: _fit(pool, known, head) for head in HEADS}
        hits = {head: float((probes[head].predict(judged.features) == judged.targets[head]).mean()) for head in HEADS}
        labels = {head: len(probes[head].classes_) for head in HEADS}
        points.append(Point(strategy, seed, size, hits, labels))
    return points


def _fit(pool: Read, rows: NDArray[np.int64], head: str) -> LinearSVC:
    return LinearSVC(C=_C, random_state=0, tol=1e-2).fit(pool.features[rows], pool.targets[head][rows])


def _more(
    strategy: Strategy, pool: Read, known: NDArray[np.int64], size: int, probes: Mapping[str, LinearSVC]
) -> NDArray[np.int64]:
    left = np.setdiff1d(np.arange(pool.features.shape[0]), known)
    features = pool.features[left]
    worth = uncertainty([_probabilities(probe, features) for probe in probes.values()])
    count = size - len(known)
    if strategy == "uncertain":
        return np.asarray(left[np.argsort(-worth, kind="stable")[:count]])
    return np.asarray(left[choose(features, worth, count)])


def _probabilities(probe: LinearSVC, features: csr_matrix) -> NDArray[np.float64]:
    margins = probe.decision_function(features)
    both = np.stack([-margins, margins], axis=1) if margins.ndim == 1 else margins
    return np.asarray(np.exp(log_softmax(_SCALE * both)))


def mean_hits(points: Sequence[Point], head: str) -> dict[str, list[tuple[int, float, float, float]]]:
    """Strategy → (size, mean, lowest, highest over the seeds)."""
    found: dict[str, list[tuple[int, float, float, float]]] = {}
    for strategy in STRATEGIES:
        for size in sorted({point.size for point in points}):
            hits = [point.hits[head] for point in points if (point.strategy, point.size) == (strategy, size)]
            if hits:
                found.setdefault(strategy, []).append((size, float(np.mean(hits)), min(hits), max(hits)))
    return found


def write_curve(config: TrainingConfig, out: Path, part: Literal["validation", "test"] = "validation") -> list[Point]:
    """Compute the curve on the data at hand; writes `learning_curve.json` and `learning_curve.svg` into `out`.

    :param part: what is judged; the test split is for the last look.
    """
    parts = load_parts(config, LabelMaps.load())
    texts = parts["train"].texts
    pool, judged = Read.of(parts["train"], texts), Read.of(parts[part], texts)
    points = learning_curve(pool, judged)
    out.mkdir(parents=True, exist_ok=True)
    told = {"part": part, "pool": pool.features.shape[0], "n": judged.features.shape[0]}
    body = {**told, "points": [asdict(point) for point in points]}
    (out / "learning_curve.json").write_text(json.dumps(body, indent=1), encoding="utf-8")
    curves = {head: mean_hits(points, head) for head in HEADS}
    (out / "learning_curve.svg").write_text(learning_chart(curves), encoding="utf-8")
    return points
