"""The store: what was written is on disk before anybody is told. SQLite, or PostgreSQL by URL."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from sqlalchemy import bindparam, insert, select
from sqlalchemy.dialects import postgresql

from dispatch_model.cases import Versions
from dispatch_model.errors import DispatchError, ErrorKind
from serving.settings import Settings
from serving.store import events, moments
from serving.store.connection import Connection, Row, Values
from serving.store.database import Readers, open_database
from serving.store.migrate import When, bring_up
from serving.store.record import Content, Record, Top
from serving.store.schema import cases, facts, routings
from serving.store.seal import FILE, Seal
from serving.store.writer import Writer

T = TypeVar("T")

_CONTENT = tuple(cases.c[name] for name in Content.__dataclass_fields__)
_VERSIONS = tuple(routings.c[name] for name in Versions.model_fields)
_TOP = tuple(routings.c[name] for name in Top._fields)
_FIND = (
    select(cases.c.case_id, routings.c.disposition, routings.c.answer, *_CONTENT, *_VERSIONS, *_TOP)
    .join_from(cases, routings)
    .where(cases.c.case_id == bindparam("case_id"))
    .order_by(routings.c.id.desc())
    .limit(1)
)
# SQLite's and PostgreSQL's words for it are the same.
_ADD_CASE = postgresql.insert(cases).on_conflict_do_nothing().returning(cases.c.case_id)
_ADD_ROUTING = insert(routings).returning(routings.c.id)
_FACT = select(facts.c.value).where(facts.c.name == bindparam("name"))
_ADD_FACT = postgresql.insert(facts).on_conflict_do_nothing()


class Store:
    """Cases and their answers, and the way to everything else that is stored.

    One thread writes (`Writer`), any number read. Methods that return no future block: call them from a worker thread.

    :param seal: makes the digests and pseudonyms of what is stored here.
    """

    def __init__(self, readers: Readers, writer: Writer, seal: Seal, name: str) -> None:
        self._readers = readers
        self.writer = writer
        self.seal = seal
        self.name = name

    @classmethod
    def open(
        cls, where: Path | str, *, seal: Seal | None = None, timeout: float = 5.0, migrate: When = "embedded"
    ) -> "Store":
        """Open the database at a path (SQLite; made when missing) or a URL (PostgreSQL).

        :param seal: None takes the key file beside the SQLite database, made when missing.
        :param timeout: seconds a write waits while another process writes.
        :param migrate: who may bring older tables up to date.
        :raises DispatchError: STORE_UNAVAILABLE, naming the database; INVALID_CONFIG for tables of another release,
            or another key than the one the database was written with.
        """
        database = open_database(where, timeout=timeout)
        bring_up(database, migrate)
        if seal is None:
            if not isinstance(where, Path):
                raise TypeError("a database behind a URL has no folder to keep a key in: give a seal")
            seal = Seal.open(where.with_name(FILE))
        store = cls(Readers(database), Writer(database), seal, database.name)
        try:
            store._check_key()
        except DispatchError:
            store.close()
            raise
        return store

    @classmethod
    def of(cls, settings: Settings) -> "Store":
        """The store the settings name."""
        key = settings.secret_key
        return cls.open(
            settings.database,
            seal=Seal.of(key.get_secret_value()) if key else Seal.open(settings.data_dir / FILE),
            timeout=settings.store_timeout,
            migrate=settings.auto_migrate,
        )

    def close(self) -> None:
        """Finish what was submitted, then close all connections."""
        self.writer.close()
        self._readers.close()

    def ping(self) -> None:
        """Read once; raises STORE_UNAVAILABLE when that is impossible."""
        self.find([""])

    def find(self, case_ids: Sequence[str]) -> dict[str, Record]:
        """The stored records among `case_ids`, by case_id."""
        with self.reading() as connection:
            return _find(connection, case_ids)

    def submit(self, records: Sequence[Record]) -> Future[dict[str, Record]]:
        """Write `records`, all or none; the first writer of a case_id wins.

        :returns: done when it is on disk: for each case_id the record that is now stored, ours, or the one that was
            there before; STORE_UNAVAILABLE when nothing was written.
        """
        fresh: dict[str, Record] = {}
        for record in records:
            fresh.setdefault(record.case_id, record)
        return self.writer.submit(lambda connection: _save(connection, fresh))

    def save(self, records: Sequence[Record]) -> dict[str, Record]:
        """`submit`, waited for."""
        return self.submit(records).result()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that reads, for this thread alone; what fails in it is STORE_UNAVAILABLE."""
        with self._readers.lease() as connection:
            yield connection

    def write(self, job: Callable[[Connection], T]) -> T:
        """Run `job` in a transaction of the writer, on disk when this returns; see `Writer.submit`."""
        return self.writer.submit(job).result()

    def _check_key(self) -> None:
        """Digests of two keys cannot be compared: a repeat would pass for a conflict, a caller for two."""
        known = self.write(lambda connection: _fact(connection, "seal", self.seal.id))
        if known != self.seal.id:
            told = (
                f"数据库 {self.name} 由密钥 {known} 写入，本机密钥为 {self.seal.id}；请让所有实例使用同一密钥："
                f"复制原来的 {FILE}，或以 secret_key（DISPATCH_SECRET_KEY）设置。"
            )
            raise DispatchError(ErrorKind.INVALID_CONFIG, told, field="secret_key")


def _find(connection: Connection, case_ids: Iterable[str]) -> dict[str, Record]:
    found = connection.each(_FIND, [{"case_id": case_id} for case_id in case_ids])
    return {record.case_id: record for record in (_record(rows[0]) for rows in found if rows)}


def _save(connection: Connection, fresh: Mapping[str, Record]) -> dict[str, Record]:
    """Runs in the writer."""
    # Before the first row: who wrote a case and then waited could be waited for by who is to write the same case.
    events.take_turns(connection)
    now = moments.now()
    ours = list(fresh.values())
    added = connection.each(_ADD_CASE, [_case_row(record, now) for record in ours])
    new = [record for record, rows in zip(ours, added, strict=True) if rows]
    rows = [_routing_row(record, now) for record in new]
    numbers = connection.each(_ADD_ROUTING, rows)
    told = [
        _dispatched({**row, "id": number}, _case_row(record, now))
        for record, row, ((number,),) in zip(new, rows, numbers, strict=True)
    ]
    if told:
        events.record_each(connection, told)
    if len(new) == len(ours):
        return dict(fresh)
    kept = _find(connection, fresh.keys() - {record.case_id for record in new})
    return {**fresh, **kept}


def _record(row: Row) -> Record:
    case_id, disposition, answer, *rest = row
    content, rest = rest[: len(_CONTENT)], rest[len(_CONTENT) :]
    versions, top = rest[: len(_VERSIONS)], rest[len(_VERSIONS) :]
    names = dict(zip(Versions.model_fields, versions, strict=True))
    return Record(case_id, Content(*content), disposition, Versions(**names), answer, Top(*top))


def _case_row(record: Record, now: str) -> Values:
    return {"case_id": record.case_id, **vars(record.content), "stored_at": now}


def _routing_row(record: Record, now: str) -> Values:
    return {
        "case_id": record.case_id,
        "disposition": record.disposition,
        **dict(record.versions),
        **record.top._asdict(),
        "answer": record.answer,
        "stored_at": now,
    }


def _dispatched(row: Values, case: Values) -> events.Happening:
    names = ("id", "disposition", "category", *Versions.model_fields)
    payload = {name: row[name] for name in names}
    payload["unit"] = {"code": row["unit"], "function": row["function"], "level": row["level"]}
    stamp = {**events.stamp(routings, row), "case": events.case_stamp(case)}
    return events.Happening("dispatch", row["case_id"], {**payload, events.STAMP: stamp})


def _fact(connection: Connection, name: str, value: str) -> str:
    """The fact of that name; `value` becomes it when there was none."""
    connection.execute(_ADD_FACT, {"name": name, "value": value})
    ((known,),) = connection.execute(_FACT, {"name": name}).fetchall()
    return str(known)
