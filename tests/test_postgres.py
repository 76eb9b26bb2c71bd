from typing import Any

import psycopg
import pytest

from dispatch_model.errors import DispatchError, ErrorKind
from serving.store.database import open_database


def test_a_server_that_answers_before_the_disk_is_overruled(postgres_url: str) -> None:
    hasty = f"{postgres_url}%20-csynchronous_commit%3Doff"
    with psycopg.connect(hasty) as plain:
        assert plain.execute("SHOW synchronous_commit").fetchone() == ("off",)
    connection = open_database(hasty).connect()
    assert connection.run("SHOW synchronous_commit").fetchone() == ("on",)
    connection.close()


def test_a_server_that_waits_for_its_standby_is_not(postgres_url: str) -> None:
    connection = open_database(f"{postgres_url}%20-csynchronous_commit%3Dremote_apply").connect()
    assert connection.run("SHOW synchronous_commit").fetchone() == ("remote_apply",)
    connection.close()


def test_a_write_waits_only_so_long_for_a_lock(postgres_url: str) -> None:
    database = open_database(postgres_url, timeout=0.2)
    one, two = database.connect(), database.connect()
    for connection in (one, two):
        connection.run("BEGIN")
    one.take_turns("chain")
    two.take_turns("another thing")
    with pytest.raises(psycopg.errors.LockNotAvailable):
        two.take_turns("chain")
    one.close()
    two.close()


def test_a_url_that_is_none_is_refused_without_its_password() -> None:
    with pytest.raises(DispatchError, match="database_url") as caught:
        open_database("postgresql://user:secret@[/x")
    assert caught.value.kind is ErrorKind.INVALID_CONFIG
    assert "secret" not in str(caught.value)


def test_a_server_that_is_not_there_is_unavailable_without_the_password() -> None:
    database = open_database("postgresql://user:secret@127.0.0.1:1/x")
    assert database.name == "127.0.0.1:1/x"
    with pytest.raises(database.error) as caught:
        database.connect()
    told = database.unavailable(caught.value)
    assert told.kind is ErrorKind.STORE_UNAVAILABLE
    assert "DISPATCH_DATABASE_URL" in told.message
    assert "secret" not in told.message


def test_an_older_server_is_refused(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import serving.store.postgres

    monkeypatch.setattr(serving.store.postgres, "OLDEST", 99)
    with pytest.raises(DispatchError, match="99") as caught:
        open_database(postgres_url).connect()
    assert caught.value.field == "database_url"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-05-01 00:30:00", "2026-05-01 00:30:00.000000"),
        ("2026-05-01 00:30:00.5", "2026-05-01 00:30:00.500000"),
        ("2026-05-01 00:30:00.000001", "2026-05-01 00:30:00.000001"),
        (None, None),
    ],
)
def test_timestamps_are_text_of_one_form(postgres_url: str, written: Any, read: Any) -> None:
    connection = open_database(postgres_url).connect()
    assert connection.driver.execute("SELECT %s::timestamp", (written,)).fetchone() == (read,)
    connection.close()
