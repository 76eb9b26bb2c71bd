import json
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select, update

from serving import cli, outward
from serving.hooks.hooks import registered
from serving.hooks.outbox import DEAD, PENDING
from serving.settings import Settings
from serving.store.events import record
from serving.store.schema import outbox
from serving.store.store import Store

URL = "https://hooks.example.gov.cn/in"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISPATCH_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store.of(Settings(data_dir=tmp_path))) as found:
        yield found


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        cli.main(["hooks", *arguments])
    return int(caught.value.code or 0)


def test_the_secret_is_alone_on_stdout(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("add", "crm", URL, "--event", "return", "--event", "dispatch", "--note", "受理系统") == 0
    shown = capsys.readouterr()
    with store.reading() as connection:
        hook = registered(connection)["crm"]
    assert shown.out.strip() == hook.secret(store.seal.hooks)
    assert (hook.events, hook.note) == (("dispatch", "return"), "受理系统")
    assert URL in shown.err


def test_an_address_inside_needs_the_setting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("add", "crm", "http://10.1.0.9/in") == 1
    assert "webhook_networks" in capsys.readouterr().err
    monkeypatch.setenv("DISPATCH_WEBHOOK_NETWORKS", "10.1.0.0/16")
    assert run("add", "crm", "http://10.1.0.9/in") == 0


def test_subscribers_are_listed_with_their_messages(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    run("add", "crm", URL)
    store.write(partial(record, kind="dispatch", subject="工单-1", payload={}))
    capsys.readouterr()
    assert run("list", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["name"], row["url"], row["messages"]) == ("crm", URL, {PENDING: 1})
    assert run("list") == 0
    shown = capsys.readouterr().out
    assert "crm" in shown
    assert "whsec_" not in shown


def test_who_is_removed_gets_nothing_more(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    run("add", "crm", URL)
    store.write(partial(record, kind="dispatch", subject="工单-1", payload={}))
    assert run("remove", "crm") == 0
    assert "1 条" in capsys.readouterr().err
    with store.reading() as connection:
        assert connection.rows(select(outbox)) == []
    assert run("remove", "crm") == 1
    assert "not_found" in capsys.readouterr().err


def test_what_was_given_up_is_listed_and_sent_again(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    run("add", "crm", URL)
    store.write(partial(record, kind="dispatch", subject="工单-1", payload={}))
    dead = update(outbox).values(state=DEAD, error="应答 500")
    store.write(lambda connection: connection.execute(dead).rowcount)
    capsys.readouterr()
    assert run("dead", "--json", "--limit", "5") == 0
    (message,) = json.loads(capsys.readouterr().out)
    assert (message["case_id"], message["error"]) == ("工单-1", "应答 500")
    assert run("dead") == 0
    assert "工单-1" in capsys.readouterr().out
    assert run("retry", "crm") == 0
    assert "1 条" in capsys.readouterr().err
    with store.reading() as connection:
        assert [row["state"] for row in connection.rows(select(outbox))] == [PENDING]
    assert run("retry", "crn") == 1
    assert "crm" in capsys.readouterr().err


@pytest.mark.parametrize(("status", "code"), [(204, 0), (404, 1)])
def test_a_subscriber_can_be_tried(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], status: int, code: int
) -> None:
    run("add", "crm", URL)
    monkeypatch.setattr(outward, "post", lambda *_, **__: status)
    assert run("ping", "crm") == code
    assert f"应答 {status}" in capsys.readouterr().err
