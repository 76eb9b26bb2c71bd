"""A database: how to connect to it, and what differs between SQLite and PostgreSQL."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from dispatch_model.errors import DispatchError, ErrorKind
from serving.store.connection import Connection

IDLE_READERS = 8  # connections kept for reading; further ones are closed after use


class Database(Protocol):
    """What the store asks of either kind."""

    @property
    def name(self) -> str:
        """How messages call it; without a password."""

    @property
    def embedded(self) -> bool:
        """Whether this service alone uses it, so that it may change the tables when it starts."""

    @property
    def error(self) -> type[Exception]:
        """Base of what the driver raises."""

    @property
    def begin(self) -> str:
        """The statement that opens a transaction which will write."""

    @property
    def table_names(self) -> str:
        """The query that lists the tables."""

    @property
    def dialect(self) -> str:
        """URL of the dialect, as `sqlalchemy.create_engine` takes it."""

    def connect(self) -> Connection:
        """A new connection in autocommit; raises the driver's error."""

    def lost(self, connection: Connection) -> bool:
        """Whether the server has gone from the other end."""

    def gave_up(self, error: Exception) -> bool:
        """Whether the transaction was ended for the sake of another, so that it is worth a second try."""

    def unavailable(self, error: Exception) -> DispatchError:
        """A driver's error as STORE_UNAVAILABLE, saying what to look at."""


def open_database(where: Path | str, *, timeout: float = 5.0) -> Database:
    """The database at a path (SQLite) or a URL (PostgreSQL); nothing is connected yet.

    :param timeout: seconds to wait for a lock, or for the server to take a connection.
    :raises DispatchError: INVALID_CONFIG when a URL is not understood.
    """
    if isinstance(where, Path):
        from serving.store.sqlite import Sqlite

        return Sqlite(where, timeout)
    from serving.store.postgres import Postgres

    return Postgres(where, timeout)


class Readers:
    """Connections for reading, each in use by one thread at a time. After any error all start afresh."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._idle: list[Connection] = []
        self._closed = False

    @contextmanager
    def lease(self) -> Iterator[Connection]:
        """A connection for this thread; what the driver raises inside becomes STORE_UNAVAILABLE."""
        try:
            connection = self._take()
        except self._database.error as error:
            raise self._database.unavailable(error) from error
        try:
            yield connection
        except self._database.error as error:
            connection.close()
            self._drop()
            raise self._database.unavailable(error) from error
        except BaseException:
            connection.close()  # a result may be half read
            raise
        self._put(connection)

    def close(self) -> None:
        """Close what is idle now, and what is in use when it comes back."""
        self._closed = True
        self._drop()

    def _take(self) -> Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return self._database.connect()

    def _put(self, connection: Connection) -> None:
        if self._closed or len(self._idle) >= IDLE_READERS:
            connection.close()
        else:
            self._idle.append(connection)

    def _drop(self) -> None:
        dropped, self._idle = self._idle, []
        for connection in dropped:
            connection.close()


def unavailable(name: str, why: str, check: str) -> DispatchError:
    """STORE_UNAVAILABLE in one form of words.

    :param check: what the operator should look at.
    """
    return DispatchError(
        ErrorKind.STORE_UNAVAILABLE, f"数据库 {name} 不可用（{why}）；请检查{check}，稍后重试。", field="database"
    )
