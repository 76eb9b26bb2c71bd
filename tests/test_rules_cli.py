import json
from pathlib import Path
from typing import get_args

import pytest

from dispatch_model.access_row import COLUMNS
from dispatch_model.rules import RuleKind
from serving import cli
from serving.rules.cli import Kind, KindOrAll

SOUND = "L-1,事项,0307,镇街,基本,城管,,职责,,依据,,,1"


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        cli.main(["rules", *arguments])
    return int(caught.value.code or 0)


def listed(folder: Path, *rows: str) -> str:
    path = folder / "清单.csv"
    path.write_text("\n".join([",".join(COLUMNS), *rows]), encoding="utf-8")
    return str(path)


def test_the_kinds_are_those_of_the_rules() -> None:
    assert get_args(Kind) == tuple(kind.value for kind in RuleKind)
    assert get_args(KindOrAll) == (*get_args(Kind), "all")


def test_warnings_let_a_list_pass(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = listed(tmp_path, SOUND, SOUND.replace("L-1", "L-2").replace("职责,,", "职责,龙华区,"))
    assert run("check", source, "--day", "2026-05-01") == 0
    assert "（准入清单，2 条，版本 1-" in capsys.readouterr().out


def test_an_error_is_exit_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = listed(tmp_path, SOUND.replace("0307", "0309999"))
    assert run("check", source) == 1
    assert "1 处错误" in capsys.readouterr().out
    assert run("check", source, "--json") == 1
    (report,) = json.loads(capsys.readouterr().out)
    assert (report["errors"], report["findings"][0]["row"]) == (1, 2)


def test_the_day_decides_what_is_expired(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = listed(tmp_path, SOUND.replace(",,,1", ",,2026-06-30,1"))
    told = []
    for day in ("2026-06-30", "2026-07-01"):
        assert run("check", source, "--kind", "access_list", "--day", day, "--json") == 0
        told.append("已于 2026-06-30 失效" in capsys.readouterr().out)
    assert told == [False, True]


@pytest.mark.parametrize("wrong", [("--kind", "list"), ("--day", "昨天"), ("--city",)])
def test_a_wrong_option_is_exit_status_2(tmp_path: Path, wrong: tuple[str, ...]) -> None:
    assert run("check", listed(tmp_path, SOUND), *wrong) == 2


def test_a_file_that_is_not_there_is_exit_status_2(tmp_path: Path) -> None:
    assert run("check", str(tmp_path / "none.csv")) == 2


def test_an_exported_workbook_passes_the_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = str(tmp_path / "规则.xlsx")
    assert run("export", "--xlsx", target) == 0
    assert run("check", target, "--json") == 0
    reports = json.loads(capsys.readouterr().out)
    assert [report["kind"] for report in reports] == list(RuleKind)


def test_an_export_of_one_kind_to_csv(tmp_path: Path) -> None:
    target = tmp_path / "触发词.csv"
    assert run("export", "--csv", str(target), "--kind", "triggers") == 0
    assert target.read_text(encoding="utf-8").startswith("id,disposition,")


def test_an_export_needs_a_target(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("export") == 2
    assert "--xlsx" in capsys.readouterr().err
