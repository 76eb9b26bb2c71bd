"""Who is told of what happens to cases: subscribers by name; their messages are in `serving.hooks.outbox`.

The registry is one fact of the database, so that whatever records an event sees it in the same look, see
`serving.store.events`. All functions run inside a transaction of the store's writer, or on a connection that reads.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_args

from sqlalchemy import bindparam, insert, select, update

from dispatch_model.errors import DispatchError, ErrorKind, near
from serving import signing
from serving.cases_wire import Event
from serving.hooks.outbox import cancel
from serving.outward import Network, check_url
from serving.store import moments
from serving.store.connection import Connection
from serving.store.events import HOOKS, SERVICE, record, take_turns
from serving.store.schema import facts

# That something was undone is told to whoever was told of it, and to nobody else.
EVENTS: tuple[str, ...] = tuple(event for event in get_args(Event) if event != "undo")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")

_READ = select(facts.c.value).where(facts.c.name == HOOKS)
_ADD = insert(facts)
_REPLACE = update(facts).where(facts.c.name == HOOKS).values(value=bindparam("value"))


@dataclass(frozen=True)
class Hook:
    """One subscriber.

    :param created_at: as the store keeps moments; part of what the secret is derived from, so that a name that is
        taken out and entered again gets another secret.
    """

    name: str
    url: str
    events: tuple[str, ...]
    note: str
    created_at: str

    def secret(self, key: bytes) -> str:
        """What its messages are signed with."""
        return signing.derive(key, f"{self.name}:{self.created_at}")


def registered(connection: Connection) -> dict[str, Hook]:
    """All subscribers by name, in the order they were entered."""
    row = connection.execute(_READ).fetchone()
    found: dict[str, dict[str, Any]] = json.loads(row[0]) if row else {}
    return {name: Hook(name, **{**parts, "events": tuple(parts["events"])}) for name, parts in found.items()}


def add(
    connection: Connection,
    name: str,
    url: str,
    *,
    events: Collection[str] = EVENTS,
    note: str = "",
    inside: Sequence[Network] = (),
    actor: str = SERVICE,
) -> Hook:
    """Enter a subscriber; it is told of what happens from now on.

    :param inside: networks of the office's own its address may lie in.
    :param actor: who does it, for the audit log.
    :raises DispatchError: INVALID_PARAMETER for a name that is taken or malformed, an unknown event, an address that
        may not be reached.
    """
    parts = check_url(url, inside)
    _check(name, events)
    take_turns(connection)
    hooks = registered(connection)
    if name in hooks:
        told = f"名称 {name} 已用于 {hooks[name].url}；请换一个名称，或先 dispatch hooks remove {name}。"
        raise DispatchError(ErrorKind.INVALID_PARAMETER, told, field="name", value=name)
    hook = Hook(name, url, tuple(event for event in EVENTS if event in events), note, moments.now())
    _write(connection, [*hooks.values(), hook], first=not connection.execute(_READ).fetchone())
    # A query string may hold a secret of the subscriber's.
    entry = {"change": "add", "url": parts._replace(query="").geturl(), "events": list(hook.events)}
    record(connection, "hook", name, entry, actor=actor)
    return hook


def remove(connection: Connection, name: str, *, actor: str = SERVICE) -> int:
    """Take a subscriber out, and with it what still waits for it; returns how many messages that were.

    :raises DispatchError: NOT_FOUND.
    """
    take_turns(connection)
    hooks = registered(connection)
    known(hooks, name)
    _write(connection, [hook for hook in hooks.values() if hook.name != name], first=False)
    gone = cancel(connection, name)
    record(connection, "hook", name, {"change": "remove", "messages": gone}, actor=actor)
    return gone


def known(hooks: Mapping[str, Hook], name: str) -> Hook:
    """The subscriber of that name.

    :raises DispatchError: NOT_FOUND, naming near ones.
    """
    if name not in hooks:
        told = f"没有名为 {name} 的订阅；{near(name, hooks) or '现有：' + ('、'.join(hooks) or '无')}。"
        raise DispatchError(ErrorKind.NOT_FOUND, told, field="name", value=name)
    return hooks[name]


def _check(name: str, events: Collection[str]) -> None:
    wrong = [event for event in events if event not in EVENTS]
    if wrong or not events:
        shown = wrong[0] if wrong else ""
        told = f"没有事件 {shown}；可用：{'、'.join(EVENTS)}。{near(shown, EVENTS)}"
        raise DispatchError(ErrorKind.INVALID_PARAMETER, told, field="events", value=shown)
    if not _NAME.fullmatch(name):
        told = f"名称 {name} 应为小写字母、数字、- 和 _，至多 64 个字符。"
        raise DispatchError(ErrorKind.INVALID_PARAMETER, told, field="name", value=name)


def _write(connection: Connection, hooks: Iterable[Hook], *, first: bool) -> None:
    content = {hook.name: {name: part for name, part in asdict(hook).items() if name != "name"} for hook in hooks}
    value = json.dumps(content, ensure_ascii=False)
    if first:
        connection.execute(_ADD, {"name": HOOKS, "value": value})
    else:
        connection.execute(_REPLACE, {"value": value})
