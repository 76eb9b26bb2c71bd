"""Operators of the console: who may sign in, in which role.

All functions run inside a transaction of the store's writer, or on a connection that reads. A password comes as the
hash that `serving.guard.passwords` makes of it.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from dispatch_model.errors import DispatchError, ErrorKind, near
from serving.guard.guard import Actor
from serving.guard.keys import CONSOLE
from serving.guard.passwords import Hash
from serving.guard.roles import Role
from serving.guard.scopes import Scope
from serving.masking import mask
from serving.store import events, moments
from serving.store.connection import Connection
from serving.store.schema import console_sessions, operators

__all__ = [
    "Operator",
    "Role",
    "add",
    "all_",
    "disable",
    "enable",
    "find",
    "known",
    "password_of",
    "renew",
    "set_password",
]

LONGEST_NAME = 64
_LOGIN = re.compile(r"[a-z0-9][a-z0-9._-]{1,31}")


_SCOPES = {
    Role.OPERATOR: frozenset({Scope.OPERATOR}),
    Role.SUPERVISOR: frozenset({Scope.OPERATOR, Scope.DATA, Scope.ADMIN}),  # admin: may force a decision
    Role.ADMIN: frozenset(Scope),
}


@dataclass(frozen=True)
class Operator:
    """An operator as the store knows them.

    :param login: what they type; lower case.
    :param name: what others read, such as 张三.
    :param disabled_at: since when they may no longer sign in.
    """

    login: str
    name: str
    role: Role
    created_at: datetime
    disabled_at: datetime | None = None

    @property
    def actor(self) -> Actor:
        """Under whom the audit log tells what they did, and what they may ask of the service."""
        return Actor(f"{CONSOLE}{self.login}", _SCOPES[self.role])


_COLUMNS = tuple(operators.c[name] for name in Operator.__dataclass_fields__)
_ALL = select(*_COLUMNS).order_by(operators.c.login)
_FIND = select(*_COLUMNS).where(operators.c.login == bindparam("its_login"))
_PASSWORD = select(operators.c.password).where(operators.c.login == bindparam("its_login"))
_ADD = insert(operators)
_STATE = update(operators).where(operators.c.login == bindparam("its_login")).values(disabled_at=bindparam("at"))
_REPLACE = update(operators).where(operators.c.login == bindparam("its_login")).values(password=bindparam("hash"))
_RENEW = _REPLACE.where(operators.c.password == bindparam("before"))
_SIGN_OUT = delete(console_sessions).where(console_sessions.c.login == bindparam("its_login"))


def add(connection: Connection, login: str, password: Hash, *, name: str, role: Role, actor: str) -> Operator:
    """Enter an operator.

    :raises DispatchError: INVALID_PARAMETER for a login that is taken or malformed, or a name that cannot be.
    """
    _check(login, name)
    events.take_turns(connection)
    if there := find(connection, login):
        told = f"登录名 {login} 已归 {there.name}；请换一个，或用 dispatch operators enable、password 恢复。"
        raise DispatchError(ErrorKind.INVALID_PARAMETER, told, field="login", value=login)
    row = {"login": login, "name": name, "role": role.value, "password": password, "created_at": moments.now()}
    connection.execute(_ADD, row)
    _tell(connection, login, actor, change="add", name=name, role=role.value)
    return _operator({**row, "disabled_at": None})


def disable(connection: Connection, login: str, *, actor: str) -> Operator:
    """Let an operator sign in no longer, and sign them out everywhere.

    :raises DispatchError: NOT_FOUND.
    """
    return _set_state(connection, login, moments.now(), actor)


def enable(connection: Connection, login: str, *, actor: str) -> Operator:
    """Let a disabled operator sign in again.

    :raises DispatchError: NOT_FOUND.
    """
    return _set_state(connection, login, None, actor)


def set_password(connection: Connection, login: str, password: Hash, *, actor: str) -> Operator:
    """Replace the password, and sign the operator out everywhere.

    :raises DispatchError: NOT_FOUND.
    """
    events.take_turns(connection)
    found = known(connection, login)
    connection.execute(_REPLACE, {"its_login": login, "hash": password})
    connection.execute(_SIGN_OUT, {"its_login": login})
    _tell(connection, login, actor, change="password")
    return found


def renew(connection: Connection, login: str, before: Hash, after: Hash) -> None:
    """Put another hash of the same password in place of `before`, unless the password was changed meanwhile."""
    connection.execute(_RENEW, {"its_login": login, "before": before, "hash": after})


def all_(connection: Connection) -> list[Operator]:
    """All operators that were ever entered, by login."""
    return [_operator(row) for row in connection.rows(_ALL)]


def find(connection: Connection, login: str) -> Operator | None:
    """The operator of that login."""
    rows = connection.rows(_FIND, {"its_login": login})
    return _operator(rows[0]) if rows else None


def known(connection: Connection, login: str) -> Operator:
    """`find`, or NOT_FOUND with near logins."""
    found = find(connection, login)
    if found is None:
        hint = near(login, [one.login for one in all_(connection)]) or "请用 dispatch operators list 查看"
        raise DispatchError(ErrorKind.NOT_FOUND, f"没有操作员 {login}；{hint}。", field="login", value=login)
    return found


def password_of(connection: Connection, login: str) -> Hash | None:
    """What is kept of the password."""
    row = connection.execute(_PASSWORD, {"its_login": login}).fetchone()
    return Hash(row[0]) if row else None


def _set_state(connection: Connection, login: str, at: str | None, actor: str) -> Operator:
    events.take_turns(connection)
    if bool(known(connection, login).disabled_at) != bool(at):
        connection.execute(_STATE, {"its_login": login, "at": at})
        connection.execute(_SIGN_OUT, {"its_login": login})
        _tell(connection, login, actor, change="disable" if at else "enable")
    return known(connection, login)


def _tell(connection: Connection, login: str, actor: str, **told: Any) -> None:
    events.record(connection, "operator", login, told, actor=actor)


def _check(login: str, name: str) -> None:
    if not _LOGIN.fullmatch(login):
        told = f"登录名 {login} 应为 2 至 32 个小写字母、数字、点、- 或 _，以字母或数字开头，如 zhangsan。"
        raise DispatchError(ErrorKind.INVALID_PARAMETER, told, field="login", value=login)
    if mask(login) != login:
        told = f"登录名 {mask(login)} 看起来是个人信息（如手机号），记录中会被脱敏而认不出是谁；请用工号或姓名拼音。"
        raise DispatchError(ErrorKind.INVALID_PARAMETER, told, field="login", value=mask(login))
    if not name.strip() or not name.isprintable() or len(name) > LONGEST_NAME:
        told = f"姓名应为 1 至 {LONGEST_NAME} 个可见字符，如 张三。"
        raise DispatchError(ErrorKind.INVALID_PARAMETER, told, field="name", value=name)


def _operator(row: dict[str, Any]) -> Operator:
    return Operator(
        login=str(row["login"]),
        name=str(row["name"]),
        role=Role(row["role"]),
        created_at=moments.read(row["created_at"]),
        disabled_at=moments.read(row["disabled_at"]) if row["disabled_at"] else None,
    )
