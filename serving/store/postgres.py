"""PostgreSQL 15 or later, over psycopg 3."""

import hashlib
from collections.abc import Iterable
from math import ceil
from typing import Any

import psycopg
from psycopg.adapt import Buffer, Loader
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from dispatch_model.errors import DispatchError, ErrorKind
from serving.store.connection import Connection, Row, Statement, Texts, Values
from serving.store.database import unavailable

OLDEST = 15
_GAVE_UP = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected
_MOMENT = len("2026-05-01 00:30:00.000000")
_SETTINGS = {
    "DateStyle": "ISO",
    "client_encoding": "UTF8",
    # What a stopped process holds is given back.
    "idle_in_transaction_session_timeout": "60s",
}
# "On disk" is promised: a server set to answer earlier is overruled, one set to wait for more is not.
_DURABLE = (
    "SELECT set_config('synchronous_commit', 'on', false) "
    "WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')"
)


class _Moments(Loader):
    """A timestamp as text of the one form; the server leaves out trailing zeros."""

    def load(self, data: Buffer) -> str:
        text = bytes(data).decode("ascii")
        return text if len(text) == _MOMENT else f"{text}{'' if '.' in text else '.'}".ljust(_MOMENT, "0")


class _PostgresConnection(Connection):
    """Sends many rows without waiting for each, and takes turns by advisory locks."""

    driver: psycopg.Connection[Row]

    def each(self, statement: Statement, rows: Iterable[Values]) -> list[list[Row]]:
        """As of the base, in one journey to the server."""
        given = [self._texts.of(statement, values) for values in rows]
        if len(given) == 1:
            return [_result(self.driver.execute(*given[0]))]
        with self.driver.pipeline():
            cursors = [self.driver.execute(*one) for one in given]
        return [_result(cursor) for cursor in cursors]

    def take_turns(self, name: str) -> None:
        """As of the base: an advisory lock, held until the transaction ends."""
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
        self.driver.execute("SELECT pg_advisory_xact_lock(%s)", (number,))


class Postgres:
    """The database behind a URL `postgresql://user:password@host:port/name`.

    :param timeout: seconds a write waits for a lock, and a connection for the server.
    :raises DispatchError: INVALID_CONFIG when the URL is not one.
    """

    embedded = False
    error = psycopg.Error
    begin = "BEGIN"
    table_names = "SELECT tablename FROM pg_tables WHERE schemaname = ANY(current_schemas(false))"
    dialect = "postgresql+psycopg://"

    def __init__(self, url: str, timeout: float) -> None:
        try:
            parts = conninfo_to_dict(url)
        except psycopg.ProgrammingError:
            # The driver's message quotes the URL, password and all.
            raise _unreadable() from None
        self.name = f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"
        options = [str(parts.pop("options", "")), f"-c lock_timeout={int(timeout * 1000)}"]
        options += [f"-c {name}={value}" for name, value in _SETTINGS.items()]
        told: dict[str, Any] = {"connect_timeout": max(2, ceil(timeout)), "tcp_user_timeout": int(timeout * 4000)}
        self._parts: dict[str, Any] = {**told, "application_name": "hotline-dispatch", **parts}
        self._parts["options"] = " ".join(options).strip()
        # The dialect of SQLAlchemy, not its pool: `connect` is all that opens connections.
        self._texts = Texts(PGDialect_psycopg(paramstyle="pyformat"))  # type: ignore[no-untyped-call]

    def connect(self) -> Connection:
        """Connect; a server that is too old, or keeps another encoding than UTF-8, is refused."""
        driver = psycopg.connect(autocommit=True, **self._parts)
        try:
            self._check(driver.info)
            driver.adapters.register_loader("timestamp", _Moments)
            driver.execute(_DURABLE)
        except (psycopg.Error, DispatchError):
            driver.close()
            raise
        return _PostgresConnection(driver, self._texts)

    def _check(self, info: psycopg.ConnectionInfo) -> None:
        major, encoding = info.server_version // 10_000, info.parameter_status("server_encoding")
        if major < OLDEST or encoding != "UTF8":
            raise DispatchError(
                ErrorKind.INVALID_CONFIG,
                f"数据库 {self.name} 为 PostgreSQL {major}、编码 {encoding}；应为 {OLDEST} 或更新、编码 UTF8。",
                field="database_url",
            )

    def lost(self, connection: Connection) -> bool:
        """Whether the driver found the connection closed."""
        return bool(getattr(connection.driver, "closed", False))

    def gave_up(self, error: Exception) -> bool:
        """A deadlock, or two transactions that cannot both be."""
        return isinstance(error, psycopg.Error) and error.sqlstate in _GAVE_UP

    def unavailable(self, error: Exception) -> DispatchError:
        """The server, the network and the URL are what can be wrong."""
        why = str(error).strip().splitlines()
        return unavailable(
            self.name, why[0] if why else type(error).__name__, "数据库服务、网络和 DISPATCH_DATABASE_URL"
        )


def _result(cursor: psycopg.Cursor[Row]) -> list[Row]:
    return cursor.fetchall() if cursor.description else []


def _unreadable() -> DispatchError:
    return DispatchError(
        ErrorKind.INVALID_CONFIG,
        "database_url 无法读取；应为 postgresql://用户:密码@主机:端口/库名，密码中的特殊字符需按 URL 转义。",
        field="database_url",
    )
