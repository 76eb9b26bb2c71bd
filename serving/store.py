"""The store: what `save` returned from is on disk. SQLite in WAL mode; SQLAlchemy writes the SQL, once."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, cast

from sqlalchemy import URL, Connection, Engine, bindparam, create_engine, event, insert, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection
from sqlalchemy.sql import Insert, Select

from dispatch_model.cases import Versions
from dispatch_model.errors import DispatchError, ErrorKind
from serving.record import Content, Record
from serving.schema import cases, metadata, routings


def _sql(statement: Select[Any] | Insert) -> str:
    """A statement as text: through SQLAlchemy each execution costs many times what SQLite itself takes."""
    return str(statement.compile(dialect=sqlite.dialect(paramstyle="named")))


_FIND = _sql(
    select(
        routings.c.disposition,
        routings.c.bundle,
        routings.c.access_list,
        routings.c.catalogue,
        routings.c.label_maps,
        routings.c.answer,
        cases.c.city,
        cases.c.transcript,
        cases.c.address,
        cases.c.received_at,
    )
    .join_from(cases, routings)
    .where(cases.c.case_id == bindparam("case_id"))
    .order_by(routings.c.id.desc())
)
_ADD_CASE = _sql(insert(cases))
_ADD_ROUTING = _sql(insert(routings))


class Store:
    """Cases and their answers. Methods block: call them from a worker thread.

    One connection writes, in `BEGIN IMMEDIATE` transactions, so that two processes never deadlock on an upgrade
    from reading to writing; the other reads and never waits for a writer. Threads take turns on each.
    """

    def __init__(self, path: Path, engine: Engine) -> None:
        self._path = path
        self._engine = engine
        self._reader, self._writer = engine.raw_connection(), engine.raw_connection()
        self._reading, self._writing = Lock(), Lock()

    @classmethod
    def open(cls, path: Path, *, timeout: float = 5.0) -> "Store":
        """Open the database at `path`, making folder, file and tables when missing.

        :param timeout: seconds a write waits while another process writes.
        :raises DispatchError: STORE_UNAVAILABLE, naming the path.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unavailable(path, error.strerror or str(error)) from None
        engine = _engine(path, timeout)
        try:
            with engine.begin() as connection:
                metadata.create_all(connection)
            return cls(path, engine)
        except DBAPIError as error:
            engine.dispose()
            raise _unavailable(path, str(error.orig)) from error

    def close(self) -> None:
        """Close both connections."""
        self._reader.close()
        self._writer.close()
        self._engine.dispose()

    def ping(self) -> None:
        """Read once; raises STORE_UNAVAILABLE when that is impossible."""
        self.find([""])

    def find(self, case_ids: Sequence[str]) -> dict[str, Record]:
        """The stored records among `case_ids`, by case_id."""
        try:
            with self._reading:
                return _find(_driver(self._reader), case_ids)
        except sqlite3.Error as error:
            raise _unavailable(self._path, str(error)) from error

    def save(self, records: Sequence[Record]) -> dict[str, Record]:
        """Write `records` in one transaction, on disk when this returns; the first writer of a case_id wins.

        :returns: for each case_id the record that is now stored: ours, or the one that was there before.
        """
        fresh = {record.case_id: record for record in reversed(records)}
        try:
            try:
                with self._transaction() as connection:
                    _insert(connection, fresh.values())
            except sqlite3.IntegrityError:
                # Seldom: another request or process was first. Under the write lock nobody can be so again.
                with self._transaction() as connection:
                    kept = _find(connection, fresh)
                    _insert(connection, [record for record in fresh.values() if record.case_id not in kept])
                return fresh | kept
        except sqlite3.Error as error:
            raise _unavailable(self._path, str(error)) from error
        return fresh

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing; on disk when it ends."""
        connection = _driver(self._writer)
        with self._writing:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")


def _engine(path: Path, timeout: float) -> Engine:
    engine = create_engine(URL.create("sqlite", database=str(path)))

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _: ConnectionPoolEntry) -> None:
        # BEGIN is written out wherever it belongs; the driver's implicit one would take the write lock too late.
        connection.isolation_level = None
        for pragma in (
            f"busy_timeout={int(timeout * 1000)}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _driver(connection: PoolProxiedConnection) -> sqlite3.Connection:
    return cast(sqlite3.Connection, connection.driver_connection)


def _find(connection: sqlite3.Connection, case_ids: Iterable[str]) -> dict[str, Record]:
    found = ((case_id, connection.execute(_FIND, {"case_id": case_id}).fetchone()) for case_id in case_ids)
    return {case_id: _record(case_id, row) for case_id, row in found if row}


def _insert(connection: sqlite3.Connection, records: Iterable[Record]) -> None:
    now = datetime.now(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
    for record in records:
        connection.execute(_ADD_CASE, {"case_id": record.case_id, **vars(record.content), "stored_at": now})
        connection.execute(_ADD_ROUTING, _routing_row(record, now))


def _record(case_id: str, row: tuple[Any, ...]) -> Record:
    disposition, bundle, access_list, catalogue, label_maps, answer, *content = row
    versions = Versions(bundle=bundle, access_list=access_list, catalogue=catalogue, label_maps=label_maps)
    return Record(case_id, Content(*content), disposition, versions, answer)


def _routing_row(record: Record, now: str) -> Mapping[str, object]:
    return {
        "id": None,
        "case_id": record.case_id,
        "disposition": record.disposition,
        **dict(record.versions),
        "answer": record.answer,
        "stored_at": now,
    }


def _unavailable(path: Path, why: str) -> DispatchError:
    return DispatchError(
        ErrorKind.STORE_UNAVAILABLE,
        f"数据库 {path} 不可用（{why}）；请检查磁盘空间、权限和 DISPATCH_DATA_DIR，稍后重试。",
        field="data_dir",
    )
