"""What happened, told once: an event in the audit chain, and a message to every subscriber, in one transaction.

Each event carries the SHA-256 over that of the event before and over its own canonical JSON, and its number is one
higher: none can be changed, taken out or moved without `serving.store.audit` finding it. Payloads hold no personal
text, only digests of it, so that erasure leaves the chain whole.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from sqlalchemy import LargeBinary, Table, insert, select

from serving.store import moments
from serving.store.connection import Connection, Values
from serving.store.schema import APPEND_ONLY, audit_events, facts, outbox, routings

Kind = Literal[
    "dispatch",
    "decision",
    "redispatch",
    "return",
    "review",
    "consult",
    "ask",
    "merge",
    "undo",
    "takeover",
    "rules",
    "bundle",
    "erase",
    "key",
    "hook",
    "operator",
]
SERVICE = "service"  # who acts when nobody asked: a case was routed
ROOT = "0" * 64  # what the first event follows
HOOKS = (
    "hooks"  # the fact that lists the subscribers, JSON objects by name, see `serving.hooks.hooks`; without it: none
)
STAMP = "stamp"
_TURN = "audit"
CASE_FIXED = ("case_id", "city", "received_at", "stored_at", "digest")
CASE_TEXTS = ("transcript", "address", "digests", "caller")
# Not of undoing, which is told to whoever was told of what is undone, see `serving.cases.steps`.
_OF_CASES = frozenset({"dispatch", "decision", "redispatch", "return", "review", "consult", "ask", "merge"})
_COLUMNS = ("id", "at", "actor", "action", "subject", "details")  # that the hash is over

_last = select(audit_events.c.id, audit_events.c.hash).order_by(audit_events.c.id.desc()).limit(1).subquery()
# One look for all: what comes before, and who is to be told.
_BEFORE = select(
    select(_last.c.id).scalar_subquery(),
    select(_last.c.hash).scalar_subquery(),
    select(facts.c.value).where(facts.c.name == HOOKS).scalar_subquery(),
)
_ADD = insert(audit_events)


class Happening(NamedTuple):
    """One thing to tell of.

    :param subject: the case_id; of rules the kind, of a bundle its version, of a key its name.
    :param payload: JSON without personal text; the same goes to subscribers, without the member `stamp`.
    :param actor: whose key it came with.
    """

    kind: Kind
    subject: str
    payload: Mapping[str, Any]
    actor: str = SERVICE


def record(
    connection: Connection, kind: Kind, subject: str, payload: Mapping[str, Any], *, actor: str = SERVICE
) -> int:
    """Append an event, and a message to each subscriber to events of cases; returns its number.

    Inside the transaction that does what the event tells of; other writers wait for its end. Parameters are those of
    a `Happening`.
    """
    return record_each(connection, [Happening(kind, subject, payload, actor)])


def record_each(connection: Connection, happenings: Sequence[Happening]) -> int:
    """`record` for several things in order; returns the number of the last event, 0 when there never was one."""
    take_turns(connection)
    number, previous, hooks = connection.execute(_BEFORE).fetchone() or (None, None, None)
    number, previous, rows = number or 0, previous or ROOT, []
    for happening in happenings:
        number += 1
        event = {
            "id": number,
            "at": moments.now(),
            "actor": happening.actor,
            "action": happening.kind,
            "subject": happening.subject,
            "details": canonical(happening.payload),
        }
        rows.append({**event, "prev_hash": previous, "hash": (previous := chained(previous, event))})
    connection.each(_ADD, rows)
    if hooks:
        _tell(connection, json.loads(hooks), rows, happenings)
    return int(number)


def take_turns(connection: Connection) -> None:
    """Wait for other writers now, and not in the middle of what they wait for.

    First thing in a job that reads what it decides by, or writes what another may write too.
    """
    connection.take_turns(_TURN)


def chained(previous: str, event: Mapping[str, Any]) -> str:
    """The hash of an event that follows the one with the hash `previous`."""
    content = canonical({name: event[name] for name in _COLUMNS})
    return hashlib.sha256(f"{previous}\n{content}".encode()).hexdigest()


def stamp(table: Table, row: Values) -> dict[str, Any]:
    """What vouches for a row, as the member `stamp` of the payload of its event.

    :param row: every column of `table`, its number among them.
    :returns: table, number, `sha256` over the columns that never change, and by column the SHA-256 of the others.
    """
    open_columns = erasable(table)
    fixed = {column.name: _plain(row[column.name]) for column in table.columns if column.name not in open_columns}
    texts = {name: _sha256(row[name]) for name in sorted(open_columns)}
    return {"table": table.name, "id": row["id"], "sha256": _sha256(canonical(fixed)), "texts": texts}


def case_stamp(row: Values) -> dict[str, str]:
    """What vouches for a row of cases, as the member `case` of the stamp of its routing.

    :param row: its columns; `texts` is one digest over those that erasure blanks, `sha256` over the others.
    """
    return {"sha256": digest([row[name] for name in CASE_FIXED]), "texts": digest([row[name] for name in CASE_TEXTS])}


def erasable(table: Table) -> frozenset[str]:
    """Columns that do not count as the row itself: texts that erasure blanks, and files, which may be large."""
    files = {column.name for column in table.columns if isinstance(column.type, LargeBinary)}
    texts = frozenset({"answer"}) if table is routings else APPEND_ONLY[table].intersection(table.columns.keys())
    return texts | files


def canonical(value: Any) -> str:
    """The one form of a JSON value: keys sorted, no space."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def digest(value: Any) -> str:
    """SHA-256 over the canonical form."""
    return _sha256(canonical(value))


def _plain(value: Any) -> Any:
    """SQLite has no booleans: what goes in as true comes out as 1."""
    return int(value) if isinstance(value, bool) else value


def _sha256(content: str | bytes | memoryview) -> str:
    # A text may hold half an emoji, which has no UTF-8 form.
    data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else bytes(content)
    return hashlib.sha256(data).hexdigest()


def _tell(
    connection: Connection, hooks: Mapping[str, Any], rows: Sequence[Values], happenings: Sequence[Happening]
) -> None:
    """Put a message into the outbox for everybody who asked for events of that kind."""
    for row, happening in zip(rows, happenings, strict=True):
        if happening.kind not in _OF_CASES:
            continue
        told = {name: part for name, part in happening.payload.items() if name != STAMP}
        at = moments.read(row["at"]).isoformat()
        about = {"event": happening.kind, "event_id": row["id"], "case_id": happening.subject, "at": at}
        message = {
            "event": happening.kind,
            "case_id": happening.subject,
            "payload": json.dumps({**about, **told}, ensure_ascii=False),
            "created_at": row["at"],
            "next_at": row["at"],
        }
        for hook in (name for name, parts in hooks.items() if happening.kind in parts["events"]):
            connection.add(outbox, {"hook": hook, **message})
