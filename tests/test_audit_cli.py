import json
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from serving.cli import app
from serving.store import events
from serving.store.audit_cli import audit
from serving.store.store import Store


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["audit", "verify", *arguments])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Holds a database with two events."""
    monkeypatch.setenv("DISPATCH_DATA_DIR", str(tmp_path))
    store = Store.open(tmp_path / "dispatch.db")
    for name in "甲乙":
        store.write(lambda connection, name=name: events.record(connection, "key", name, {}))  # type: ignore[misc]
    store.close()
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_a_whole_chain_is_told_with_its_head() -> None:
    result = run()
    assert (result.exit_code, "2 个事件，所证 0 行，0 处问题" in result.output) == (0, True)
    head = result.output.strip().rpartition(" ")[2]
    assert run("--head", head).exit_code == 0


def test_a_flaw_is_told_and_ends_in_1(folder: Path) -> None:
    connection = sqlite3.connect(folder / "dispatch.db")
    connection.execute("DROP TRIGGER audit_events_no_update")
    connection.execute("UPDATE audit_events SET subject = '丙' WHERE id = 1")
    connection.commit()
    connection.close()
    result = run()
    assert (result.exit_code, "审计事件第 1 号被改动" in result.output) == (1, True)
    told = json.loads(run("--json").output)
    assert (told["flawed"], told["events"], told["head"][:2]) == (1, 2, "2:")


@pytest.mark.usefixtures("folder")
def test_a_wrong_head_is_an_error() -> None:
    assert "链头" in str(run("--head", "7").exception)


def test_the_group_has_help() -> None:
    assert audit.info.help
