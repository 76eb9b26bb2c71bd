"""The embedded database: many may open a new file at the same moment."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import cast

import pytest

from serving.store.sqlite import Sqlite, write_ahead


class Refusing:
    """A driver that refuses some times."""

    def __init__(self, times: int, code: int = sqlite3.SQLITE_BUSY) -> None:
        self.left = times
        self.code = code
        self.asked = 0

    def execute(self, _: str) -> None:
        self.asked += 1
        if self.asked <= self.left:
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = self.code
            raise error


def switch(driver: Refusing, timeout: float) -> None:
    write_ahead(cast("sqlite3.Connection", driver), timeout)


def test_who_is_refused_at_once_tries_again() -> None:
    driver = Refusing(3)
    switch(driver, 5)
    assert driver.asked == 4


def test_who_is_refused_for_long_gives_up() -> None:
    with pytest.raises(sqlite3.OperationalError):
        switch(Refusing(10_000), 0.05)


def test_what_is_no_turn_to_wait_for_is_told_at_once() -> None:
    driver = Refusing(1, sqlite3.SQLITE_CANTOPEN)
    with pytest.raises(sqlite3.OperationalError):
        switch(driver, 5)
    assert driver.asked == 1


def test_ten_open_a_new_file_at_once(tmp_path: Path) -> None:
    barrier = Barrier(10)

    def opened(_: int) -> list[tuple[str, ...]]:
        barrier.wait(60)
        connection = database.connect()
        mode = connection.run("PRAGMA journal_mode").fetchall()
        connection.close()
        return mode

    for number in range(20):
        database = Sqlite(tmp_path / f"{number}.db", 5)
        with ThreadPoolExecutor(10) as pool:
            assert list(pool.map(opened, range(10))) == [[("wal",)]] * 10
