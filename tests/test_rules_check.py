from datetime import date
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from dispatch_model import rules, workbook
from dispatch_model.access_row import COLUMNS
from dispatch_model.city import City
from dispatch_model.finding import Severity
from dispatch_model.labels import LabelMaps
from dispatch_model.rules import RuleKind
from dispatch_model.table import Upload
from serving.rules import check as rules_check
from serving.rules.check import Report, check_file, shipped_rules, show

DAY = date(2026, 5, 1)
SOUND = "L-1,事项,0307,镇街,基本,城管,,职责,,依据,,,1"


def listed(*rows: str) -> Upload:
    return Upload("清单.csv", "\n".join([",".join(COLUMNS), *rows]).encode())


def shown(*reports: Report) -> str:
    out = StringIO()
    show(reports, Console(file=out, width=160))
    return out.getvalue()


def test_a_refused_file_lists_every_error_with_row_and_column() -> None:
    (report,) = check_file(
        listed(SOUND, "L-2,事项,0306,镇街道,基本,,,职责,,依据,,,1", "L-2,,0999,村居,履职,,,职责,,依据,,,1"),
        "haikou",
        DAY,
    )
    assert (report.kind, report.rows, report.version) == (RuleKind.ACCESS_LIST, 0, "")
    places = [(finding.row, finding.column) for finding in report.findings]
    assert sorted(places) == [(3, "level"), (4, "category"), (4, "id"), (4, "matter")]
    assert (report.count(Severity.ERROR), report.count(Severity.WARNING)) == (4, 0)
    text = shown(report)
    assert text.startswith("清单.csv（准入清单，未通过，整份不予载入）：4 处错误，0 处警告")
    assert "是否想写：09" in text


def test_a_contradiction_names_both_rows() -> None:
    (report,) = check_file(listed(SOUND, SOUND.replace("L-1", "L-2").replace("基本", "收回")), "haikou", DAY)
    (one,) = report.findings
    assert (one.severity, one.row, one.id, one.column) == (Severity.ERROR, 3, "L-2", "list")
    assert "与第 2 行（L-1）的“基本”矛盾" in one.text


def test_a_file_that_loads_is_checked_beside_the_shipped_rules() -> None:
    (report,) = check_file(listed(SOUND, "L-2,事项,0307,镇街,基本,城管,,职责,龙华区,依据,,,1"), "haikou", DAY)
    assert (report.rows, report.version[:2], report.count(Severity.ERROR)) == (2, "1-", 0)
    assert (3, "region") in [(finding.row, finding.column) for finding in report.findings]
    assert any(finding.text.startswith("派单目录：") for finding in report.findings)
    assert "│ 警告 │  3 │ L-2    │ 适用区域 │" in shown(report)


def test_a_file_without_findings_is_one_line() -> None:
    (report,) = check_file(
        Upload("词.csv", b"id,disposition,pattern,unless,channel,text,basis\nT-1,ask,x,,y,z,w"), "haikou", DAY
    )
    assert shown(report).count("\n") == 1


def test_a_kind_that_is_told_goes_before_the_header() -> None:
    (report,) = check_file(listed(SOUND), "haikou", DAY, RuleKind.TRIGGERS)
    assert report.kind is RuleKind.TRIGGERS
    assert any("列缺失" in finding.text for finding in report.findings)


def test_an_unknown_table_is_an_error_without_a_kind() -> None:
    (report,) = check_file(Upload("表.csv", "姓名,电话".encode()), "haikou", DAY)
    assert (report.kind, report.count(Severity.ERROR)) == (None, 1)
    assert shown(report).startswith("表.csv（规则表，未通过")


def test_a_workbook_with_all_tables_is_checked_sheet_by_sheet(maps: LabelMaps) -> None:
    city = City.load("haikou", maps)
    content = workbook.write_all(shipped_rules("haikou", maps, city), maps, city)
    reports = check_file(Upload("规则.xlsx", content), "haikou", DAY)
    assert [report.kind for report in reports] == list(RuleKind)
    assert all(report.version and not report.count(Severity.ERROR) for report in reports)


def test_a_long_list_of_findings_is_cut_in_the_table_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules_check, "SHOWN", 2)
    (report,) = check_file(
        listed(*(SOUND.replace("L-1", f"L-{number}").replace("0307", "0000") for number in range(3))), "haikou", DAY
    )
    assert "只列出前 2 处，其余 1 处请用 --json 查看。" in shown(report)
    assert len(report.as_dict()["findings"]) == 3


def test_square_brackets_of_a_file_are_shown_as_they_are() -> None:
    (report,) = check_file(listed(SOUND.replace("0307", "[bold]03")), "haikou", DAY)
    assert "“[bold]03”不是诉求类别代码" in shown(report)


def test_the_report_as_json_counts_both() -> None:
    (report,) = check_file(listed(SOUND.replace("0307", "0000")), "haikou", DAY)
    found = report.as_dict()
    assert (found["kind"], found["errors"], found["warnings"]) == ("access_list", 1, 0)
    assert found["findings"][0]["severity"] == "error"


def test_the_shipped_rules_are_those_of_the_configs(maps: LabelMaps) -> None:
    city = City.load("haikou", maps)
    own = Path(__file__).parent.parent / "configs" / "haikou" / "catalogue.csv"
    expected = rules.load(RuleKind.CATALOGUE, own, maps, city).version
    assert shipped_rules("haikou", maps, city)[RuleKind.CATALOGUE].version == expected
