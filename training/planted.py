"""The label audit on a copy with planted wrong labels: how many the top of the list holds, and what cleaning gains.

A label drawn evenly from all is easy to find; one drawn by how common it is, harder; the one a linear model takes for
likeliest beside the true one ("near") is what a careless reader writes, and the hardest. Labels of the data that are
wrong themselves count against the audit here.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from training.config import TrainingConfig
from training.flags import wilson
from training.label_audit import Judged, Labels, features_of, folds_of, indexed, judge, probe_margins
from training.metrics import Score, difference, mean_of, score
from training.splits import text_group
from training.suspects import READ, rows_of

How = Literal["even", "common", "near"]
Column = Sequence[str | None]


@dataclass(frozen=True)
class Trial:
    """One field of one copy.

    :param planted: wrong labels among `rows`; as many rows make the top decile when a tenth is planted.
    :param precision: planted among the top decile of the rows by suspicion.
    :param noisy: top-1 of a probe taught on the copy, on rows it has not seen, whose labels were left alone.
    :param dropped: the same, taught without the labels of the top decile: nobody read them.
    :param settled: the same, after a reader put the top decile right.
    :param clean: the same, taught on the labels before planting.
    :param gain: `settled` less `noisy`, paired; `saved` is `dropped` less `noisy`.
    """

    field: str
    how: How
    rows: int
    planted: int
    precision: Score
    noisy: Score
    dropped: Score
    settled: Score
    clean: Score
    gain: Score
    saved: Score


def plant(column: Column, share: float, rng: np.random.Generator, nearest: Judged | None = None) -> list[str | None]:
    """A copy in which `share` of the labels are others.

    :param nearest: what a probe says about the true labels, for the likeliest others; None: drawn.
    """
    told = [index for index, value in enumerate(column) if value]
    copy = list(column)
    for index in rng.choice(told, round(share * len(told)), replace=False):
        if nearest is not None:
            copy[index] = nearest.names[nearest.proposed[index]]
            continue
        while copy[index] == column[index]:
            copy[index] = column[rng.choice(told)]
    return copy


def plant_evenly(column: Column, share: float, rng: np.random.Generator) -> list[str | None]:
    """The same with every label that has rows enough equally likely."""
    names, given = indexed(column)
    copy = list(column)
    for index in rng.choice(np.flatnonzero(given >= 0), round(share * len(column)), replace=False):
        copy[index] = names[rng.choice(np.delete(np.arange(len(names)), given[index]))]
    return copy


def rehearse(
    texts: Sequence[str], labels: Labels, teach: int, how: How, *, share: float = 0.1, seed: int = 1
) -> Iterator[Trial]:
    """A trial per field: `share` of the labels of every field are planted wrong at once, each field by itself.

    :param teach: the first so many rows are audited, the others judge what the probe has learned.
    """
    rng = np.random.default_rng(seed)
    features, folds = features_of(texts), folds_of(texts)
    fresh = np.flatnonzero(~np.isin(np.arange(len(texts)), np.arange(teach)))
    true = {field: list(column[:teach]) for field, column in labels.items()}
    copies = {field: _planted(features[:teach], folds[:teach], true, field, how, share, rng) for field in true}
    for field, copy in copies.items():
        judged = judge(features[:teach], folds[:teach], copies, field)
        if judged is None:
            continue
        yield _trial(field, how, judged.suspicion, copy, labels[field], features, fresh)


def _planted(
    features: csr_matrix,
    folds: NDArray[np.int64],
    true: Mapping[str, list[str | None]],
    field: str,
    how: How,
    share: float,
    rng: np.random.Generator,
) -> list[str | None]:
    if how == "even":
        return plant_evenly(true[field], share, rng)
    nearest = judge(features, folds, {field: true[field]}, field) if how == "near" else None
    return plant(true[field], share, rng, nearest)


def _trial(
    field: str,
    how: How,
    suspicion: NDArray[np.float64],
    copy: list[str | None],
    column: Column,
    features: csr_matrix,
    fresh: NDArray[np.intp],
) -> Trial:
    teach = len(copy)
    wrong = np.array([one != other for one, other in zip(copy, column, strict=False)])
    top = np.argsort(-suspicion, kind="stable")[: teach // 10]
    listed = np.isin(np.arange(teach), top)
    taught: dict[str, list[str | None]] = {
        "noisy": copy,
        "dropped": [None if gone else value for value, gone in zip(copy, listed, strict=True)],
        "settled": [column[index] if listed[index] else value for index, value in enumerate(copy)],
        "clean": list(column[:teach]),
    }
    held = [index for index in fresh if column[index]]
    hits = {name: _hits(features, labels, held, [column[index] for index in held]) for name, labels in taught.items()}
    means = {name: mean_of(one) for name, one in hits.items()}
    scores = {name: score(one, len(held)) for name, one in means.items()}
    return Trial(
        field,
        how,
        teach,
        int(wrong.sum()),
        wilson(int(wrong[top].sum()), len(top)),
        **scores,
        gain=difference(means["settled"], means["noisy"], len(held)),
        saved=difference(means["dropped"], means["noisy"], len(held)),
    )


def _hits(features: csr_matrix, taught: Column, held: Sequence[int], truth: Column) -> NDArray[np.bool_]:
    """Whether the probe taught so answers each held row as its label says."""
    names, target = indexed(taught)
    known = np.flatnonzero(target >= 0)
    margins = probe_margins(features[known], target[known], features[held], len(names))
    answers = np.array(names)[margins.argmax(axis=1)]
    return np.asarray(answers == np.array(truth))


def on_copy(config: TrainingConfig, rows: int, how: How = "common", seed: int = 1) -> list[Trial]:
    """Trials on `rows` read rows of the data; half as many again, of other texts, judge what cleaning gains.

    :param seed: of what is planted; the rows are always the same.
    """
    audited = rows_of(config, READ)
    told = [row for row in range(len(audited.ids)) if all(audited.labels[field][row] for field in READ)]
    order = [told[place] for place in np.random.default_rng(0).permutation(len(told))]
    taught, others = order[:rows], order[rows:]
    seen = {text_group(audited.texts[row]) for row in taught}
    fresh = [row for row in others if text_group(audited.texts[row]) not in seen][: rows // 2]
    chosen = [*taught, *fresh]
    labels = {field: [audited.coarse[field][row] for row in chosen] for field in READ}
    return list(rehearse([audited.texts[row] for row in chosen], labels, len(taught), how, seed=seed))
