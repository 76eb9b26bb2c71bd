import sqlite3
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import insert, select

from dispatch_model.errors import DispatchError, ErrorKind
from serving.store import migrate
from serving.store.connection import Connection
from serving.store.database import Database, open_database
from serving.store.migrate import FOLDER, HEAD, bring_up, upgrade
from serving.store.schema import APPEND_ONLY, audit_events, metadata, routings, rule_versions
from serving.store.seal import Seal
from serving.store.store import Store

AT = "2026-05-01 00:30:00.000000"
# As the first release made them, and as the one with rules that change did.
FIRST = """
CREATE TABLE cases (
    case_id VARCHAR(128) NOT NULL, city TEXT, transcript TEXT NOT NULL, address TEXT, received_at VARCHAR(40),
    stored_at DATETIME NOT NULL, PRIMARY KEY (case_id));
CREATE TABLE routings (
    id INTEGER NOT NULL, case_id VARCHAR(128) NOT NULL, disposition VARCHAR(16) NOT NULL, bundle VARCHAR(128) NOT NULL,
    access_list VARCHAR(128) NOT NULL, catalogue VARCHAR(128) NOT NULL, label_maps VARCHAR(128) NOT NULL,
    answer TEXT NOT NULL, stored_at DATETIME NOT NULL,
    PRIMARY KEY (id), FOREIGN KEY(case_id) REFERENCES cases (case_id));
CREATE INDEX ix_routings_case_id ON routings (case_id);
INSERT INTO cases VALUES ('1', NULL, '"路灯不亮"', NULL, NULL, '2026-05-01 00:30:00.000000');
INSERT INTO routings VALUES (7, '1', 'suggest', 'b', 'a', 'c', 'l', '{"case_id":"1"}', '2026-05-01 00:30:00.000000');
"""
SECOND = """
ALTER TABLE routings ADD COLUMN triggers VARCHAR(128) NOT NULL DEFAULT '';
CREATE TABLE rule_versions (
    id INTEGER NOT NULL, kind VARCHAR(16) NOT NULL, version VARCHAR(128) NOT NULL, origin INTEGER,
    action VARCHAR(16) NOT NULL, rows INTEGER NOT NULL, sha256 VARCHAR(64) NOT NULL, content BLOB NOT NULL,
    author VARCHAR(128) NOT NULL, note TEXT NOT NULL, since DATETIME NOT NULL, PRIMARY KEY (id));
CREATE INDEX ix_rule_versions_kind ON rule_versions (kind);
CREATE TABLE audit_events (
    id INTEGER NOT NULL, at DATETIME NOT NULL, actor VARCHAR(128) NOT NULL, action VARCHAR(32) NOT NULL,
    subject VARCHAR(128) NOT NULL, details TEXT NOT NULL, PRIMARY KEY (id));
CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_events
    BEGIN SELECT RAISE(ABORT, 'audit_events is append-only'); END;
INSERT INTO audit_events VALUES (1, '2026-05-01 00:30:00.000000', 'admin', 'rules.upload', 'catalogue', '{}');
PRAGMA user_version = 1;
"""


def columns(database: Database) -> Any:
    """What Alembic would still do to come from the database to `serving.store.schema`; comments stay in the code."""
    with migrate._transaction(database) as connection, warnings.catch_warnings():
        # SQLite does not tell what an index is over when it is no column; PostgreSQL does.
        warnings.filterwarnings("ignore", ".*expression-based index")
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": False})
        changes = compare_metadata(context, metadata)
    return [change for change in changes if "comment" not in str(change[0][0] if isinstance(change, list) else change)]


def old(path: Path, *scripts: str) -> Database:
    connection = sqlite3.connect(path)
    for script in scripts:
        connection.executescript(script)
    connection.close()
    return open_database(path)


def test_the_steps_lead_to_the_tables_of_the_schema(database_url: Path | str) -> None:
    database = open_database(database_url)
    assert upgrade(database) == (None, HEAD)
    assert columns(database) == []
    assert upgrade(database) == (HEAD, HEAD)


def test_the_head_is_the_last_step() -> None:
    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


@pytest.mark.parametrize(("scripts", "found"), [((FIRST,), "0001"), ((FIRST, SECOND), "0002")])
def test_a_database_from_before_alembic_is_brought_forward(
    tmp_path: Path, scripts: tuple[str, ...], found: str
) -> None:
    database = old(tmp_path / "dispatch.db", *scripts)
    assert upgrade(database) == (found, HEAD)
    # An index that was made under another definition stays as it is.
    assert [change for change in columns(database) if "ix_rule_versions_kind" not in str(change)] == []
    store = Store.open(tmp_path / "dispatch.db")
    kept = store.find(["1"])["1"]
    assert (kept.content.transcript, kept.answer, kept.content.digest) == ('"路灯不亮"', '{"case_id":"1"}', None)
    store.close()


def test_what_was_logged_before_is_still_there_and_protected(tmp_path: Path) -> None:
    database = old(tmp_path / "dispatch.db", FIRST, SECOND)
    upgrade(database)
    connection = database.connect()
    (event,) = connection.rows(select(audit_events))
    assert (event["action"], event["hash"]) == ("rules.upload", "")
    with pytest.raises(database.error, match="append-only"):
        connection.run("DELETE FROM audit_events")
    connection.close()


def test_sqlite_is_brought_up_at_a_start_and_postgres_is_not(tmp_path: Path, postgres_url: str) -> None:
    Store.open(tmp_path / "dispatch.db").close()
    seal = Seal.of("the key of these tests, of some length")
    with pytest.raises(DispatchError, match="dispatch migrate") as caught:
        Store.open(postgres_url, seal=seal)
    assert caught.value.kind is ErrorKind.INVALID_CONFIG
    upgrade(open_database(postgres_url))
    Store.open(postgres_url, seal=seal).close()


def test_nobody_may_when_the_setting_says_never(tmp_path: Path) -> None:
    with pytest.raises(DispatchError, match="尚无数据表"):
        bring_up(open_database(tmp_path / "dispatch.db"), "never")
    database = old(tmp_path / "dispatch.db", FIRST)
    with pytest.raises(DispatchError, match=r"0001.*dispatch migrate"):
        bring_up(database, "never")
    bring_up(database, "always")
    bring_up(database, "never")


def test_a_database_of_a_newer_release_is_refused(database_url: Path | str) -> None:
    database = open_database(database_url)
    upgrade(database)
    connection = database.connect()
    connection.run("UPDATE alembic_version SET version_num = '0999'")
    connection.close()
    for attempt in (bring_up, upgrade):
        with pytest.raises(DispatchError, match="0999") as caught:
            attempt(database)
        assert caught.value.kind is ErrorKind.INVALID_CONFIG


def test_several_that_start_at_once_migrate_once(database_url: Path | str) -> None:
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: upgrade(open_database(database_url, timeout=30))[0], range(3)))
    assert sorted(map(str, found)) == [HEAD, HEAD, "None"]


def test_a_step_that_fails_leaves_the_database_as_it_was(
    database_url: Path | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from serving.store.migrations import append_only

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("half way")

    database = open_database(database_url)
    monkeypatch.setattr(append_only, "protect", broken)
    with pytest.raises(RuntimeError, match="half way"):
        upgrade(database)
    connection = database.connect()
    assert list(connection.run(database.table_names)) == []
    connection.close()
    monkeypatch.undo()
    assert upgrade(database) == (None, HEAD)


@pytest.mark.parametrize("table", [table.name for table in APPEND_ONLY])
def test_rows_that_are_only_added_can_be_neither_changed_nor_deleted(database_url: Path | str, table: str) -> None:
    database = open_database(database_url)
    upgrade(database)
    connection = database.connect()
    fill(connection)
    for statement in (f"UPDATE {table} SET id = 9", f"DELETE FROM {table}"):
        with pytest.raises(database.error, match=f"{table} is append-only"):
            connection.run(statement)
    for column in next(open_ for name, open_ in APPEND_ONLY.items() if name.name == table):
        connection.run(f"UPDATE {table} SET {column} = ''")
    connection.close()


def fill(connection: Connection) -> None:
    """A row in every table that is only added to, and in those it refers to."""
    number = 0
    for table in metadata.sorted_tables:
        values: dict[str, Any] = {}
        for column in table.columns:
            if column.name == "id" or (column.nullable and not column.foreign_keys):
                continue
            kind = str(column.type)
            plain = AT if kind == "DATETIME" else b"x" if kind == "BLOB" else False if kind == "BOOLEAN" else "1"
            values[column.name] = 1 if kind in {"BIGINT", "INTEGER"} else plain
        connection.execute(insert(table), values)
        number += 1
    assert number > len(APPEND_ONLY)


def test_a_current_database_starts_without_alembic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store.open(tmp_path / "dispatch.db").close()
    monkeypatch.setitem(sys.modules, "alembic", None)
    Store.open(tmp_path / "dispatch.db").close()


def test_moments_of_routings_and_rules_have_one_type() -> None:
    assert str(routings.c.stored_at.type) == str(rule_versions.c.since.type) == "DATETIME"
