"""An answer held against the access list once more, by the rule as it is said and not by the mask that ranked it.

Nothing should ever be found. Place and day are read anew from the case, so that a slip anywhere between reading and
answer shows.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from dispatch_model.access_list import AccessList
from dispatch_model.access_row import LISTS
from dispatch_model.cases import CHINA_TIME, Case, Routing, Suggestion
from dispatch_model.gazetteer import Gazetteer

# An answer may be looked at a moment after it was given, on the other side of midnight.
_SLACK = timedelta(minutes=10)


@dataclass(frozen=True)
class Violation:
    """A suggestion the access list does not allow.

    :param rule_id: the row that forbids it; None when no row admits it.
    """

    rank: int
    category: str
    function: str
    level: str
    rule_id: str | None
    text: str


def violations(
    case: Case, routing: Routing, access_list: AccessList | None, gazetteer: Gazetteer, now: datetime
) -> list[Violation]:
    """Suggestions of `routing` that the list forbids; [] as it should be.

    :param access_list: None for a case of another city, where nothing below the district may be named.
    :param now: when the answer was given or a moment later, with zone; counts for a case without `received_at`.
    """
    doubtful = [one for one in routing.suggestions if one.unit.level in LISTS]
    if not doubtful:
        return []
    if access_list is None:
        told = "没有准入清单的城市只能由市、区主办"
        return [_violation(one, None, told) for one in doubtful]
    asked = any(access_list.asks_place(one.category.code, one.unit.level) for one in doubtful)
    path = gazetteer.find(routing.transcript, case.address).path if asked else ()
    days = _days(case.received_at or now, exact=case.received_at is not None)
    found = (_check(one, access_list, path, days) for one in doubtful)
    return [one for one in found if one]


def _days(moment: datetime, *, exact: bool) -> Collection[date]:
    earlier = moment if exact else moment - _SLACK
    return {one.astimezone(CHINA_TIME).date() for one in (moment, earlier)}


def _check(one: Suggestion, access_list: AccessList, path: tuple[str, ...], days: Collection[date]) -> Violation | None:
    unit = one.unit
    verdicts = [access_list.decide(one.category.code, unit.function, unit.level, path, day) for day in days]
    if any(verdict.allowed for verdict in verdicts):
        return None
    row = verdicts[0].row
    return _violation(one, row.id if row else None, verdicts[0].text)


def _violation(one: Suggestion, rule_id: str | None, text: str) -> Violation:
    return Violation(one.rank, one.category.code, one.unit.function, one.unit.level, rule_id, text)
