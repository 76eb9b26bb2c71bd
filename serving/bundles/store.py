"""Bundles as they came into force, kept in the store: each revision is added once and never changed.

Of a bundle the store holds place and digest, not the files. A rollback is a revision too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from sqlalchemy import func, select

from dispatch_model.bundle import BundleRef
from dispatch_model.errors import DispatchError, ErrorKind
from serving.store import events, moments
from serving.store.connection import Connection
from serving.store.schema import model_versions
from serving.store.store import Store

_HEAD = select(func.max(model_versions.c.id))
_HISTORY = select(model_versions).order_by(model_versions.c.id)


class Action(StrEnum):
    """How a bundle came into force."""

    SHIPPED = "shipped"  # what the service was started with, noted when the first load replaced it
    LOAD = "load"
    ROLLBACK = "rollback"


@dataclass(frozen=True)
class Draft:
    """A revision to be stored.

    :param since: None: now.
    """

    bundle: BundleRef
    action: Action
    author: str = ""
    note: str = ""
    since: datetime | None = None


@dataclass(frozen=True)
class Revision:
    """One coming into force of a bundle.

    :param id: number of the revision; a later one is higher.
    :param origin: number of the revision that first brought what a rollback went back to; else its own.
    :param since: in China time.
    """

    id: int
    bundle: BundleRef
    origin: int
    action: Action
    author: str
    note: str
    since: datetime

    @property
    def version(self) -> str:
        """What answers report."""
        return self.bundle.version


class BundleStore:
    """The revisions of one store. Methods block, and raise STORE_UNAVAILABLE."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def head(self) -> int:
        """The number of the revision in force; 0: none ever was. Cheap: made for polling."""
        with self._store.reading() as connection:
            return _head(connection)

    def current(self) -> Revision | None:
        """The revision in force."""
        return next(iter(self.history()), None)

    def history(self) -> tuple[Revision, ...]:
        """All revisions, newest first."""
        with self._store.reading() as connection:
            return _history(connection)

    def origin(self, revision: Revision) -> Revision:
        """The revision that first brought this bundle into force, unless it was loaded again since."""
        return next(one for one in self.history() if one.id == revision.origin)

    def previous(self) -> Revision | None:
        """What a rollback goes back to: the bundle before that of today first came; None when there was none.

        Rolling back twice goes back two steps, not forth again to what was just taken out of force.
        """
        revisions = self.history()
        if not revisions:
            return None
        now = revisions[0]
        earlier = (one for one in revisions if one.id < now.origin)
        return next((one for one in earlier if one.bundle.sha256 != now.bundle.sha256), None)

    def add(self, drafts: Sequence[Draft], head: int, replaced: str) -> Revision:
        """Write revisions, and an audit event over each, in one transaction.

        :param head: number of the revision the caller knows to be in force, 0 for none.
        :param replaced: version in force before.
        :returns: the last revision.
        :raises DispatchError: BUNDLE_CONFLICT when another process put a bundle in force after `head`.
        """
        return self._store.write(lambda connection: _add(connection, drafts, head, replaced))


def conflict() -> DispatchError:
    """The error for a change that was made against a bundle no longer in force."""
    told = "现行模型包在此期间已被他人更换；请以 GET /admin/bundles 查看现行版本后重新提交。"
    return DispatchError(ErrorKind.BUNDLE_CONFLICT, told, field="replaces")


def _add(connection: Connection, drafts: Sequence[Draft], head: int, replaced: str) -> Revision:
    """Runs in the writer."""
    events.take_turns(connection)
    if _head(connection) != head:
        raise conflict()
    for draft in drafts:
        values = _values(draft)
        number = connection.add(model_versions, values)
        payload = {
            "action": draft.action.value,
            "id": number,
            **{name: values[name] for name in ("path", "sha256", "note")},
            **({"replaced": replaced} if draft is drafts[-1] else {}),
            events.STAMP: events.stamp(model_versions, {**values, "id": number}),
        }
        events.record(connection, "bundle", draft.bundle.version, payload, actor=draft.author or events.SERVICE)
    return _history(connection)[0]


def _head(connection: Connection) -> int:
    ((number,),) = connection.execute(_HEAD).fetchall()
    return number or 0


def _history(connection: Connection) -> tuple[Revision, ...]:
    revisions: list[Revision] = []
    origins: dict[str, int] = {}  # by digest, as of the row being read
    for row in connection.rows(_HISTORY):
        action, digest = Action(row["action"]), row["sha256"]
        if action is not Action.ROLLBACK or digest not in origins:
            origins[digest] = row["id"]
        bundle = BundleRef(row["version"], Path(row["path"]), digest)
        told = {name: row[name] for name in ("id", "author", "note")}
        since = moments.read(row["since"])
        revisions.append(Revision(bundle=bundle, origin=origins[digest], action=action, since=since, **told))
    return tuple(reversed(revisions))


def _values(draft: Draft) -> Mapping[str, object]:
    return {
        "version": draft.bundle.version,
        "path": str(draft.bundle.folder),
        "sha256": draft.bundle.sha256,
        "action": draft.action.value,
        "author": draft.author,
        "note": draft.note,
        "since": moments.stored(draft.since) if draft.since else moments.now(),
    }
