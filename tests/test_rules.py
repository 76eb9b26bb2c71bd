import csv
import io
import time
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import pytest

from dispatch_model import rules
from dispatch_model.access_list import AccessList
from dispatch_model.city import City
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.headers import chinese
from dispatch_model.labels import LabelMaps
from dispatch_model.rules import TITLES, RuleKind, RuleRow
from dispatch_model.table import Upload

SHIPPED = Path(__file__).parent.parent / "configs" / "haikou"
ROW = {
    "id": "T-1",
    "matter": "小区楼道清理",
    "category": "030701",
    "level": "镇街",
    "list": "基本",
    "lead_function": "城管",
    "co_functions": "公安|水务",
    "duty": "清理",
    "region": "龙华区",
    "basis": "依据",
    "valid_from": "2026-05-01",
    "valid_to": "",
    "version": "1",
}


@pytest.fixture(scope="module")
def city(maps: LabelMaps) -> City:
    return City.load("haikou", maps)


def as_csv(*changes: dict[str, str], header: dict[str, str] | None = None) -> bytes:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow([(header or {}).get(column, column) for column in ROW])
    writer.writerows([(ROW | change).values() for change in changes])
    return file.getvalue().encode()


def raw_xlsx(rows: int, codes: list[str]) -> bytes:
    """An access list of many rows, made without openpyxl, which takes ten times as long to write it."""
    lines = [list(map(chinese, ROW))]
    for number in range(rows):
        change = {"id": f"T-{number:05d}", "category": codes[number % len(codes)]}
        lines.append(list((ROW | change).values()))
    cells = ("".join(f'<c t="inlineStr"><is><t>{escape(cell)}</t></is></c>' for cell in line) for line in lines)
    data = "".join(f"<row>{line}</row>" for line in cells)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("[Content_Types].xml", "<Types/>")
        packed.writestr(
            "xl/workbook.xml", '<workbook xmlns:r="r"><sheets><sheet name="甲" r:id="a"/></sheets></workbook>'
        )
        link = '<Relationship Id="a" Type="x/worksheet" Target="worksheets/sheet1.xml"/>'
        packed.writestr("xl/_rels/workbook.xml.rels", f"<Relationships>{link}</Relationships>")
        packed.writestr("xl/worksheets/sheet1.xml", f"<worksheet><sheetData>{data}</sheetData></worksheet>")
    return file.getvalue()


def test_every_kind_has_its_title_and_columns() -> None:
    assert TITLES == {
        RuleKind.ACCESS_LIST: "准入清单",
        RuleKind.CATALOGUE: "派单目录",
        RuleKind.TRIGGERS: "触发词",
    }
    assert rules.columns(RuleKind.ACCESS_LIST) == tuple(ROW)
    assert "mode" in rules.columns(RuleKind.CATALOGUE)
    assert "unless" in rules.columns(RuleKind.TRIGGERS)


@pytest.mark.parametrize("kind", RuleKind)
def test_the_shipped_rules_come_back_from_their_canonical_csv(kind: RuleKind, maps: LabelMaps, city: City) -> None:
    loaded = rules.load(kind, SHIPPED / f"{kind}.csv", maps, city)
    written = rules.to_csv(kind, loaded)
    again = rules.load(kind, Upload("rules", written), maps, city)
    assert again.version == loaded.version
    assert rules.to_csv(kind, again) == written
    assert written.decode().splitlines()[0] == ",".join(rules.columns(kind))
    rows: tuple[RuleRow, ...] = loaded.rows
    assert all(tuple(rules.cells(row)) == rules.columns(kind) for row in rows)


def test_a_row_as_cells_is_the_text_it_was_read_from(maps: LabelMaps, city: City) -> None:
    loaded = rules.load(RuleKind.ACCESS_LIST, Upload("a", as_csv({})), maps, city)
    (row,) = loaded.rows
    assert rules.cells(row) == ROW | {"region": "460106"}


@pytest.mark.parametrize("matter", ['双引号"与,逗号', "一行\n两行", "=1+1", "_x000D_", "😀", "ＡＢ　（全角）", "'前撇"])
def test_text_of_any_kind_survives_the_canonical_csv(matter: str, maps: LabelMaps, city: City) -> None:
    loaded = rules.load(RuleKind.ACCESS_LIST, Upload("a", as_csv({"matter": matter})), maps, city)
    written = rules.to_csv(RuleKind.ACCESS_LIST, loaded)
    again = rules.load(RuleKind.ACCESS_LIST, Upload("b", written), maps, city)
    assert isinstance(again, AccessList)
    assert (again.rows[0].matter, again.version) == (matter, loaded.version)


def test_what_an_office_types_means_the_same_as_what_a_program_writes(maps: LabelMaps, city: City) -> None:
    typed = {
        "category": "30701",
        "co_functions": "公安、水务；",
        "level": "镇街　",
        "valid_from": "2026年5月1日",
        "region": "龙华区 ",
    }
    header = {column: chinese(column) for column in ROW}
    versions = {
        rules.load(RuleKind.ACCESS_LIST, Upload("a", content), maps, city).version
        for content in (as_csv({}), as_csv(typed, header=header))
    }
    assert len(versions) == 1


def test_all_problems_of_a_file_are_told_and_nothing_is_loaded(maps: LabelMaps, city: City) -> None:
    content = as_csv({}, {"id": "T-1", "level": "镇"}, {"id": "T-2", "category": "xx", "valid_to": "明天"})
    with pytest.raises(DispatchError) as caught:
        rules.load(RuleKind.ACCESS_LIST, Upload("a.csv", content), maps, city)
    assert caught.value.kind is ErrorKind.INVALID_RULES
    told = "\n".join(caught.value.details)
    for part in (
        "第 3 行 id 列：“T-1”与第 2 行重复",
        "第 3 行 level 列：“镇”",
        "第 4 行 category 列",
        "第 4 行 valid_to 列",
    ):
        assert part in told


def test_fifty_thousand_rows_of_xlsx_load_in_a_bounded_time(maps: LabelMaps, city: City) -> None:
    content = raw_xlsx(50_000, list(maps.categories))
    started = time.process_time()
    loaded = rules.load(RuleKind.ACCESS_LIST, Upload("a.xlsx", content), maps, city)
    assert len(loaded.rows) == 50_000
    assert time.process_time() - started < 60  # 4 s on the machine it was written on


def test_thousands_of_wrong_rows_are_refused_in_a_bounded_time(maps: LabelMaps, city: City) -> None:
    content = raw_xlsx(5_000, ["990000"])
    started = time.process_time()
    with pytest.raises(DispatchError, match="有 5000 处错误") as caught:
        rules.load(RuleKind.ACCESS_LIST, Upload("a.xlsx", content), maps, city)
    assert time.process_time() - started < 60
    assert caught.value.details[0].startswith("a.xlsx 工作表“甲” 第 2 行 C 列（诉求类别）：“990000”不是诉求类别代码")
    assert caught.value.details[-1] == "另有 4000 处未列出"
