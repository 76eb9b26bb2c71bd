"""What was decided in the last ninety days, in memory, so that a page of figures need not read every answer again.

The probability of a first suggestion stands in the stored answer only, and fifty thousand answers are some 400 MB.
Each is therefore read once in the life of the process; later looks take in what came since. Only numbers, labels and
logins are kept.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from math import nan
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Select, bindparam, exists, func, select

from serving.store import moments
from serving.store.connection import Connection, Row
from serving.store.schema import cases, decisions, desk_steps, routings, shadow_routings
from serving.store.store import Store

KEPT = timedelta(days=91)
HEADS = ("function", "level", "unit", "category", "disposition")
_PAGE = 1000

# Labels are numbers into `Facts.words`; moments are seconds since 1970; 0 stands for no rank and no decision.
DECIDED = np.dtype(
    [
        ("id", "i8"),
        ("routing", "i8"),
        ("at", "f8"),
        ("came_at", "f8"),
        ("rank", "i2"),
        ("again", "?"),  # after an upheld return
        ("replaces", "i8"),
        ("suggested", "i4"),  # function of the first suggestion
        ("decided", "i4"),
        ("operator", "i4"),
        ("bundle", "i4"),
        ("probability", "f4"),  # of the first suggestion
    ]
)
SHADOWED = np.dtype(
    [
        ("id", "i8"),
        ("routing", "i8"),
        ("at", "f8"),
        ("bundle", "i4"),
        ("live_bundle", "i4"),
        *((head, "i4") for head in HEADS),
        *((f"live_{head}", "i4") for head in HEADS),
    ]
)
Table = NDArray[np.void]

_decided_columns = (
    decisions.c.id,
    decisions.c.routing_id,
    decisions.c.at,
    cases.c.stored_at,
    decisions.c.rank,
    decisions.c.return_id,
    decisions.c.replaces,
    routings.c.function.label("suggested"),
    decisions.c.function,
    decisions.c.operator,
    routings.c.bundle,
    routings.c.answer,
)
_DECIDED = (
    select(*_decided_columns)
    .join_from(decisions, routings, decisions.c.routing_id == routings.c.id)
    .join(cases, cases.c.case_id == decisions.c.case_id)
    .where(decisions.c.id > bindparam("after"))
    .order_by(decisions.c.id)
    .limit(_PAGE)
)
_UNDONE = (
    select(desk_steps.c.id, desk_steps.c.undoes_id)
    .where(desk_steps.c.id > bindparam("after"), desk_steps.c.undoes_table == decisions.name)
    .order_by(desk_steps.c.id)
    .limit(_PAGE)
)
_newer = routings.alias()
# Not by max(id): without statistics PostgreSQL looks for it through all answers there are.
_outdated = exists().where(_newer.c.case_id == routings.c.case_id, _newer.c.id > routings.c.id)
_SHADOWED = (
    select(
        shadow_routings.c.id,
        routings.c.id.label("routing_id"),
        shadow_routings.c.stored_at,
        shadow_routings.c.bundle,
        routings.c.bundle.label("live_bundle"),
        *(shadow_routings.c[head] for head in HEADS),
        *(routings.c[head].label(f"live_{head}") for head in HEADS),
    )
    .join_from(shadow_routings, routings, routings.c.case_id == shadow_routings.c.case_id)
    .where(shadow_routings.c.id > bindparam("after"), ~_outdated)
    .order_by(shadow_routings.c.id)
    .limit(_PAGE)
)
# The last row before the days that are kept: everything up to it is passed over.
_BEFORE_DECIDED = select(func.max(decisions.c.id)).where(decisions.c.at < bindparam("since"))
_BEFORE_SHADOWED = select(func.max(shadow_routings.c.id)).where(shadow_routings.c.stored_at < bindparam("since"))
# Quotes within a JSON text are escaped, so that this is found in no text; the first is that of the first suggestion.
_PROBABILITY = re.compile(r'"probability":([0-9.eE+-]+)')


@dataclass(frozen=True)
class Facts:
    """Everything the figures come from, as of one moment.

    :param decided: rows of DECIDED by id, also those taken back or corrected.
    :param undone: ids of decisions that were taken back.
    :param shadowed: rows of SHADOWED by id.
    :param words: what the numbers of labels stand for; 0 is the empty word.
    """

    decided: Table
    undone: NDArray[np.int64]
    shadowed: Table
    words: Sequence[str]

    @cached_property
    def standing(self) -> NDArray[np.bool_]:
        """Which decisions were neither taken back nor corrected by one that was not."""
        kept = ~np.isin(self.decided["id"], self.undone)
        corrected = self.decided["replaces"][kept]
        standing: NDArray[np.bool_] = kept & ~np.isin(self.decided["id"], corrected[corrected > 0])
        return standing

    def number(self, word: str) -> int:
        """The number of a label; -1 where it occurs nowhere."""
        return self.words.index(word) if word in self.words else -1


class Ledger:
    """Follows the tables of one store. Methods block: call them from a worker thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = Lock()
        self._words: dict[str, int] = {"": 0}
        self._decided: Table = np.empty(0, DECIDED)
        self._shadowed: Table = np.empty(0, SHADOWED)
        self._undone: NDArray[np.int64] = np.empty(0, np.int64)
        self._after: dict[str, int] = {}

    @property
    def warm(self) -> bool:
        """Whether there was a first look, which takes seconds where much was decided."""
        return bool(self._after)

    def facts(self) -> Facts:
        """All that is stored by now.

        :raises DispatchError: STORE_UNAVAILABLE.
        """
        with self._lock, self._store.reading() as connection:
            self._follow(connection)
            return Facts(self._decided, self._undone, self._shadowed, tuple(self._words))

    def _follow(self, connection: Connection) -> None:
        since = datetime.now(UTC) - KEPT
        after = dict(self._after) or _start(connection, since)  # a copy: what fails half-way is read again
        decided = [self._decided_row(row) for row in self._pages(connection, _DECIDED, after, "decided")]
        undone = [row[1] for row in self._pages(connection, _UNDONE, after, "undone")]
        shadowed = [self._shadowed_row(row) for row in self._pages(connection, _SHADOWED, after, "shadowed")]
        self._decided = _extended(self._decided, decided, since)
        self._shadowed = _extended(self._shadowed, shadowed, since)
        self._undone = np.append(self._undone, np.array(undone, np.int64))
        self._after = after

    @staticmethod
    def _pages(connection: Connection, query: Select[Any], after: dict[str, int], name: str) -> Iterator[Row]:
        while page := connection.execute(query, {"after": after[name]}).fetchall():
            yield from page
            after[name] = page[-1][0]

    def _decided_row(self, row: Row) -> Row:
        number, routing, at, came_at, rank, return_id, replaces, suggested, function, operator, bundle, answer = row
        found = _PROBABILITY.search(answer)
        return (
            number,
            routing,
            _seconds(at),
            _seconds(came_at),
            rank or 0,
            return_id is not None,
            replaces or 0,
            *(self._number(word) for word in (suggested, function, operator, bundle)),
            float(found[1]) if found else nan,
        )

    def _shadowed_row(self, row: Row) -> Row:
        number, routing, at, *labels = row
        return (number, routing, _seconds(at), *map(self._number, labels))

    def _number(self, word: str | None) -> int:
        return self._words.setdefault(word or "", len(self._words))


def _start(connection: Connection, since: datetime) -> dict[str, int]:
    values = {"since": moments.stored(since)}
    ((decided,),) = connection.execute(_BEFORE_DECIDED, values).fetchall()
    ((shadowed,),) = connection.execute(_BEFORE_SHADOWED, values).fetchall()
    return {"decided": decided or 0, "undone": 0, "shadowed": shadowed or 0}


def _extended(known: Table, rows: Sequence[Row], since: datetime) -> Table:
    """With new rows, and without those that are too old."""
    if not rows:
        return known
    kept = known[known["at"] >= since.timestamp()]
    return np.concatenate([kept, np.array(rows, known.dtype)])


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
