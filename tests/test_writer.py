import sqlite3
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from threading import Event, get_ident
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from dispatch_model.errors import DispatchError, ErrorKind
from serving.store.connection import Connection
from serving.store.database import Database, open_database
from serving.store.migrate import upgrade
from serving.store.schema import facts
from serving.store.writer import Writer

_ADD = insert(facts)
_COUNT = select(func.count()).select_from(facts)


@pytest.fixture
def database(database_url: Path | str) -> Database:
    opened = open_database(database_url, timeout=1)
    upgrade(opened)
    return opened


@pytest.fixture
def writer(database: Database) -> Iterator[Writer]:
    opened = Writer(database)
    yield opened
    opened.close()


def add(name: str) -> Callable[[Connection], str]:
    def job(connection: Connection) -> str:
        connection.execute(_ADD, {"name": name, "value": "x"})
        return name

    return job


def count(database: Database) -> int:
    connection = database.connect()
    number: int = connection.execute(_COUNT).fetchall()[0][0]
    connection.close()
    return number


def fail(error: Exception) -> Any:
    raise error


def gate(writer: Writer) -> Event:
    """Keeps the writer busy until set, so that what is submitted meanwhile shares the next transaction."""
    begun, opened = Event(), Event()

    def job(_: Connection) -> None:
        begun.set()
        opened.wait(10)

    writer.submit(job)
    begun.wait(10)
    return opened


def test_a_result_is_there_when_its_row_is_on_disk(writer: Writer, database: Database) -> None:
    assert writer.submit(add("1")).result(10) == "1"
    assert count(database) == 1


def test_what_waits_together_shares_one_transaction(writer: Writer, database: Database) -> None:
    opened, seen = gate(writer), []

    def look(_: Connection) -> None:
        seen.append(count(database))

    futures = [writer.submit(job) for name in "abc" for job in (add(name), look)]
    assert writer.waiting == 6
    opened.set()
    for future in futures:
        future.result(10)
    assert seen == [0, 0, 0]  # from outside nothing is to be seen until all are committed
    assert count(database) == 3


def test_jobs_run_in_order_in_one_thread(writer: Writer) -> None:
    opened = gate(writer)
    order: list[tuple[int, int]] = []

    def note(number: int, _: Connection) -> None:
        order.append((number, get_ident()))

    futures = [writer.submit(partial(note, number)) for number in range(600)]
    opened.set()
    for future in futures:
        future.result(10)
    assert [number for number, _ in order] == list(range(600))
    assert len({thread for _, thread in order}) == 1


def test_a_failing_job_fails_alone(writer: Writer, database: Database) -> None:
    def broken(connection: Connection) -> None:
        add("broken")(connection)
        raise KeyError("no such thing")

    opened = gate(writer)
    good, bad, taken, last = (writer.submit(job) for job in (add("1"), broken, add("1"), add("2")))
    opened.set()
    assert (good.result(10), last.result(10)) == ("1", "2")
    with pytest.raises(KeyError, match="no such thing"):
        bad.result(10)
    with pytest.raises(DispatchError) as caught:
        taken.result(10)
    assert caught.value.kind is ErrorKind.STORE_UNAVAILABLE
    assert count(database) == 2


def test_a_job_that_fails_by_itself_leaves_nothing(writer: Writer, database: Database) -> None:
    def broken(connection: Connection) -> None:
        add("broken")(connection)
        raise KeyError("no such thing")

    with pytest.raises(KeyError):
        writer.submit(broken).result(10)
    assert writer.submit(add("1")).result(10) == "1"
    assert count(database) == 1


def test_what_was_cancelled_in_time_is_not_run(writer: Writer, database: Database) -> None:
    opened = gate(writer)
    cancelled, kept = writer.submit(add("1")), writer.submit(add("2"))
    assert cancelled.cancel()
    opened.set()
    assert kept.result(10) == "2"
    assert count(database) == 1


def test_closing_finishes_what_was_submitted(database: Database) -> None:
    writer = Writer(database)
    opened = gate(writer)
    futures = [writer.submit(add(str(number))) for number in range(20)]
    opened.set()
    writer.close()
    assert all(future.done() for future in futures)
    assert count(database) == 20
    with pytest.raises(DispatchError) as caught:
        writer.submit(add("late"))
    assert caught.value.kind is ErrorKind.STORE_UNAVAILABLE
    writer.close()


def test_a_transaction_that_takes_the_connection_along_fails_as_a_whole(writer: Writer, database: Database) -> None:
    """What a disk that is full, or a server that goes away, does in the middle."""
    opened = gate(writer)

    def lose(connection: Connection) -> None:
        connection.run("ROLLBACK")
        raise database.error("the disk is full")

    futures = [writer.submit(job) for job in (add("1"), lose, add("2"))]
    opened.set()
    for future in futures:
        with pytest.raises(DispatchError, match="the disk is full") as caught:
            future.result(10)
        assert caught.value.kind is ErrorKind.STORE_UNAVAILABLE
    assert count(database) == 0
    assert writer.submit(add("3")).result(10) == "3"


def test_a_deadlock_is_tried_again(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(database), "gave_up", lambda _, error: "deadlock" in str(error))
    tries: list[int] = []

    def job(connection: Connection) -> str:
        tries.append(len(tries))
        if len(tries) < 3:
            raise database.error("deadlock detected")
        return add("1")(connection)

    writer = Writer(database)
    assert writer.submit(job).result(10) == "1"
    assert tries == [0, 1, 2]
    with pytest.raises(DispatchError, match="deadlock"):
        writer.submit(lambda _: fail(database.error("deadlock detected"))).result(10)
    writer.close()
    assert count(database) == 1


def test_trouble_is_logged_once_until_it_is_over(
    writer: Writer, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    def lose(connection: Connection) -> None:
        connection.close()
        raise database.error("the disk is full")

    for job in (lose, lose, add("1"), add("2")):
        writer.submit(job).exception(10)
    said = [record.getMessage() for record in caplog.records if record.name == "serving.store.writer"]
    assert [line.partition(database.name)[2] for line in said] == [
        f" cannot be written: {database.error.__name__}",
        " can be written again",
    ]


def test_a_busy_database_is_unavailable_and_then_recovers(tmp_path: Path) -> None:
    database = open_database(tmp_path / "dispatch.db", timeout=0.05)
    upgrade(database)
    writer = Writer(database)
    other = sqlite3.connect(tmp_path / "dispatch.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DispatchError, match="locked") as caught:
        writer.submit(add("1")).result(10)
    assert caught.value.kind is ErrorKind.STORE_UNAVAILABLE
    other.execute("ROLLBACK")
    other.close()
    assert writer.submit(add("1")).result(10) == "1"
    writer.close()


def test_a_full_disk_is_unavailable_and_then_recovers(tmp_path: Path) -> None:
    database = open_database(tmp_path / "dispatch.db")
    upgrade(database)
    writer = Writer(database)
    writer.submit(lambda connection: connection.run("PRAGMA max_page_count = 1").fetchall()).result(10)
    large = {"name": "large", "value": "x" * 1_000_000}
    opened = gate(writer)
    futures = [writer.submit(job) for job in (add("1"), lambda connection: connection.execute(_ADD, large), add("2"))]
    opened.set()
    with pytest.raises(DispatchError, match="full"):
        futures[1].result(10)
    # Whether the others were taken along is SQLite's choice; who was told of success has its row.
    told = [future for future in (futures[0], futures[2]) if future.exception(10) is None]
    assert count(database) == len(told)
    # The limit was the connection's own: a new one has room again.
    writer.close()
    again = Writer(database)
    again.submit(lambda connection: connection.execute(_ADD, large)).result(10)
    again.close()
    assert count(database) == len(told) + 1


def test_a_server_that_ended_the_connection_while_nobody_wrote_is_not_noticed(postgres_url: str) -> None:
    database = open_database(postgres_url)
    upgrade(database)
    writer = Writer(database)
    writer.submit(add("1")).result(10)
    end_others(database)
    assert writer.submit(add("2")).result(10) == "2"
    writer.close()
    assert count(database) == 2


def test_a_server_that_goes_away_in_the_middle_is_unavailable_and_then_recovers(postgres_url: str) -> None:
    database = open_database(postgres_url)
    upgrade(database)
    writer = Writer(database)
    opened = gate(writer)

    def cut(connection: Connection) -> None:
        end_others(database)
        add("2")(connection)

    futures = [writer.submit(job) for job in (add("1"), cut, add("3"))]
    opened.set()
    for future in futures:
        with pytest.raises(DispatchError) as caught:
            future.result(10)
        assert caught.value.kind is ErrorKind.STORE_UNAVAILABLE
    assert writer.submit(add("4")).result(10) == "4"
    writer.close()
    assert count(database) == 1


def end_others(database: Database) -> None:
    """What a restart of the server does to every connection."""
    connection = database.connect()
    connection.run(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    connection.close()
    time.sleep(0.05)
