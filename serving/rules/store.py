"""Revisions of the rule sets, kept in the store: each is added once and never changed.

A revision is one coming into force. A rollback is a revision too, with the content of an earlier one, so that
the table tells who was under which list when.
"""

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import bindparam, func, select

from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.rules import TITLES, RuleKind
from serving.store import events, moments
from serving.store.connection import Connection, Row
from serving.store.schema import rule_versions
from serving.store.store import Store

_COLUMNS = [column for column in rule_versions.c if column.name != "content"]
_HEADS = select(rule_versions.c.kind, func.max(rule_versions.c.id)).group_by(rule_versions.c.kind)
_ONE = select(*_COLUMNS).where(rule_versions.c.id == bindparam("id"))
_CONTENT = select(rule_versions.c.content).where(rule_versions.c.id == bindparam("id"))
_HISTORY = select(*_COLUMNS).where(rule_versions.c.kind == bindparam("kind")).order_by(rule_versions.c.id.desc())


class Action(StrEnum):
    """How a revision came into force."""

    SHIPPED = "shipped"  # the file of configs/, noted when the first upload replaced it
    UPLOAD = "upload"
    ROLLBACK = "rollback"


@dataclass(frozen=True)
class Draft:
    """A revision to be stored.

    :param content: the canonical CSV.
    :param origin: number of the revision this content was taken from; None: it is new.
    :param since: None: now.
    """

    kind: RuleKind
    version: str
    action: Action
    rows: int
    content: bytes
    author: str = ""
    note: str = ""
    origin: int | None = None
    since: datetime | None = None


@dataclass(frozen=True)
class Revision:
    """One coming into force of a rule set.

    :param id: number of the revision; a later one is higher.
    :param origin: number of the revision whose content this is; its own, unless it is a rollback.
    :param sha256: of the canonical CSV.
    :param since: in China time.
    """

    id: int
    kind: RuleKind
    version: str
    origin: int
    action: Action
    rows: int
    sha256: str
    author: str
    note: str
    since: datetime


@dataclass(frozen=True)
class RowRevision:
    """What one row said from a revision on; `cells` None: the row was taken out."""

    revision: Revision
    cells: Mapping[str, str] | None


class RuleStore:
    """The revisions and the audit log of one store. Methods block, and raise STORE_UNAVAILABLE."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def heads(self) -> dict[RuleKind, int]:
        """The number of the revision in force, by kind; a kind never changed is absent. Cheap: made for polling."""
        with self._store.reading() as connection:
            return {RuleKind(kind): head for kind, head in connection.execute(_HEADS)}

    def revision(self, number: int) -> Revision:
        """The revision of that number, which exists."""
        with self._store.reading() as connection:
            return _one(connection, number)

    def content(self, revision: Revision) -> bytes:
        """The canonical CSV of a revision."""
        with self._store.reading() as connection:
            ((content,),) = connection.execute(_CONTENT, {"id": revision.id}).fetchall()
        return bytes(content)

    def history(self, kind: RuleKind) -> tuple[Revision, ...]:
        """All revisions of `kind`, newest first."""
        with self._store.reading() as connection:
            return tuple(_revision(row) for row in connection.execute(_HISTORY, {"kind": kind.value}))

    def previous(self, kind: RuleKind) -> Revision | None:
        """What a rollback goes back to: the content in force before that of today first came; None when none did.

        Rolling back twice goes back two steps, not forth again to what was just taken out of force.
        """
        revisions = self.history(kind)
        if not revisions:
            return None
        now = revisions[0]
        return next((one for one in revisions if one.id < now.origin and one.version != now.version), None)

    def row_history(self, kind: RuleKind, row_id: str) -> tuple[RowRevision, ...]:
        """What the row `row_id` said over time, newest first; only revisions in which it changed."""
        changes: list[RowRevision] = []
        for revision in reversed(self.history(kind)):
            cells = _cells(self.content(revision), row_id)
            if cells != (changes[-1].cells if changes else None):
                changes.append(RowRevision(revision, cells))
        return tuple(reversed(changes))

    def add(self, drafts: Sequence[Draft], head: int, details: Mapping[str, Any]) -> Revision:
        """Write revisions of one kind, and an audit event over each, in one transaction.

        :param head: number of the revision the caller knows to be in force, 0 for none.
        :param details: what the audit event of the last tells beside the revision itself.
        :returns: the last revision.
        :raises DispatchError: RULES_CONFLICT when another process put a revision in force after `head`.
        """
        return self._store.write(lambda connection: _add(connection, drafts, head, details))


def conflict(kind: RuleKind) -> DispatchError:
    """The error for a change that was made against rules no longer in force."""
    title = TITLES[kind]
    return DispatchError(
        ErrorKind.RULES_CONFLICT, f"{title}在此期间已被他人更改；请下载现行{title}，并入改动后重新提交。", field="kind"
    )


def _cells(content: bytes, row_id: str) -> Mapping[str, str] | None:
    if row_id.encode() not in content:  # saves most of the parsing
        return None
    rows: Iterator[dict[str, str]] = csv.DictReader(io.StringIO(content.decode(), newline=""))
    return next((row for row in rows if row["id"] == row_id), None)


def _add(connection: Connection, drafts: Sequence[Draft], head: int, details: Mapping[str, Any]) -> Revision:
    """Runs in the writer; all drafts are of one kind."""
    kind = drafts[-1].kind
    events.take_turns(connection)
    heads: dict[str, int] = dict(connection.execute(_HEADS).fetchall())
    if heads.get(kind.value, 0) != head:
        raise conflict(kind)
    for draft in drafts:
        values = _values(draft)
        number = connection.add(rule_versions, values)
        stored = _one(connection, number)
        told = {name: getattr(stored, name) for name in ("version", "rows", "sha256", "note")}
        payload = {
            "action": draft.action.value,
            "id": number,
            **told,
            **(details if draft is drafts[-1] else {}),
            events.STAMP: events.stamp(rule_versions, {**values, "id": number}),
        }
        events.record(connection, "rules", kind.value, payload, actor=draft.author)
    return stored


def _one(connection: Connection, number: int) -> Revision:
    (row,) = connection.execute(_ONE, {"id": number}).fetchall()
    return _revision(row)


def _revision(row: Row) -> Revision:
    values = {column.name: value for column, value in zip(_COLUMNS, row, strict=True)}
    changes = {
        "kind": RuleKind(values["kind"]),
        "action": Action(values["action"]),
        "origin": values["origin"] or values["id"],
        "since": moments.read(values["since"]),
    }
    return Revision(**values | changes)


def _values(draft: Draft) -> Mapping[str, object]:
    changes = {
        "kind": draft.kind.value,
        "action": draft.action.value,
        "sha256": hashlib.sha256(draft.content).hexdigest(),
        "since": moments.stored(draft.since) if draft.since else moments.now(),
    }
    return vars(draft) | changes
