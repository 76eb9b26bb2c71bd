"""API keys: who may call, and for what. A key is shown once, when it is made; the store has its SHA-256.

All functions run inside a transaction of the store's writer, or on a connection that reads.
"""

import hashlib
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import bindparam, select, update

from dispatch_model.errors import DispatchError, ErrorKind, near
from serving.guard.scopes import Scope
from serving.store import events, moments
from serving.store.connection import Connection
from serving.store.schema import api_keys
from serving.store.store import Store

MARK = "hd_"  # so that a key left in a file or a chat is found by who looks for secrets
BYTES = 32
PREFIX_CHARS = len(MARK) + 8
LONGEST_NAME = 64
LOCAL_NAME = "local"
CONSOLE = "console:"  # how names of operators begin in the audit log

_ALL = select(api_keys).order_by(api_keys.c.id)
_REVOKE = (
    update(api_keys)
    .where(api_keys.c.prefix == bindparam("its_prefix"), api_keys.c.revoked_at.is_(None))
    .values(revoked_at=bindparam("at"))
    .returning(api_keys.c.id)
)


@dataclass(frozen=True)
class Key:
    """A key as the store knows it.

    :param name: of the system or person it was given to; several keys may bear one name, while they are exchanged.
    :param prefix: the part of the key that may be seen.
    :param hash: SHA-256 of the key, in hexadecimal digits.
    """

    id: int
    name: str
    prefix: str
    hash: str
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def state(self, now: datetime) -> str:
        """What there is to say of it in Chinese: 有效, 已撤销 or 已过期."""
        if self.revoked_at:
            return "已撤销"
        return "已过期" if self.expires_at and self.expires_at <= now else "有效"

    def usable(self, now: datetime) -> bool:
        """Whether it opens anything."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def new_key() -> str:
    """A key nobody has seen: 32 random bytes as text, marked."""
    return MARK + secrets.token_urlsafe(BYTES)


def hashed(key: str) -> str:
    """What is kept of a key. It is random and long: a slow hash, made for passwords, would add nothing."""
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()


def create(
    connection: Connection,
    key: str,
    name: str,
    scopes: Collection[Scope],
    *,
    expires_at: datetime | None = None,
    actor: str,
) -> Key:
    """Enter a new key; the audit log tells who did.

    :raises DispatchError: INVALID_PARAMETER for a name or scopes that cannot be.
    """
    _check(name, scopes, expires_at)
    events.take_turns(connection)
    row = {
        "name": name,
        "prefix": key[:PREFIX_CHARS],
        "hash": hashed(key),
        "scopes": ",".join(scope for scope in Scope if scope in scopes),
        "created_at": moments.now(),
        "expires_at": moments.stored(expires_at) if expires_at else None,
    }
    number = connection.add(api_keys, row)
    told = {name: row[name] for name in ("prefix", "scopes", "expires_at")}
    events.record(connection, "key", name, {"change": "create", **told}, actor=actor)
    return _key({**row, "id": number, "revoked_at": None})


def listed(connection: Connection) -> list[Key]:
    """All keys that were ever made, the oldest first."""
    return [_key(row) for row in connection.rows(_ALL)]


def of_store(store: Store) -> list[Key]:
    """`listed`, on a connection of its own."""
    with store.reading() as connection:
        return listed(connection)


def revoke(connection: Connection, which: str, *, actor: str) -> list[Key]:
    """Revoke the key with that prefix, or all keys of that name; every process refuses them within two seconds.

    :raises DispatchError: NOT_FOUND, with near prefixes and names, when no such key is in force.
    """
    events.take_turns(connection)
    left = [key for key in listed(connection) if key.revoked_at is None]
    found = [key for key in left if which in (key.prefix, key.name)]
    if not found:
        told = near(which, {name for key in left for name in (key.prefix, key.name)}) or "请用 dispatch keys list 查看"
        raise DispatchError(ErrorKind.NOT_FOUND, f"没有未撤销的密钥 {which}；{told}。", field="key", value=which)
    for key in found:
        connection.execute(_REVOKE, {"its_prefix": key.prefix, "at": moments.now()}).fetchall()
        events.record(connection, "key", key.name, {"change": "revoke", "prefix": key.prefix}, actor=actor)
    return found


def any_usable(keys: Iterable[Key]) -> bool:
    """Whether any of them opens anything today."""
    now = datetime.now(UTC)
    return any(key.usable(now) for key in keys)


def _check(name: str, scopes: Collection[Scope], expires_at: datetime | None) -> None:
    taken = name == LOCAL_NAME or name.startswith(CONSOLE)
    if taken or not name.strip() or not name.isprintable() or len(name) > LONGEST_NAME:
        told = (
            f"密钥名称应为 1 至 {LONGEST_NAME} 个可见字符，且不为 {LOCAL_NAME}、不以 {CONSOLE} 开头；"
            "请写明给谁用，如 受理系统。"
        )
        raise DispatchError(ErrorKind.INVALID_PARAMETER, told, field="name", value=name)
    if not scopes:
        told = f"没有给出权限；可用：{'、'.join(Scope)}，可给多个。"
        raise DispatchError(ErrorKind.INVALID_PARAMETER, told, field="scope")
    if expires_at and expires_at <= datetime.now(UTC):
        told = "到期时间已过；请给出将来的时间。"
        raise DispatchError(ErrorKind.INVALID_PARAMETER, told, field="days", value=expires_at.isoformat())


def _key(row: dict[str, object]) -> Key:
    return Key(
        id=int(str(row["id"])),
        name=str(row["name"]),
        prefix=str(row["prefix"]),
        hash=str(row["hash"]),
        scopes=frozenset(Scope(scope) for scope in str(row["scopes"]).split(",")),
        created_at=moments.read(str(row["created_at"])),
        expires_at=moments.read(str(row["expires_at"])) if row["expires_at"] else None,
        revoked_at=moments.read(str(row["revoked_at"])) if row["revoked_at"] else None,
    )
