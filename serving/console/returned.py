"""Returns of a period: why units sent cases back, and how often they were right."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, exists, func, select

from serving.store import moments
from serving.store.schema import decisions, return_reviews, returns, routings
from serving.store.store import Store

_newer = routings.alias()
_outdated = exists().where(_newer.c.case_id == routings.c.case_id, _newer.c.id > routings.c.id)
# Of a case that was dispatched automatically nobody decided: its function is that of the answer.
_function = func.coalesce(decisions.c.function, routings.c.function, "").label("function")
_COUNTS = (
    select(returns.c.reason, _function, return_reviews.c.outcome, func.count().label("cases"))
    .select_from(returns)
    .join(routings, routings.c.case_id == returns.c.case_id)
    .outerjoin(decisions, decisions.c.id == returns.c.decision_id)
    .outerjoin(return_reviews, return_reviews.c.return_id == returns.c.id)
    .where(returns.c.at >= bindparam("since"), ~_outdated)
    .group_by(returns.c.reason, _function, return_reviews.c.outcome)
)


@dataclass(frozen=True)
class Returned:
    """Returns of one reason or one function.

    :param name: '' for all.
    """

    name: str
    cases: int
    upheld: int
    rejected: int

    @property
    def waiting(self) -> int:
        """Those that nobody reviewed yet."""
        return self.cases - self.upheld - self.rejected


@dataclass(frozen=True)
class Returns:
    """The returns of a period, most cases first."""

    total: Returned
    reasons: Sequence[Returned]
    functions: Sequence[Returned]


def returned(store: Store, since: datetime) -> Returns:
    """What was sent back since.

    :raises DispatchError: STORE_UNAVAILABLE.
    """
    with store.reading() as connection:
        rows = connection.execute(_COUNTS, {"since": moments.stored(since)}).fetchall()
    by_reason = [(reason, outcome, cases) for reason, _, outcome, cases in rows]
    by_function = [(function, outcome, cases) for _, function, outcome, cases in rows]
    (total,) = _by_name([("", outcome, cases) for _, outcome, cases in by_reason]) or [Returned("", 0, 0, 0)]
    return Returns(total, _by_name(by_reason), _by_name(by_function))


def _by_name(rows: Iterable[tuple[str, str | None, int]]) -> Sequence[Returned]:
    counts: dict[str, Counter[str]] = {}
    for name, outcome, cases in rows:
        counts.setdefault(name, Counter())[outcome or ""] += cases
    found = (Returned(name, one.total(), one["upheld"], one["rejected"]) for name, one in counts.items())
    return sorted(found, key=lambda one: (-one.cases, one.name))
