"""Messages to subscribers on their way: written with the event they tell of, leased while they are sent, then ended.

All functions run inside a transaction of the store's writer, but for those that only read.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import DateTime, bindparam, delete, func, literal, null, select, update

from serving.store import moments
from serving.store.connection import Connection
from serving.store.schema import outbox

PENDING, DELIVERED, DEAD, UNDONE = "pending", "delivered", "dead", "undone"
LEASE = timedelta(seconds=60)
KEEP = timedelta(days=30)  # what was delivered or given up is forgotten after this long
_TAKEN = 50  # messages in one look
_TURN = "outbox"

_COUNT = select(outbox.c.hook, outbox.c.state, func.count().label("count")).group_by(outbox.c.hook, outbox.c.state)
_DEAD = select(outbox).where(outbox.c.state == DEAD).order_by(outbox.c.id.desc()).limit(bindparam("most"))
_REVIVE = (
    update(outbox)
    .where(outbox.c.state == DEAD, outbox.c.hook == bindparam("its_hook"))
    .values(state=PENDING, attempts=0, next_at=bindparam("at"), created_at=bindparam("at"), ended_at=null(), error="")
    .returning(outbox.c.id)
)
_CANCEL = delete(outbox).where(outbox.c.state == PENDING, outbox.c.hook == bindparam("its_hook"))
_ANY = select(outbox.c.id).where(outbox.c.state == PENDING, outbox.c.next_at <= bindparam("now")).limit(1)
# Not one that was taken back since it was looked for: its subscriber would never hear of that.
_TAKE = (
    update(outbox)
    .where(outbox.c.id == bindparam("its_id"), outbox.c.state == PENDING)
    .values(attempts=outbox.c.attempts + 1, next_at=bindparam("until"))
    .returning(outbox.c.id)
)
_END = (
    update(outbox)
    .where(outbox.c.id == bindparam("its_id"))
    .values(state=bindparam("its_state"), next_at=bindparam("at"), ended_at=bindparam("ended"), error=bindparam("why"))
)
_OF = select(outbox.c.id, outbox.c.hook, outbox.c.payload).where(
    outbox.c.case_id == bindparam("its_case"), outbox.c.event == bindparam("its_event")
)
_HOLD = update(outbox).where(outbox.c.id == bindparam("its_id")).values(next_at=bindparam("until"))
# One that was taken may have arrived, whatever became of it.
_TAKE_BACK = (
    update(outbox)
    .where(outbox.c.id == bindparam("its_id"), outbox.c.state == PENDING, outbox.c.attempts == 0)
    .values(state=UNDONE, ended_at=bindparam("at"))
    .returning(outbox.c.id)
)
_FORGET = delete(outbox).where(
    outbox.c.id.in_(
        select(outbox.c.id).where(outbox.c.state != PENDING, outbox.c.ended_at < bindparam("before")).limit(1000)
    )
)


@dataclass(frozen=True)
class Message:
    """One message to one subscriber.

    :param next_at: when it is due, as the store keeps moments.
    """

    id: int
    hook: str
    event: str
    case_id: str
    payload: str
    attempts: int
    created_at: str
    next_at: str
    error: str


_COLUMNS = tuple(field.name for field in fields(Message))


class Outcome(NamedTuple):
    """What became of an attempt.

    :param at: when the next one is due; of no meaning when there is none.
    """

    id: int
    state: str
    at: datetime
    error: str = ""


class Of(NamedTuple):
    """What messages tell of.

    :param id: of the row that was written, which their payload names.
    """

    case_id: str
    event: str
    id: int


def counts(connection: Connection) -> dict[str, dict[str, int]]:
    """Messages by subscriber and state."""
    found: dict[str, dict[str, int]] = {}
    for row in connection.rows(_COUNT):
        found.setdefault(row["hook"], {})[row["state"]] = row["count"]
    return found


def dead(connection: Connection, *, most: int = 100) -> list[Message]:
    """Messages that were given up, newest first."""
    return messages(connection.rows(_DEAD, {"most": most}))


def revive(connection: Connection, name: str) -> int:
    """Begin anew with what was given up for one subscriber; returns how many messages that are."""
    return len(connection.execute(_REVIVE, {"its_hook": name, "at": moments.now()}).fetchall())


def messages(rows: Iterable[Mapping[str, Any]]) -> list[Message]:
    """Rows of the outbox."""
    return [Message(**{name: row[name] for name in _COLUMNS}) for row in rows]


def cancel(connection: Connection, name: str) -> int:
    """Delete what still waits for one subscriber; returns how many messages that were."""
    return connection.execute(_CANCEL, {"its_hook": name}).rowcount


def hold(connection: Connection, told: Of, time: timedelta) -> None:
    """Send nothing yet of what has just been recorded."""
    if time <= timedelta(0):
        return
    until = moments.stored(datetime.now(UTC) + time)
    for number, _ in _messages_of(connection, told):
        connection.execute(_HOLD, {"its_id": number, "until": until})


def take_back(connection: Connection, told: Of) -> list[str]:
    """Send nothing more of what was undone; returns the subscribers that may know of it already."""
    at = moments.now()
    known = [
        hook
        for number, hook in _messages_of(connection, told)
        if connection.execute(_TAKE_BACK, {"its_id": number, "at": at}).fetchone() is None
    ]
    return list(dict.fromkeys(known))


def add(connection: Connection, hook: str, told: Of, payload: Mapping[str, Any]) -> None:
    """A message to one subscriber, due now."""
    at = moments.now()
    text = json.dumps(payload, ensure_ascii=False)
    message = {"hook": hook, "event": told.event, "case_id": told.case_id, "payload": text}
    connection.add(outbox, {**message, "created_at": at, "next_at": at})


def any_due(connection: Connection, now: datetime) -> bool:
    """Whether a look would find something."""
    return connection.execute(_ANY, {"now": moments.stored(now)}).fetchone() is not None


def take(connection: Connection, busy: Collection[str], now: datetime) -> list[Message]:
    """Lease what is due, so that no other process takes it too."""
    connection.take_turns(_TURN)
    due = outbox.c.next_at <= literal(moments.stored(now), DateTime())
    found = select(outbox).where(outbox.c.state == PENDING, due).order_by(outbox.c.next_at, outbox.c.id).limit(_TAKEN)
    rows = connection.rows(found.where(outbox.c.hook.not_in(sorted(busy))) if busy else found)
    until = moments.stored(now + LEASE)
    taken = [row for row in rows if connection.execute(_TAKE, {"its_id": row["id"], "until": until}).fetchone()]
    for row in taken:
        row["attempts"] += 1
    return messages(taken)


def end(connection: Connection, outcomes: Iterable[Outcome]) -> None:
    """Note what became of what was taken."""
    for outcome in outcomes:
        values: Mapping[str, Any] = {
            "its_id": outcome.id,
            "its_state": outcome.state,
            "at": moments.stored(outcome.at),
            "ended": None if outcome.state == PENDING else moments.now(),
            "why": outcome.error,
        }
        connection.execute(_END, values)


def forget(connection: Connection, now: datetime) -> int:
    """Delete what ended long ago, a thousand at most; returns how many that were."""
    return connection.execute(_FORGET, {"before": moments.stored(now - KEEP)}).rowcount


def _messages_of(connection: Connection, told: Of) -> list[tuple[int, str]]:
    """Number and subscriber."""
    rows = connection.rows(_OF, {"its_case": told.case_id, "its_event": told.event})
    return [(row["id"], row["hook"]) for row in rows if json.loads(row["payload"])["id"] == told.id]
