from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from dispatch_model.errors import DispatchError, ErrorKind
from serving.store.connection import Connection
from serving.store.database import IDLE_READERS, Readers, open_database
from serving.store.migrate import upgrade


@pytest.fixture
def readers(database_url: Path | str) -> Readers:
    return Readers(open_database(database_url))


def test_a_connection_is_used_again(readers: Readers) -> None:
    with readers.lease() as first:
        pass
    with readers.lease() as second:
        assert second is first
        with readers.lease() as other:
            assert other is not first
    readers.close()


def test_each_thread_has_its_own(readers: Readers) -> None:
    count = IDLE_READERS + 2
    barrier = Barrier(count)

    def read(_: int) -> Connection:
        with readers.lease() as connection:
            barrier.wait(10)
            assert connection.run("SELECT 1").fetchall() == [(1,)]
            return connection

    with ThreadPoolExecutor(count) as pool:
        assert len(set(map(id, pool.map(read, range(count))))) == count
    assert len(readers._idle) == IDLE_READERS
    readers.close()
    assert readers._idle == []


def test_after_an_error_all_start_afresh(readers: Readers) -> None:
    with readers.lease() as one, readers.lease() as two:
        pass
    with pytest.raises(DispatchError, match="nowhere") as caught, readers.lease() as three:
        three.run("SELECT 1 FROM nowhere")
    assert caught.value.kind is ErrorKind.STORE_UNAVAILABLE
    with readers.lease() as fresh:
        assert fresh not in (one, two, three)
        assert fresh.run("SELECT 1").fetchall() == [(1,)]
    readers.close()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DispatchError, match=r"file/dispatch\.db 不可用"):
        upgrade(open_database(tmp_path / "file" / "dispatch.db"))


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "dispatch.db").write_text("no database, only words " * 50)
    with pytest.raises(DispatchError, match="not a database"):
        upgrade(open_database(tmp_path / "dispatch.db"))


def test_sqlite_is_durable(tmp_path: Path) -> None:
    connection = open_database(tmp_path / "dispatch.db").connect()
    assert connection.run("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.run("PRAGMA synchronous").fetchone() == (2,)
    assert connection.run("PRAGMA foreign_keys").fetchone() == (1,)
    connection.close()
