"""The store: what `save` returned from is on disk. SQLite in WAL mode, over SQLAlchemy Core."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, Row, bindparam, create_engine, event, insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.pool import ConnectionPoolEntry

from dispatch_model.cases import Versions
from dispatch_model.errors import DispatchError, ErrorKind
from serving.record import Content, Record
from serving.schema import cases, metadata, routings

# Built once: making a statement costs more than running it.
_FIND = (
    select(
        cases.c.case_id,
        cases.c.city,
        cases.c.transcript,
        cases.c.address,
        cases.c.received_at,
        routings.c.disposition,
        routings.c.bundle,
        routings.c.access_list,
        routings.c.catalogue,
        routings.c.label_maps,
        routings.c.answer,
    )
    .join_from(cases, routings)
    .where(cases.c.case_id.in_(bindparam("case_ids", expanding=True)))
    .order_by(routings.c.id)
)
_ADD_CASE = insert(cases)
_ADD_ROUTING = insert(routings).inline()


class Store:
    """Cases and their answers. Methods block: call them from a worker thread.

    One engine writes, in `BEGIN IMMEDIATE` transactions, so that two processes never deadlock on an upgrade
    from reading to writing; the other reads and never waits for a writer.
    """

    def __init__(self, path: Path, *, timeout: float = 5.0) -> None:
        self._path = path
        self._reader = _engine(path, timeout, begin="BEGIN")
        self._writer = _engine(path, timeout, begin="BEGIN IMMEDIATE")

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
        store = cls(path, timeout=timeout)
        with store._session(store._writer) as connection:
            metadata.create_all(connection)
        return store

    def close(self) -> None:
        """Close every connection."""
        self._reader.dispose()
        self._writer.dispose()

    def ping(self) -> None:
        """Read once; raises STORE_UNAVAILABLE when that is impossible."""
        self.find([""])

    def find(self, case_ids: Sequence[str]) -> dict[str, Record]:
        """The stored records among `case_ids`, by case_id."""
        with self._session(self._reader) as connection:
            return _find(connection, case_ids)

    def save(self, records: Sequence[Record]) -> dict[str, Record]:
        """Write `records` in one transaction, on disk when this returns; the first writer of a case_id wins.

        :returns: for each case_id the record that is now stored: ours, or the one that was there before.
        """
        fresh = {record.case_id: record for record in reversed(records)}
        try:
            with self._session(self._writer) as connection:
                _insert(connection, list(fresh.values()))
        except IntegrityError:
            # Seldom: another request or process was first. Under the write lock nobody can be so again.
            with self._session(self._writer) as connection:
                kept = _find(connection, list(fresh))
                _insert(connection, [record for record in fresh.values() if record.case_id not in kept])
            return fresh | kept
        return fresh

    @contextmanager
    def _session(self, engine: Engine) -> Iterator[Connection]:
        """A transaction whose database errors come out as STORE_UNAVAILABLE."""
        try:
            with engine.begin() as connection:
                yield connection
        except IntegrityError:
            raise
        except DBAPIError as error:
            raise _unavailable(self._path, str(error.orig)) from error


def _engine(path: Path, timeout: float, *, begin: str) -> Engine:
    engine = create_engine(URL.create("sqlite", database=str(path)))

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _: ConnectionPoolEntry) -> None:
        # Our own BEGIN below; the driver's implicit one would take the write lock too late.
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
        connection.exec_driver_sql(begin)

    return engine


def _find(connection: Connection, case_ids: Sequence[str]) -> dict[str, Record]:
    rows = connection.execute(_FIND, {"case_ids": case_ids})
    return {row.case_id: _record(row) for row in rows}


def _insert(connection: Connection, records: Sequence[Record]) -> None:
    if records:
        now = datetime.now(UTC).replace(tzinfo=None)
        connection.execute(_ADD_CASE, [_case_row(record, now) for record in records])
        connection.execute(_ADD_ROUTING, [_routing_row(record, now) for record in records])


def _record(row: Row[*tuple[Any, ...]]) -> Record:
    return Record(
        case_id=row.case_id,
        content=Content(row.city, row.transcript, row.address, row.received_at),
        disposition=row.disposition,
        versions=Versions(
            bundle=row.bundle, access_list=row.access_list, catalogue=row.catalogue, label_maps=row.label_maps
        ),
        answer=row.answer,
    )


def _case_row(record: Record, now: datetime) -> Mapping[str, object]:
    content = record.content
    return {
        "case_id": record.case_id,
        "city": content.city,
        "transcript": content.transcript,
        "address": content.address,
        "received_at": content.received_at,
        "stored_at": now,
    }


def _routing_row(record: Record, now: datetime) -> Mapping[str, object]:
    return {
        "case_id": record.case_id,
        "disposition": record.disposition,
        **record.versions.model_dump(),
        "answer": record.answer,
        "stored_at": now,
    }


def _unavailable(path: Path, why: str) -> DispatchError:
    return DispatchError(
        ErrorKind.STORE_UNAVAILABLE,
        f"数据库 {path} 不可用（{why}）；请检查磁盘空间、权限和 DISPATCH_DATA_DIR，稍后重试。",
        field="data_dir",
    )
