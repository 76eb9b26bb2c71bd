import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import typer

from serving import cli, routing, server
from serving.bulk.batch import Tally
from serving.routing import Router
from serving.settings import Settings

DOCUMENTED = (
    "route",
    "batch",
    "serve",
    "console",
    "migrate",
    "size",
    "audit verify",
    "city check",
    "city init",
    "city transfer",
    "data audit",
    "data curve",
    "data export",
    "data import",
    "data next",
    "hooks add",
    "hooks list",
    "hooks remove",
    "hooks ping",
    "hooks dead",
    "hooks retry",
    "keys create",
    "keys list",
    "keys revoke",
    "operators add",
    "operators list",
    "operators disable",
    "operators enable",
    "operators password",
    "operators sessions",
    "erase",
    "pretrain",
    "train",
    "evaluate",
    "export",
    "gate",
    "promise",
    "promote",
    "rollback",
    "labels check",
    "rules check",
    "rules export",
    "rules explain",
    "rules diff",
)


def run(*arguments: str) -> int:
    """Exit status of `dispatch` with these arguments."""
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    return int(caught.value.code or 0)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, router: Router) -> list[tuple[Path | None, str]]:
    """A canned router in place of the model; the list holds what was asked to be opened."""
    calls: list[tuple[Path | None, str]] = []

    def open_router(bundle: Path | None, city: str) -> Router:
        calls.append((bundle, city))
        return router

    monkeypatch.setattr(routing, "open_router", open_router)
    return calls


def commands(group: typer.Typer) -> list[str]:
    names = [
        str(command.name or command.callback.__name__) for command in group.registered_commands if command.callback
    ]
    for inner in group.registered_groups:
        if inner.typer_instance:
            names += [f"{inner.name} {name}" for name in commands(inner.typer_instance)]
    return names


def test_the_commands_are_the_documented_ones() -> None:
    assert sorted(commands(cli.app)) == sorted(DOCUMENTED)


@pytest.mark.parametrize("command", DOCUMENTED)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*command.split(), "--help") == 0
    said = capsys.readouterr().out
    assert any("\u4e00" <= character <= "\u9fff" for character in said.split("Options")[0].split("Usage")[1])


def test_route_shows_the_units(opened: list[tuple[Path | None, str]], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("route", "路灯不亮", "--city", "haikou") == 0
    said = capsys.readouterr().out
    assert "建议 · 投诉 · 概率足够" in said
    assert "城管" in said
    assert "模型：出现占道" in said
    assert opened == [(None, "haikou")]


@pytest.mark.usefixtures("opened")
def test_route_gives_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("route", "路灯不亮", "--address", "龙华区", "--received-at", "2018-05", "--json") == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "投诉"


@pytest.mark.usefixtures("opened")
def test_what_goes_wrong_is_a_sentence_and_exit_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("route", "路灯不亮", "--received-at", "昨天") == 1
    said = capsys.readouterr().err
    assert said.startswith("错误（invalid_case）：工单有误：received_at 不是日期")
    assert "Traceback" not in said


def test_batch_routes_a_file_and_counts_the_errors(
    opened: list[tuple[Path | None, str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target, bundle = tmp_path / "in.jsonl", tmp_path / "out.jsonl", tmp_path / "bundle"
    source.write_text('{"case_id":"1","transcript":"路灯不亮","unit":""}\n{\n', encoding="utf-8")
    assert run("batch", "--input", str(source), "--output", str(target), "--bundle", str(bundle)) == 0
    said = capsys.readouterr().err
    assert "忽略了未知字段：unit（1 行）" in said
    assert "2 行，其中 1 行有误" in said
    assert [json.loads(line)["case_id"] for line in target.read_text(encoding="utf-8").splitlines()] == ["1", None]
    assert opened == [(bundle, "haikou")]


@pytest.mark.usefixtures("opened")
def test_batch_names_an_input_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("batch", "--input", str(tmp_path / "none.jsonl"), "--output", str(tmp_path / "out.jsonl")) == 2
    assert "none.jsonl" in capsys.readouterr().err.replace("\n", "")


@pytest.mark.usefixtures("opened")
def test_batch_refuses_an_output_it_cannot_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"case_id":"1","transcript":"路灯不亮"}\n', encoding="utf-8")
    for target in (source, tmp_path, tmp_path / "none" / "out.jsonl"):
        assert run("batch", "--input", str(source), "--output", str(target)) == 1
        said = capsys.readouterr().err
        assert "不可用" in said
        assert "Traceback" not in said


def test_serve_takes_options_before_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    served: list[Settings] = []
    monkeypatch.setattr(server, "serve", served.append)
    monkeypatch.setenv("DISPATCH_PORT", "9001")
    monkeypatch.setenv("DISPATCH_DATA_DIR", str(tmp_path))
    assert run("serve", "--port", "9002") == 0
    assert (served[0].port, served[0].host, served[0].data_dir) == (9002, "127.0.0.1", tmp_path)


def test_training_without_its_extra_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "training.fit", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    assert run("train", "--out", str(tmp_path)) == 1
    assert "pip install 'hotline-dispatch[train]'" in capsys.readouterr().err


def test_train_passes_its_overrides_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[object] = []
    fit = ModuleType("training.fit")
    monkeypatch.setattr(fit, "fit", lambda config, out: calls.append((config.fit.epochs, out)), raising=False)
    monkeypatch.setitem(sys.modules, "training.fit", fit)
    assert run("train", "--out", str(tmp_path), "--set", "fit.epochs=2") == 0
    assert calls == [(2, tmp_path)]


def test_size_says_what_a_volume_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("size", "1000000", "--burst", "5", "--replica-cores", "4", "--cpu-ms", "12.7") == 0
    assert "需要 4 核；2 个副本" in capsys.readouterr().out
    assert run("size", "1e12") == 1
    assert "核以上" in capsys.readouterr().err


@pytest.mark.usefixtures("opened")
def test_batch_hands_a_history_to_ray(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[object] = []

    def route_history(_: object, source: Path, target: Path, **told: object) -> Tally:
        told.pop("progress")
        asked.append((source, target, told))
        return Tally(lines=2)

    monkeypatch.setattr("serving.bulk.ray_batch.route_history", route_history)
    (tmp_path / "a.jsonl").touch()
    told = ("--engine", "ray", "--threads", "3", "--part-lines", "7")
    assert run("batch", "--input", str(tmp_path), "--output", str(tmp_path / "out"), *told) == 0
    assert asked == [(tmp_path, tmp_path / "out", {"workers": 3, "lines": 7})]


def test_migrate_says_from_where_to_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISPATCH_DATA_DIR", str(tmp_path))
    assert run("migrate") == 0
    assert "由 空库 升级而来" in capsys.readouterr().out
    assert run("migrate") == 0
    assert "已是最新" in capsys.readouterr().out
