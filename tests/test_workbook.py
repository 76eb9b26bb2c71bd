import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch_model import rules, workbook
from dispatch_model.access_list import AccessList
from dispatch_model.access_row import AccessRow
from dispatch_model.city import City
from dispatch_model.errors import DispatchError
from dispatch_model.labels import LabelMaps
from dispatch_model.rules import RuleKind, columns
from dispatch_model.table import LONGEST_CELL, Upload

SHIPPED = Path(__file__).parent.parent / "configs" / "haikou"
ROW = AccessRow(
    id="T-1",
    matter="小区楼道清理",
    category="030701",
    level="镇街",
    list="基本",
    lead_function="城管",
    co_functions=("公安", "水务"),
    duty="清理",
    region="460106",
    basis="依据",
    valid_from=date(2026, 5, 1),
    valid_to=None,
    version="2026.1",
)
_MAPS = LabelMaps.load()
_CITY = City.load("haikou", _MAPS)
ODD = st.text(st.characters(exclude_categories=("Cc", "Cs", "Cn", "Zl", "Zp")), min_size=1, max_size=20).map(
    lambda text: text.strip() or "甲"
)


def access_list(*rows: AccessRow) -> AccessList:
    return AccessList(rows, _MAPS.leaves, tuple(_MAPS.functions))


def opened(rows: Sequence[AccessRow]) -> openpyxl.Workbook:
    content = workbook.write(RuleKind.ACCESS_LIST, access_list(*rows), _MAPS, _CITY)
    return openpyxl.load_workbook(io.BytesIO(content))


@pytest.mark.parametrize("kind", RuleKind)
def test_the_shipped_rules_come_back_from_their_workbook(kind: RuleKind) -> None:
    loaded = rules.load(kind, SHIPPED / f"{kind}.csv", _MAPS, _CITY)
    content = workbook.write(kind, loaded, _MAPS, _CITY)
    assert rules.load(kind, Upload("a.xlsx", content), _MAPS, _CITY).version == loaded.version


def test_one_workbook_holds_all_three() -> None:
    sets = {kind: rules.load(kind, SHIPPED / f"{kind}.csv", _MAPS, _CITY) for kind in RuleKind}
    content = workbook.write_all(sets, _MAPS, _CITY)
    assert openpyxl.load_workbook(io.BytesIO(content)).sheetnames == ["准入清单", "派单目录", "触发词", "说明", "代码"]
    for kind, each in sets.items():
        assert rules.load(kind, Upload("a.xlsx", content), _MAPS, _CITY).version == each.version


@settings(max_examples=30, deadline=None)
@given(
    matter=ODD
    | st.sampled_from(["=1+1", "#N/A", "_x000D_", "+1", "@x", "一行\n两行", "<b>&amp;", "TRUE", "1e5", "007"]),
    start=st.dates() | st.none(),
    functions=st.lists(st.sampled_from(tuple(_MAPS.functions)), unique=True),
    region=st.sampled_from(["", *list(_CITY.regions)[1:]]),
)
def test_any_row_comes_back(matter: str, start: date | None, functions: list[str], region: str) -> None:
    row = replace(ROW, matter=matter, valid_from=start, co_functions=tuple(functions), region=region)
    content = workbook.write(RuleKind.ACCESS_LIST, access_list(row), _MAPS, _CITY)
    again = rules.load(RuleKind.ACCESS_LIST, Upload("a.xlsx", content), _MAPS, _CITY)
    assert again.rows == (replace(row, row=2),)


def test_headers_are_chinese_and_tell_the_english_name() -> None:
    sheet = opened([ROW])["准入清单"]
    assert [cell.value for cell in sheet[1]][:5] == ["编号", "事项", "诉求类别", "层级", "清单"]
    comments = [cell.comment.text for cell in sheet[1] if cell.comment]
    assert [text.partition("\n")[0] for text in comments] == list(columns(RuleKind.ACCESS_LIST))
    assert all(text.partition("\n")[2] for text in comments)
    assert sheet.freeze_panes == "B2"
    assert sheet.auto_filter.ref == "A1:M2"
    assert sheet.column_dimensions["B"].width > sheet.column_dimensions["A"].width


def test_codes_are_text_dates_are_dates_and_places_have_names() -> None:
    sheet = opened([ROW])["准入清单"]
    code, place, start = sheet["C2"], sheet["I2"], sheet["K2"]
    assert (code.value, code.data_type, code.number_format) == ("030701", "s", "@")
    assert place.value == "龙华区"
    assert (start.value, start.number_format) == (datetime(2026, 5, 1), "yyyy-mm-dd")
    assert sheet.column_dimensions["C"].number_format == "@"


def test_a_text_is_never_written_as_a_formula() -> None:
    cell = opened([replace(ROW, matter='=HYPERLINK("x")')])["准入清单"]["B2"]
    assert (cell.data_type, cell.value) == ("s", '=HYPERLINK("x")')


def test_the_drop_downs_are_there() -> None:
    found = opened([ROW])["准入清单"].data_validations.dataValidation
    assert sum(rule.type == "list" for rule in found) == 6


def test_the_help_sheet_tells_each_column_and_the_version() -> None:
    book = opened([ROW])
    told = [[cell.value for cell in row] for row in book["说明"].iter_rows()]
    assert [line[1] for line in told[4:]] == list(columns(RuleKind.ACCESS_LIST))
    assert told[2] == ["准入清单", access_list(ROW).version, "1 行"]
    assert all(line[2] for line in told[4:])


def test_a_cell_longer_than_excel_holds_is_refused_not_cut() -> None:
    assert opened([replace(ROW, duty="长" * LONGEST_CELL)])
    with pytest.raises(DispatchError, match="编号 T-1 履职内容 列：有 32768 个字符"):
        opened([replace(ROW, duty="长" * (LONGEST_CELL + 1))])
