"""π(function, level | category): how often each pair leads a category in the read cases, smoothed."""

import numpy as np
from numpy.typing import NDArray

from dispatch_model.labels import LabelMaps
from training.targets import MISSING, Targets

BACK_OFF = 3.0  # a category with this many cases weighs its own counts and its parent's alike


def log_prior(targets: Targets, maps: LabelMaps) -> NDArray[np.float32]:
    """`[leaves, functions, levels]` log π, each category summing to 1.

    Counts back off leaf → four digits → two digits → uniform, each step with weight `BACK_OFF`
    (Jelinek–Mercer smoothing in its Dirichlet form).
    """
    shape = (len(maps.functions), len(maps.levels))
    counts = np.zeros((len(maps.leaves), *shape))
    columns = [targets[name] for name in ("category", "function", "level")]
    known = np.logical_and.reduce([column != MISSING for column in columns])
    np.add.at(counts, tuple(column[known] for column in columns), 1.0)
    estimate = np.full(shape, 1.0 / (shape[0] * shape[1]))
    prior = np.empty_like(counts)
    for top in sorted({leaf[:2] for leaf in maps.leaves}):
        over_top = _backed(_total(counts, maps, top), estimate)
        for parent in sorted({leaf[:4] for leaf in maps.leaves if leaf.startswith(top)}):
            over_parent = _backed(_total(counts, maps, parent), over_top)
            for index, leaf in enumerate(maps.leaves):
                if leaf.startswith(parent):
                    prior[index] = _backed(counts[index], over_parent)
    return np.log(prior).astype(np.float32)


def _total(counts: NDArray[np.float64], maps: LabelMaps, prefix: str) -> NDArray[np.float64]:
    chosen = [index for index, leaf in enumerate(maps.leaves) if leaf.startswith(prefix)]
    return np.asarray(counts[chosen].sum(axis=0))


def _backed(counts: NDArray[np.float64], estimate: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((counts + BACK_OFF * estimate) / (counts.sum() + BACK_OFF))
