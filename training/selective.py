"""Thresholds of automatic dispatch under which P(wrong | auto) ≤ α with a stated confidence.

Learn-then-Test by fixed sequence (Angelopoulos et al. 2021): a ladder of thresholds, fixed before any outcome is
seen, is walked from the strictest down. Each rung is tested against "more than α of the cases above it are wrong"
by the exact binomial bound (Clopper and Pearson 1934) at full level; the first rung that fails ends the walk, so
that a wrong rung is passed with probability 1 − confidence at most, however many rungs there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, log

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from dispatch_model.promise import Kept, Scope
from training.metrics import Bools, Floats

LADDER: tuple[float, ...] = tuple(round(0.98 - 0.02 * step, 2) for step in range(25))  # down to more likely than not
SMALL = 30  # a function with fewer cases is small: it never goes automatically


@dataclass(frozen=True)
class Served:
    """What the service would do with some cases were nothing held back.

    :param functions: `[cases]` function of the unit suggested first.
    :param scores: `[cases]` its probability.
    :param open: `[cases]` whether the case could go automatically: no danger, question, consultation; a unit known.
    :param wrong: `[cases]` whether that unit is of another function, level or place than the one that handled it.
    """

    functions: NDArray[np.str_]
    scores: Floats
    open: Bools
    wrong: Bools

    def __len__(self) -> int:
        return len(self.functions)


def upper_bound(wrong: int, n: int, confidence: float) -> float:
    """One-sided Clopper–Pearson bound of a share; 1 where nothing was seen or all was wrong."""
    return float(beta.ppf(confidence, wrong + 1, n - wrong)) if wrong < n else 1.0


def interval(wrong: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Two-sided Clopper–Pearson interval of a share; all of 0–1 where nothing was seen."""
    if n == 0:
        return 0.0, 1.0
    tail = (1 + confidence) / 2
    return 1.0 - upper_bound(n - wrong, n, tail), upper_bound(wrong, n, tail)


def least_cases(alpha: float, confidence: float) -> int:
    """The fewest cases that can show a share of at most `alpha`: with none of them wrong."""
    return ceil(log(1 - confidence) / log(1 - alpha))


def walk(
    scores: Floats, wrong: Bools, alpha: float, confidence: float, ladder: Sequence[float] = LADDER
) -> Kept | None:
    """The lowest rung reached; None where the first fails.

    The walk starts at the strictest rung that has enough cases above it to pass at all; that looks at scores only.
    """
    reached, least = None, least_cases(alpha, confidence)
    for rung in ladder:
        above = scores >= rung
        n, errors = int(above.sum()), int((above & wrong).sum())
        if reached is None and n < least:
            continue
        bound = upper_bound(errors, n, confidence)
        if bound > alpha:
            break
        reached = Kept(threshold=rung, n=n, wrong=errors, bound=bound)
    return reached


def large(served: Served, small: int = SMALL) -> list[str]:
    """Functions with at least `small` cases that could go automatically, most cases first."""
    names, counts = np.unique(served.functions[served.open], return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return [str(names[at]) for at in order if counts[at] >= small]


def choose(
    served: Served, alpha: float, confidence: float = 0.95, scope: Scope = "each", small: int = SMALL
) -> dict[str, Kept]:
    """Function → threshold and what was seen above it; functions left out never go automatically.

    :param scope: see `Promise.scope`; under `together` the allowed failure is shared among the large functions.
    """
    candidates = large(served, small)
    if scope == "whole":
        kept = served.open & np.isin(served.functions, candidates)
        found = walk(served.scores[kept], served.wrong[kept], alpha, confidence)
        return {
            name: seen for name in candidates if found and (seen := _seen(served, name, found.threshold, confidence))
        }
    level = 1 - (1 - confidence) / max(1, len(candidates)) if scope == "together" else confidence
    walked = {}
    for name in candidates:
        own = served.open & (served.functions == name)
        if found := walk(served.scores[own], served.wrong[own], alpha, level):
            walked[name] = found
    return walked


def _seen(served: Served, name: str, threshold: float, confidence: float) -> Kept | None:
    sent = dispatched(served, {name: threshold})
    n, wrong = int(sent.sum()), int((sent & served.wrong).sum())
    return Kept(threshold=threshold, n=n, wrong=wrong, bound=upper_bound(wrong, n, confidence)) if n else None


def dispatched(served: Served, thresholds: Mapping[str, float]) -> Bools:
    """`[cases]` which go automatically under per-function thresholds."""
    least = np.array([thresholds.get(str(name), np.inf) for name in served.functions])
    return np.asarray(served.open & (served.scores >= least))


def together(served: Served, thresholds: Mapping[str, float], confidence: float) -> Kept | None:
    """All that would be dispatched, counted as one; None where nothing would."""
    sent = dispatched(served, thresholds)
    n, wrong = int(sent.sum()), int((sent & served.wrong).sum())
    if not n:
        return None
    return Kept(threshold=min(thresholds.values()), n=n, wrong=wrong, bound=upper_bound(wrong, n, confidence))
