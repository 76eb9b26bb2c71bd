"""The bundle in the shadow, its answers, and how they compare with what was answered and decided."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, case, func, insert, select
from sqlalchemy.dialects import postgresql

from dispatch_model.bundle import BundleRef
from serving.cases.undone import stands
from serving.store import events, moments
from serving.store.connection import Connection, Values
from serving.store.schema import decisions, facts, routings, shadow_routings
from serving.store.store import Store

FACT = "shadow"
PARTS = ("function", "level", "unit", "category", "disposition")
MOST_CHANGES = 50

_READ = select(facts.c.value).where(facts.c.name == FACT)
_new = postgresql.insert(facts)
# SQLite's and PostgreSQL's words for it are the same.
_WRITE = _new.on_conflict_do_update(index_elements=[facts.c.name], set_={"value": _new.excluded.value})
_ADD = insert(shadow_routings)

# Where a case came more than once, the last answer counts, and the decision in force.
_asked = (
    select(func.max(shadow_routings.c.id).label("id"))
    .where(shadow_routings.c.bundle == bindparam("bundle"), shadow_routings.c.stored_at >= bindparam("since"))
    .group_by(shadow_routings.c.case_id)
    .subquery()
)
_earlier, _later = routings.alias(), decisions.alias()
_answered = select(func.max(_earlier.c.id)).where(_earlier.c.case_id == shadow_routings.c.case_id).scalar_subquery()
_decided = (
    select(func.max(_later.c.id))
    .where(_later.c.case_id == shadow_routings.c.case_id, stands(decisions, _later))
    .scalar_subquery()
)
_BOTH = shadow_routings.join(_asked, _asked.c.id == shadow_routings.c.id).join(
    routings, and_(routings.c.id == _answered, routings.c.bundle != bindparam("bundle"))
)
_WITH_DECISIONS = _BOTH.outerjoin(decisions, decisions.c.id == _decided)


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def _same(name: str) -> ColumnElement[bool]:
    return shadow_routings.c[name].is_not_distinct_from(routings.c[name])


_first = func.coalesce(routings.c.function, "")
_counted = [
    _first.label("name"),
    func.count().label("cases"),
    *(_count(_same(name)).label(name) for name in PARTS),
    _count(decisions.c.id.is_not(None)).label("decided"),
    _count(decisions.c.function == routings.c.function).label("right"),
    _count(decisions.c.function == shadow_routings.c.function).label("shadow_right"),
]
_TALLY = select(*_counted).select_from(_WITH_DECISIONS).group_by(_first).order_by(func.count().desc(), _first)
_other = func.coalesce(shadow_routings.c.function, "")
_pair = [_first.label("function"), _other.label("shadow_function"), func.count().label("cases")]
_CHANGES = (
    select(*_pair)
    .select_from(_BOTH)
    .where(_first != _other)
    .group_by(_first, _other)
    .order_by(func.count().desc(), _first, _other)
    .limit(MOST_CHANGES)
)


@dataclass(frozen=True)
class Order:
    """That a bundle shall answer in the shadow.

    :param share: of the cases, 0 to 1.
    :param since: in China time.
    """

    bundle: BundleRef
    share: float
    author: str
    note: str
    since: datetime


class ShadowStore:
    """What is stored of the shadow. Methods block, and raise STORE_UNAVAILABLE."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def order(self) -> Order | None:
        """What shall be in the shadow; None: nothing. Cheap: made for polling."""
        with self._store.reading() as connection:
            found = connection.execute(_READ).fetchone()
        told = json.loads(found[0]) if found else None
        if not told:
            return None
        bundle = BundleRef(told["version"], Path(told["path"]), told["sha256"])
        return Order(bundle, told["share"], told["author"], told["note"], moments.read(told["since"]))

    def write(self, order: Order | None, *, actor: str) -> None:
        """Order, or None to end it, with an audit event."""
        self._store.write(lambda connection: _write(connection, order, actor))

    def save(self, rows: Sequence[Values]) -> None:
        """Add rows of `shadow_routings`."""
        self._store.write(lambda connection: connection.each(_ADD, rows))

    def tally(self, bundle: str, since: datetime) -> list[dict[str, Any]]:
        """One row per function that was suggested first ('' for none): how many cases, and of them how many alike."""
        with self._store.reading() as connection:
            return connection.rows(_TALLY, {"bundle": bundle, "since": moments.stored(since)})

    def changes(self, bundle: str, since: datetime) -> list[dict[str, Any]]:
        """The commonest pairs of functions in which the two differ."""
        with self._store.reading() as connection:
            return connection.rows(_CHANGES, {"bundle": bundle, "since": moments.stored(since)})


def _write(connection: Connection, order: Order | None, actor: str) -> None:
    """Runs in the writer."""
    events.take_turns(connection)
    found = connection.execute(_READ).fetchone()
    before = json.loads(found[0]) if found else None
    told = _told(order) if order else None
    connection.execute(_WRITE, {"name": FACT, "value": json.dumps(told, ensure_ascii=False)})
    subject = order.bundle.version if order else (before or {}).get("version", "")
    payload = {"action": "shadow", **(told or {})} if order else {"action": "shadow_end"}
    events.record(connection, "bundle", subject, payload, actor=actor)


def _told(order: Order) -> Mapping[str, Any]:
    return {
        "version": order.bundle.version,
        "path": str(order.bundle.folder),
        "sha256": order.bundle.sha256,
        "share": order.share,
        "author": order.author,
        "note": order.note,
        "since": moments.stored(order.since),
    }
