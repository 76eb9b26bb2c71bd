import csv
import json
import stat
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from dispatch_model.errors import DispatchError, ErrorKind
from serving import cli
from serving.cases.desk import CaseDesk
from serving.cases_wire import Accept, Override
from serving.engine import Engine
from serving.guard.guard import LOCAL
from serving.learning.data_export import export
from serving.learning.work_labels import Period
from serving.masking import mask
from serving.settings import Settings
from serving.store.record import Content, Record
from serving.store.seal import Seal
from serving.store.store import Store
from tests.canned import CannedRouter
from tests.test_cases_desk import Counted

OVERRIDE = Override.model_validate({"action": "override", "unit": "460100-交警", "reason_code": "职能不符"})


@pytest.fixture
def worked(tmp_path: Path, ruled: CannedRouter) -> Settings:
    """A database in which three cases of one text were decided, the last one otherwise; and one with a hand-off."""
    from dispatch_model.cases import Case

    settings = Settings(data_dir=tmp_path)
    store = Store.open(tmp_path / "dispatch.db", seal=Seal.of("a key for tests, of some length"))
    engine = Engine(ruled, store, mask)
    desk = CaseDesk(engine, store, Counted())
    told = {"1": "桥头的灯不亮", "2": "桥头的灯不亮！", "3": "桥头的灯不亮", "4": "校门口堵车，请交警核实处理。"}
    for number, said in told.items():
        case = Case.model_validate({"case_id": number, "transcript": said, "received_at": "2026-05-03"})
        store.save([Record.of(Content.of(case, mask, store.seal), ruled.route([case])[0])])
        desk.decide(number, OVERRIDE if number in "34" else Accept(action="accept"), LOCAL)
    engine.close()
    store.close()
    return settings


def test_each_text_and_label_is_written_once(worked: Settings, tmp_path: Path) -> None:
    from training.leaks import strip_leaks

    output, conflicts = tmp_path / "rows.jsonl", tmp_path / "conflicts.csv"
    report = export(worked, Period(), output, conflicts, clean=strip_leaks)
    rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert {(row["text"], row["handler_function"]) for row in rows} == {
        ("桥头的灯不亮", "交警"),
        ("校门口堵车", "交警"),
    }
    assert (report.read, len(report.conflicts)) == (4, 2)
    assert list(report.lines()) == [
        "导出 2 行：改派 2",
        "合并同文同标注 0 行；矛盾 2 行未导出（强者胜，同强取新）",
        "  承办职能不同：2 行",
    ]
    with conflicts.open(encoding="utf-8-sig", newline="") as file:
        told = list(csv.DictReader(file))
    assert {(row["kept_value"], row["dropped_value"], row["kept_case"]) for row in told} == {("交警", "城管", "3")}


def test_the_file_is_for_its_owner_alone(worked: Settings, tmp_path: Path) -> None:
    output = tmp_path / "rows.jsonl"
    output.write_text("old", encoding="utf-8")
    export(worked, Period(), output, None, clean=str)
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.glob("*.partial")] == []


def test_what_cannot_be_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    period = Period(date(2026, 5, 3), date(2026, 5, 3))
    with pytest.raises(DispatchError, match="应晚于") as caught:
        export(Settings(data_dir=tmp_path), period, tmp_path / "rows.jsonl", None, clean=str)
    assert caught.value.kind is ErrorKind.INVALID_PARAMETER


def test_a_folder_that_is_not_there_is_named(worked: Settings, tmp_path: Path) -> None:
    with pytest.raises(DispatchError, match="不可写") as caught:
        export(worked, Period(), tmp_path / "none" / "rows.jsonl", None, clean=str)
    assert (caught.value.kind, caught.value.field) == (ErrorKind.INVALID_PARAMETER, "output")


def test_without_a_database_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(DispatchError, match="没有数据库"):
        export(Settings(data_dir=tmp_path / "none"), Period(), tmp_path / "rows.jsonl", None, clean=str)
    assert list(tmp_path.iterdir()) == []


def test_the_command_exports(
    worked: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISPATCH_DATA_DIR", str(worked.data_dir))
    output = tmp_path / "rows.jsonl"
    run: Callable[[list[str]], None] = cli.main
    with pytest.raises(SystemExit) as caught:
        run(["data", "export", "--since", "2026-01-01", "--output", str(output)])
    assert not caught.value.code
    assert "导出 2 行" in capsys.readouterr().out
    assert "请交警" not in output.read_text(encoding="utf-8")
