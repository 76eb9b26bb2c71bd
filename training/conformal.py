"""Class-conditional (Mondrian) split-conformal sets of functions (Vovk 2003; Sadinle et al. 2019, LAC scores).

The score of a case is 1 − P(its function). Of each function the ⌈(n+1)·coverage⌉-th smallest score of its own
cases is the limit: a new case of that function has it in its set with probability ≥ coverage. Functions with few
cases share one limit, so that among them the promise holds on average.
"""

from collections.abc import Mapping, Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray

from dispatch_model.promise import PlausibleSets
from training.metrics import Bools, Floats

OWN = 20  # cases from which a function has a limit of its own


def limit(scores: Floats, coverage: float) -> float:
    """The conformal quantile of some scores; infinite where there are too few for the coverage."""
    rank = ceil((len(scores) + 1) * coverage - 1e-9)
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else np.inf


def fit_sets(
    probabilities: Floats, truth: NDArray[np.int64], names: Sequence[str], coverage: float, own: int = OWN
) -> PlausibleSets:
    """Cutoffs from cases that know their function.

    :param probabilities: `[cases, functions]`.
    :param truth: `[cases]` positions in `names`.
    """
    scores = 1.0 - probabilities[np.arange(len(truth)), truth].astype(np.float64)
    counts = np.bincount(truth, minlength=len(names))
    alone = counts >= own
    shared = limit(scores[~alone[truth]], coverage)
    limits = [limit(scores[truth == at], coverage) if alone[at] else shared for at in range(len(names))]
    return PlausibleSets(
        coverage=coverage,
        cutoffs={name: _cutoff(found) for name, found in zip(names, limits, strict=True)},
        n=len(truth),
        own=tuple(name for name, enough in zip(names, alone, strict=True) if enough),
    )


def _cutoff(found: float) -> float:
    # Rounded down: a case at the limit itself belongs to its set
    return max(0.0, np.floor((1.0 - found) * 1e9) / 1e9) if np.isfinite(found) else 0.0


def members(probabilities: Floats, sets: PlausibleSets, names: Sequence[str]) -> Bools:
    """`[cases, functions]` which functions are in the set of each case."""
    cutoffs = np.array([sets.cutoffs[name] for name in names])
    return np.asarray(probabilities >= cutoffs)


def coverage_by_class(inside: Bools, truth: NDArray[np.int64], names: Sequence[str]) -> Mapping[str, tuple[int, int]]:
    """Function → (cases whose set holds it, cases), most frequent first."""
    hit = inside[np.arange(len(truth)), truth]
    counts, hits = np.bincount(truth, minlength=len(names)), np.bincount(truth[hit], minlength=len(names))
    order = np.argsort(-counts, kind="stable")
    return {names[at]: (int(hits[at]), int(counts[at])) for at in order if counts[at]}
