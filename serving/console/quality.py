"""Figures of the quality page: how far operators follow the suggestions, and how far the probabilities hold.

A decision that was taken back counts nowhere, one that was corrected only as its correction. What follows an upheld
return is no verdict on the suggestion, which had failed by then: it counts as work, not for acceptance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from serving.console.ledger import Facts, Table

PERIODS = (7, 30, 90)  # days
BINS = 10
LONGEST_STRETCH = 900.0  # seconds between two decisions; a longer gap is a break, not work
_Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Acceptance:
    """What became of suggestions of one function; '' is all of them.

    :param first: of `cases`, how often the first suggestion was taken; `third`: any of the first three.
    """

    function: str
    cases: int
    first: int
    third: int

    @property
    def overridden(self) -> int:
        """How often none was."""
        return self.cases - self.third


@dataclass(frozen=True)
class Flow:
    """Cases for which one function was suggested and another decided on, or the same at another unit."""

    suggested: str
    decided: str
    cases: int


@dataclass(frozen=True)
class Bin:
    """First suggestions whose probability is in [low, high).

    :param probability: their mean.
    :param least: lower end of the 95 % interval after Wilson around `accepted / cases`; `most`: upper end.
    """

    low: float
    high: float
    cases: int
    accepted: int
    probability: float
    least: float
    most: float

    @property
    def share(self) -> float:
        """How many of them were accepted."""
        return self.accepted / self.cases


@dataclass(frozen=True)
class Calibration:
    """Whether the live model's probabilities mean what they say.

    :param bins: those with cases, by probability.
    :param error: mean distance of `probability` and `share`, weighted by cases.
    """

    bundle: str
    cases: int
    bins: Sequence[Bin]
    error: float


@dataclass(frozen=True)
class Desk:
    """What one operator did.

    :param waited: median seconds from the arrival of a case to its first decision.
    :param stretch: median seconds from one decision to the next without a break; None: there were no two.
    """

    operator: str
    cases: int
    accepted: int
    overridden: int
    undone: int
    waited: float | None
    stretch: float | None


@dataclass(frozen=True)
class Quality:
    """The figures of a period.

    :param unsuggested: decisions on cases for which nothing was suggested; in none of the other figures but `desks`.
    :param flows: most frequent first.
    """

    since: datetime
    until: datetime
    total: Acceptance
    functions: Sequence[Acceptance]
    unsuggested: int
    flows: Sequence[Flow]
    calibration: Calibration
    desks: Sequence[Desk]


def quality(facts: Facts, days: int, bundle: str, *, now: datetime | None = None) -> Quality:
    """The figures of the last `days`.

    :param bundle: version of the one in force.
    """
    until = now or datetime.now(UTC)
    since = until - timedelta(days=days)
    told, standing = facts.decided, facts.standing
    inside = (told["at"] >= since.timestamp()) & (told["at"] <= until.timestamp())
    verdicts = told[inside & standing & ~told["again"]]
    on_suggestions = verdicts[verdicts["suggested"] > 0]
    return Quality(
        since=since,
        until=until,
        total=_acceptance("", on_suggestions),
        functions=_functions(facts, on_suggestions),
        unsuggested=len(verdicts) - len(on_suggestions),
        flows=_flows(facts, on_suggestions),
        calibration=_calibration(bundle, on_suggestions[on_suggestions["bundle"] == facts.number(bundle)]),
        desks=_desks(facts, told[inside], standing[inside]),
    )


def wilson(hits: int, cases: int) -> tuple[float, float]:
    """The 95 % interval of a share."""
    share, square = hits / cases, _Z**2
    middle = (share + square / (2 * cases)) / (1 + square / cases)
    half = _Z * sqrt(share * (1 - share) / cases + square / (4 * cases**2)) / (1 + square / cases)
    return max(0.0, middle - half), min(1.0, middle + half)


def _acceptance(function: str, rows: Table) -> Acceptance:
    rank = rows["rank"]
    return Acceptance(function, len(rows), int((rank == 1).sum()), int(((rank >= 1) & (rank <= 3)).sum()))


def _functions(facts: Facts, rows: Table) -> Sequence[Acceptance]:
    """Most cases first."""
    found = (_acceptance(facts.words[one], rows[rows["suggested"] == one]) for one in np.unique(rows["suggested"]))
    return sorted(found, key=lambda one: (-one.cases, one.function))


def _flows(facts: Facts, rows: Table) -> Sequence[Flow]:
    others = rows[rows["rank"] == 0]
    pairs, counts = np.unique(np.stack([others["suggested"], others["decided"]]), axis=1, return_counts=True)
    found = (
        Flow(facts.words[suggested], facts.words[decided], int(cases))
        for suggested, decided, cases in zip(*pairs, counts, strict=True)
    )
    return sorted(found, key=lambda one: (-one.cases, one.suggested, one.decided))


def _calibration(bundle: str, rows: Table) -> Calibration:
    rows = rows[~np.isnan(rows["probability"])]
    places = np.minimum((rows["probability"] * BINS).astype(int), BINS - 1)
    bins = [_bin(place, rows[places == place]) for place in np.unique(places)]
    error = sum(one.cases * abs(one.share - one.probability) for one in bins) / max(1, len(rows))
    return Calibration(bundle, len(rows), bins, error)


def _bin(place: int, rows: Table) -> Bin:
    accepted = int((rows["rank"] == 1).sum())
    mean = float(rows["probability"].astype(float).mean())
    return Bin(place / BINS, (place + 1) / BINS, len(rows), accepted, mean, *wilson(accepted, len(rows)))


def _desks(facts: Facts, rows: Table, standing: NDArray[np.bool_]) -> Sequence[Desk]:
    """Most cases first.

    :param standing: which of `rows` were neither taken back nor corrected.
    """
    undone = np.isin(rows["id"], facts.undone)
    found = []
    for one in np.unique(rows["operator"]):
        theirs = rows["operator"] == one
        found.append(_desk(facts.words[one], rows[theirs], standing[theirs], int(undone[theirs].sum())))
    return sorted(found, key=lambda desk: (-desk.cases, desk.operator))


def _desk(operator: str, rows: Table, standing: NDArray[np.bool_], undone: int) -> Desk:
    work = rows[standing]
    first = rows[~rows["again"] & (rows["replaces"] == 0) & standing]
    gaps = np.diff(np.sort(rows["at"]))
    return Desk(
        operator=operator,
        cases=len(work),
        accepted=int((work["rank"] > 0).sum()),
        overridden=int((work["rank"] == 0).sum()),
        undone=undone,
        waited=_median(np.maximum(first["at"] - first["came_at"], 0.0)),
        stretch=_median(gaps[gaps <= LONGEST_STRETCH]),
    )


def _median(seconds: NDArray[np.float64]) -> float | None:
    return float(np.median(seconds)) if len(seconds) else None
