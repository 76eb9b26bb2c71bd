"""Drift: how far the spread of the last answers is from what the bundle's answers looked like on validation.

Measured by the population stability index, PSI = Σ (p − q)·ln(p ÷ q) over the classes of a distribution, p live and q
of the reference. The usual reading: under 0.1 the same, 0.1–0.25 look into it, above 0.25 another population.
"""

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping

from dispatch_model.bundle import Reference
from dispatch_model.cases import Routing

SCORE = "score"
BINS = 10
LEAST = 100  # answers; of fewer the index is mostly noise

# Shares under this are noise in either spread, and would weigh without bound in the logarithm.
_FLOOR = 1e-3

Classes = Mapping[str, str]


def classes_of(routing: Routing) -> dict[str, str]:
    """Distribution → class of one answer, by what the model alone says; a head it does not show is left out."""
    view = routing.model
    tops = {"kind": view.kind, "function": view.duty_function, "level": view.duty_level, "category": view.category}
    found = {name: top[0][0] for name, top in tops.items() if top}
    if "category" in found:
        found["category"] = found["category"][:2]
    if view.duty_function:
        found[SCORE] = score_bin(view.duty_function[0][1])
    return found


def score_bin(probability: float) -> str:
    """The lower bound of one of ten equal bins, such as 0.3."""
    return f"{min(int(probability * BINS), BINS - 1) / BINS:.1f}"


def expected(reference: Reference) -> dict[str, dict[str, float]]:
    """Distribution → class → share, in the form of `classes_of`."""
    scores = {score_bin((index + 0.5) / BINS): share for index, share in enumerate(reference.scores)}
    return {**reference.labels, SCORE: scores}


def psi(counts: Mapping[str, float], shares: Mapping[str, float]) -> float:
    """PSI of `counts` against `shares`; NaN for fewer than LEAST."""
    total = sum(counts.values())
    if total < LEAST:
        return math.nan
    classes = counts.keys() | shares.keys()
    pairs = [(max(counts.get(one, 0) / total, _FLOOR), max(shares.get(one, 0.0), _FLOOR)) for one in classes]
    return sum((live - was) * math.log(live / was) for live, was in pairs)


class Window:
    """Counts of the classes of the last answers of one bundle.

    :param size: how many answers; under another bundle the count begins anew.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._answers: deque[Classes] = deque()
        self._bundle = ""

    def add(self, routing: Routing) -> Counter[tuple[str, str]]:
        """Take in an answer; by how much the count of each (distribution, class) changes."""
        change = Counter[tuple[str, str]]()
        if routing.versions.bundle != self._bundle:
            self._bundle = routing.versions.bundle
            change.subtract(_pairs(self._answers))
            self._answers.clear()
        classes = classes_of(routing)
        self._answers.append(classes)
        change.update(classes.items())
        if len(self._answers) > self._size:
            change.subtract(self._answers.popleft().items())
        return Counter({pair: by for pair, by in change.items() if by})


def _pairs(answers: Iterable[Classes]) -> Iterable[tuple[str, str]]:
    return (pair for classes in answers for pair in classes.items())
