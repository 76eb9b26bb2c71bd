"""What to label next: uncertain for the model, unlike what was already chosen, disputed cases first.

Greedy: each pick is the row of the highest worth² · (1 − cosine² to the nearest row chosen or labelled). Without the
second factor a batch fills with near-copies of one hard case (Dasgupta 2011, "Two faces of active learning"). Both
are squared because that did best on validation (docs/experiments.md).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

Floats = NDArray[np.float64]


def uncertainty(probabilities: Sequence[NDArray[np.floating]]) -> Floats:
    """`[rows]` 0–1: one less the lead of the first answer over the second, averaged over heads.

    :param probabilities: per head `[rows, labels]`; a head with one label says nothing and is certain.
    """
    leads = []
    for head in probabilities:
        if head.shape[1] < 2:
            leads.append(np.ones(len(head)))
            continue
        best = np.partition(head, -2, axis=1)[:, -2:]
        leads.append(best[:, 1] - best[:, 0])
    return np.asarray(1.0 - np.mean(leads, axis=0), dtype=np.float64)


def nearness(features: csr_matrix, to: csr_matrix) -> Floats:
    """`[rows]` cosine to the nearest row of `to`; both with rows of length 1, and 0 where `to` is empty."""
    nearest = np.zeros(features.shape[0])
    for row in range(to.shape[0]):
        np.maximum(nearest, _cosines(features, to, row), out=nearest)
    return nearest


def choose(
    features: csr_matrix,
    worth: NDArray[np.floating],
    n: int,
    *,
    first: NDArray[np.bool_] | None = None,
    nearest: Floats | None = None,
) -> list[int]:
    """Rows to label, at most `n`, the most wanted first.

    :param features: `[rows, n-grams]`, each row of length 1, nothing negative.
    :param worth: `[rows]` how much is hoped from each alone, 0–1.
    :param first: rows that come before all others, whatever they are worth.
    :param nearest: cosine to the nearest labelled row, as `nearness` gives it; it is brought up to date.
    """
    ahead = np.zeros(len(worth), dtype=bool) if first is None else first
    close = np.zeros(len(worth)) if nearest is None else nearest
    left = np.ones(len(worth), dtype=bool)
    hoped, chosen = worth**2, list[int]()
    while len(chosen) < min(n, len(worth)):
        open_rows = left & ahead if (left & ahead).any() else left
        row = int(np.argmax(np.where(open_rows, hoped * (1.0 - close**2), -1.0)))
        left[row] = False
        chosen.append(row)
        np.maximum(close, _cosines(features, features, row), out=close)
    return chosen


def _cosines(features: csr_matrix, rows: csr_matrix, row: int) -> Floats:
    """`[features]` cosine to one row; rounding may not make it exceed 1."""
    return np.asarray(np.minimum(features @ rows[row].toarray()[0], 1.0), dtype=np.float64)
