import json
from pathlib import Path

import pytest

from dispatch_model.access_list import AccessList
from dispatch_model.access_row import AccessRow
from dispatch_model.labels import LabelMaps
from dispatch_model.rules import RuleKind, to_csv
from serving import cli

STAIRS = "龙华区金贸街道楼道里堆满杂物，邻居不肯清理，想请社区来劝一劝"
ROW = AccessRow("ZJ-1", "楼道堆物", "03", "镇街", "基本", "", (), "巡查", "", "条例", None, None, "1")


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        cli.main(("rules", *arguments))
    return int(caught.value.code or 0)


def listed(path: Path, maps: LabelMaps, *rows: AccessRow) -> Path:
    path.write_bytes(to_csv(RuleKind.ACCESS_LIST, AccessList(rows, maps.leaves, tuple(maps.functions))))
    return path


def told(folder: Path, text: str = STAIRS, **fields: object) -> Path:
    path = folder / "cases.jsonl"
    line = json.dumps({"case_id": "K1", "transcript": text, "received_at": "2026-05-03", **fields}, ensure_ascii=False)
    path.write_text(line + "\n", encoding="utf-8")
    return path


def test_explain_takes_a_file_or_a_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", "--case", str(told(tmp_path, unit="某局")), "--json") == 0
    from_file = json.loads(capsys.readouterr().out)
    assert run("explain", "--text", STAIRS, "--received-at", "2026-05-03", "--json") == 0
    from_text = json.loads(capsys.readouterr().out)
    assert (from_file["case_id"], from_text["case_id"]) == ("K1", "cli")
    assert from_file["standings"] == from_text["standings"]


def test_explain_shows_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", "--text", STAIRS) == 0
    assert "为什么是它，为什么不是后面几个" in capsys.readouterr().out


@pytest.mark.parametrize(
    "options", [(), ("--text", "路灯坏了", "--case", "cases.jsonl"), ("--case", "cases.jsonl", "--address", "龙华区")]
)
def test_explain_wants_one_case(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: tuple[str, ...]
) -> None:
    told(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert run("explain", *options) == 2
    assert "--text" in capsys.readouterr().err


def test_explain_names_the_file_of_a_wrong_case(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("explain", "--case", str(told(tmp_path, received_at="昨天"))) == 1
    said = capsys.readouterr().err
    assert said.startswith("错误（invalid_case）：cases.jsonl：")
    assert "Traceback" not in said


def test_diff_compares_and_writes_a_report(tmp_path: Path, maps: LabelMaps, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = listed(tmp_path / "old.csv", maps, ROW), tmp_path / "new.csv"
    listed(new, maps, AccessRow(**{**vars(ROW), "list": "收回"}))
    report = tmp_path / "report.html"
    for _ in range(2):
        assert run("diff", str(old), str(new), "--cases", str(told(tmp_path)), "--report", str(report)) == 0
        said = capsys.readouterr()
        assert "1 件历史工单中，新准入清单会改变 1 件（100.0%）的首选单位" in said.out
        assert "report.html" in said.err.replace("\n", "")
    assert "K1" in report.read_text(encoding="utf-8")
    assert (tmp_path / "cases.jsonl.outputs.npz").is_file()


def test_diff_tells_what_is_wrong_before_anything_is_encoded(
    tmp_path: Path, maps: LabelMaps, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = listed(tmp_path / "old.csv", maps, ROW), tmp_path / "new.csv"
    new.write_text(old.read_text(encoding="utf-8").replace("基本", "基木"), encoding="utf-8")
    assert run("diff", str(old), str(new), "--cases", str(told(tmp_path))) == 1
    assert "new.csv 第 2 行 list 列：“基木”" in capsys.readouterr().err
    assert not (tmp_path / "cases.jsonl.outputs.npz").exists()


def test_diff_takes_no_triggers(tmp_path: Path, maps: LabelMaps, capsys: pytest.CaptureFixture[str]) -> None:
    old = listed(tmp_path / "old.csv", maps, ROW)
    assert run("diff", str(old), str(old), "--cases", str(told(tmp_path)), "--kind", "triggers") == 2
    assert "access_list" in capsys.readouterr().err
