import json
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dispatch_model.cases import Case
from dispatch_model.errors import DispatchError
from serving import cli
from serving.guard.keyring import Keyring
from serving.guard.keys import of_store
from serving.masking import mask
from serving.routing import Router
from serving.store.record import Content, Record
from serving.store.store import Store

SECRET = "榕树巷深处的蓝色铁门"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DISPATCH_DATA_DIR", str(tmp_path))
    return tmp_path


def run(*arguments: str, given: str | None = None) -> tuple[str, str]:
    """What is told on stdout and on stderr."""
    result = CliRunner().invoke(cli.app, arguments, input=given, catch_exceptions=True)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout, result.stderr


def cases(folder: Path, router: Router) -> None:
    store = Store.open(folder / "dispatch.db")
    for case_id, caller in (("1", "13800138001"), ("2", "13800138001"), ("3", "13800138002")):
        case = Case(case_id=case_id, transcript=SECRET, caller=caller)
        routing = router.route([case])[0].model_copy(update={"transcript": SECRET})
        store.save([Record.of(Content.of(case, mask, store.seal), routing)])
    store.close()


def said(folder: Path) -> list[str]:
    connection = sqlite3.connect(folder / "dispatch.db")
    rows = connection.execute("SELECT transcript FROM cases ORDER BY case_id").fetchall()
    connection.close()
    return [json.loads(text) for (text,) in rows]


def test_a_key_is_printed_once_and_opens(folder: Path) -> None:
    out, told = run("keys", "create", "受理系统", "--scope", "intake", "--scope", "data", "--days", "30")
    key = out.strip()
    assert "受理系统：intake、data" in told
    assert key not in told
    store = Store.open(folder / "dispatch.db")
    ring = Keyring()
    ring.take(of_store(store))
    store.close()
    assert sorted(ring.find(key).scopes) == ["data", "intake"]
    listed, _ = run("keys", "list")
    assert key[:11] in listed
    assert "有效" in listed
    assert key[11:] not in listed


def test_keys_are_made_without_the_key_of_the_digests(folder: Path) -> None:
    run("keys", "create", "大屏", "--scope", "data")
    assert not (folder / "dispatch.key").exists()
    assert "大屏" in run("keys", "list")[0]


def test_a_revoked_key_is_listed_as_such(folder: Path) -> None:
    key = run("keys", "create", "大屏", "--scope", "data")[0].strip()
    assert key[:11] in run("keys", "revoke", key[:11])[1]
    assert "已撤销" in run("keys", "list")[0]
    with pytest.raises(DispatchError, match="没有未撤销的密钥"):
        run("keys", "revoke", key[:11])
    assert (folder / "dispatch.db").exists()


def test_a_scope_must_be_one_there_is(folder: Path) -> None:
    result = CliRunner().invoke(cli.app, ["keys", "create", "x", "--scope", "all"])
    assert result.exit_code == 2
    assert not (folder / "dispatch.db").exists()


@pytest.mark.parametrize(("written", "given"), [("+86 138 0013 8001", None), ("-", "13800138001\n")])
def test_a_caller_is_erased(folder: Path, router: Router, written: str, given: str | None) -> None:
    cases(folder, router)
    assert "已抹除 2 件" in run("erase", "--caller", written, "--yes", given=given)[1]
    assert said(folder) == ["", "", SECRET]
    assert "没有该来电人的工单" in run("erase", "--caller", "13800138001", "--yes")[1]


def test_cases_are_erased_by_number_once_confirmed(folder: Path, router: Router) -> None:
    cases(folder, router)
    refused = CliRunner().invoke(cli.app, ["erase", "--case", "1"], input="n\n")
    assert (refused.exit_code, said(folder)) == (1, [SECRET] * 3)
    assert "已抹除 1 件" in run("erase", "--case", "1", given="y\n")[1]
    assert "已抹除 1 件工单；1 件此前已抹除" in run("erase", "--case", "1", "--case", "3", "--yes")[1]
    assert said(folder) == ["", SECRET, ""]


@pytest.mark.parametrize(
    "arguments", [(), ("--caller", "1", "--case", "1"), ("--caller", "匿名"), ("--case", "9", "--yes")]
)
def test_what_cannot_be_erased_is_told(folder: Path, router: Router, arguments: tuple[str, ...]) -> None:
    cases(folder, router)
    with pytest.raises(DispatchError):
        run("erase", *arguments)
    assert said(folder) == [SECRET] * 3
