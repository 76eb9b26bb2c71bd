"""Whether a caller has called about this before: cases of one pseudonym, thirty days, the same four digits of category.

An earlier case counts as open until its deadline, unless it was merged: when one is settled the service is not told.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, select

from dispatch_model.cases import Address, Disposition, Reason, Routing
from dispatch_model.labels import LEVELS
from serving.cases.undone import is_merged
from serving.routing import Router
from serving.store import moments
from serving.store.connection import Connection
from serving.store.record import Content
from serving.store.schema import cases, routings
from serving.store.store import Store

WINDOW = timedelta(days=30)
MOST = 10  # earlier cases an answer names
_LOOKED_AT = 50
_PREFIX_DIGITS = 4
# What was said in these stays true of a repeat; danger, refusal and questions go before it.
_MERGEABLE = frozenset({Disposition.AUTO, Disposition.SUGGEST, Disposition.CONSULT})

_FIND = (
    select(
        cases.c.case_id,
        cases.c.city,
        cases.c.address,
        cases.c.received_at,
        cases.c.stored_at,
        routings.c.category,
        routings.c.answer,
        is_merged(cases).label("merged"),
    )
    .join_from(cases, routings)
    .where(
        cases.c.caller == bindparam("caller"),
        cases.c.case_id != bindparam("this"),
        routings.c.category.like(bindparam("prefix")),
    )
    .order_by(cases.c.stored_at.desc(), routings.c.id.desc())
    .limit(_LOOKED_AT)
)


@dataclass(frozen=True)
class Earlier:
    """A case the same caller brought before.

    :param transcript: masked and normalised, as answered.
    :param due_at: deadline of the first suggestion.
    :param merged: it goes on under another number.
    """

    case_id: str
    city: str | None
    transcript: str
    address: str | None
    category: str
    at: datetime
    due_at: datetime | None
    merged: bool = False

    def open(self, now: datetime) -> bool:
        """Whether it may still be in hand: not merged into another, and no deadline, or one that has not passed."""
        return not self.merged and (self.due_at is None or self.due_at >= now)


def with_repeats(store: Store, router: Router, content: Content, routing: Routing) -> Routing:
    """`routing`, naming in `repeat_of` the cases it seems to repeat; itself when there are none or no caller is known.

    The disposition stays, unless an open case of the same six digits and the same street or community is there: then
    it is `merge`.

    :param content: of the same case, as it will be stored.
    """
    if not content.caller or not routing.suggestions:
        return routing
    at = datetime.fromisoformat(content.received_at) if content.received_at else datetime.now(UTC)
    category = routing.suggestions[0].category.code
    with store.reading() as connection:
        found = find(connection, content.caller, category, at, this=routing.case_id)
    if not found:
        return routing
    open_ones = [one for one in found if one.category == category and one.open(at)]
    changes: dict[str, Any] = {"repeat_of": tuple(one.case_id for one in found[:MOST])}
    if open_ones:
        # The first of them is what the others were merged into.
        same = _at_the_same_place(router, content, routing, open_ones[::-1])
        first = same or open_ones[-1]
        told = f"同一来电人已反映过同类诉求（工单 {first.case_id}），未到办理期限，请核对是否同一件事"
        changes["reasons"] = (*routing.reasons, Reason(source="repeat", text=told))
        if same and routing.disposition in _MERGEABLE:
            told = f"与工单 {same.case_id} 为同一来电人、同一地点、同一类别，且未到办理期限；核对后并入该工单"
            changes |= {"disposition": Disposition.MERGE, "disposition_reason": told}
    return routing.model_copy(update=changes)


def find(connection: Connection, caller: str, category: str, at: datetime, *, this: str) -> list[Earlier]:
    """Cases of a caller, the one stored last first, that came in within thirty days of `at`.

    :param category: of which the first four digits count.
    :param this: case_id of the case itself.
    """
    values = {"caller": caller, "this": this, "prefix": f"{category[:_PREFIX_DIGITS]}%"}
    found: dict[str, Earlier] = {}
    for row in connection.rows(_FIND, values):
        if row["case_id"] not in found:  # an older routing of the same case
            found[row["case_id"]] = _earlier(row)
    return [one for one in found.values() if abs(one.at - at) <= WINDOW]


def _earlier(row: Mapping[str, Any]) -> Earlier:
    answer = json.loads(row["answer"])
    due_at = answer["suggestions"][0]["due_at"]
    received_at = row["received_at"]
    return Earlier(
        case_id=row["case_id"],
        city=row["city"],
        transcript=answer["transcript"],
        address=row["address"],
        category=row["category"],
        at=datetime.fromisoformat(received_at) if received_at else moments.read(row["stored_at"]),
        due_at=datetime.fromisoformat(due_at) if due_at else None,
        merged=bool(row["merged"]),
    )


def _at_the_same_place(
    router: Router, content: Content, routing: Routing, earlier: Sequence[Earlier]
) -> Earlier | None:
    """The first that speaks of the same street or community; a district alone is too wide to be the same place."""
    here = router.place(routing.transcript, _address(content.address))
    if not here or router.city.regions[here[0]].level not in LEVELS[2:]:
        return None
    return next(
        (
            one
            for one in earlier
            if one.city == content.city and router.place(one.transcript, _address(one.address)) == here
        ),
        None,
    )


def _address(text: str | None) -> Address | None:
    return Address.model_validate(json.loads(text)) if text else None
