import io
import zipfile

import pytest

from dispatch_model.archive import Archive
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.worksheet import Worksheet, as_day, column_number, letters, serial_day, unescape

PART = "xl/worksheets/sheet1.xml"
DATES = frozenset((3,))


def worksheet(data: str, after: str = "", prefix: str = "") -> Worksheet:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("[Content_Types].xml", "<Types/>")
        packed.writestr("xl/workbook.xml", "<workbook/>")
        space = f' xmlns:{prefix[:-1]}="urn:a"' if prefix else ""
        names = f"<{prefix}worksheet{space}><{prefix}sheetData>{data}</{prefix}sheetData>{after}</{prefix}worksheet>"
        packed.writestr(PART, names)
    archive = Archive(file.getvalue(), "a.xlsx", ErrorKind.INVALID_RULES)
    return Worksheet(archive, PART, ("共用甲", "共用乙"), DATES)


def cell(data: str) -> str:
    """What the one cell of a sheet says."""
    (_, cells), *_ = worksheet(f'<row r="1">{data}</row>').rows()
    return cells[0]


@pytest.mark.parametrize(("number", "name"), [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA")])
def test_columns_have_letters(number: int, name: str) -> None:
    assert (letters(number), column_number(name)) == (name, number)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ('<c t="s"><v>1</v></c>', "共用乙"),
        ('<c t="inlineStr"><is><t>行</t><r><rPr/><t>内</t></r><rPh><t>hang</t></rPh></is></c>', "行内"),
        ('<c t="str"><v>甲_x000D_\n乙</v></c>', "甲\r\n乙"),
        ("<c><v>30703</v></c>", "30703"),
        ("<c><v>30703.0</v></c>", "30703"),
        ("<c><v>0.25</v></c>", "0.25"),
        ('<c s="3"><v>46143</v></c>', "2026-05-01"),
        ('<c s="3"><v>46143.5</v></c>', "2026-05-01 12:00:00"),
        ('<c s="3"><v>-7</v></c>', "-7"),
        ('<c s="2"><v>46143</v></c>', "46143"),
        ('<c t="d"><v>2026-05-01</v></c>', "2026-05-01"),
        ('<c t="b"><v>1</v></c>', "TRUE"),
        ("<c><v>nan</v></c>", "nan"),
        ('<c s="x"><v>7</v></c>', "7"),
    ],
)
def test_what_each_type_of_cell_says(data: str, said: str) -> None:
    assert cell(data) == said


def test_blank_rows_are_left_out_and_the_others_keep_their_number_and_column() -> None:
    rows = worksheet(
        '<row r="1"><c r="A1" t="s"><v>0</v></c></row><row r="2"><c r="A2"/><c r="B2" t="str"><v> </v></c></row>'
        '<row r="9"><c r="C9"><v>7</v></c></row><row><c><v>8</v></c><c><v>9</v></c></row>'
    ).rows()
    assert list(rows) == [(1, ["共用甲"]), (9, ["", "", "7"]), (10, ["8", "9"])]


def test_tags_may_have_a_prefix() -> None:
    found = worksheet('<x:row r="1"><x:c t="s"><x:v>0</x:v></x:c></x:row>', prefix="x:").rows()
    assert list(found) == [(1, ["共用甲"])]


def test_what_no_cell_may_hold_is_named() -> None:
    sheet = worksheet(
        '<row r="4"><c r="A4"><f>B1+B2</f><v>3</v></c><c r="B4" t="e"><v>#N/A</v></c><c r="CV4"><v>1</v></c></row>',
        after='<mergeCells count="1"><mergeCell ref="A2:B3"/></mergeCells>',
    )
    assert list(sheet.rows()) == []
    assert sheet.formulas == ["A4"]
    assert sheet.failed == ["B4（#N/A）"]
    assert sheet.merged == ["A2:B3"]
    assert sheet.beyond == ["CV4"]


def test_a_formula_without_a_value_is_one_too() -> None:
    sheet = worksheet('<row r="1"><c r="B1"><f t="shared" si="0"/></c></row>')
    assert list(sheet.rows()) == []
    assert sheet.formulas == ["B1"]


@pytest.mark.parametrize("index", ["2", "-1", "x"])
def test_a_shared_text_that_is_not_there(index: str) -> None:
    with pytest.raises(DispatchError, match=r"文件已损坏（.*A1）"):
        cell(f'<c r="A1" t="s"><v>{index}</v></c>')


def test_serial_numbers_before_march_1900_are_no_days() -> None:
    assert as_day(60) is None
    assert str(as_day(61)) == "1900-03-01"
    assert str(as_day(2958465)) == "9999-12-31"
    assert as_day(2958466) is None
    assert serial_day(46143.25) == "2026-05-01 06:00:00"


def test_only_four_hex_digits_are_an_escape() -> None:
    assert unescape("_x005F_x000D_ _x12_ _xyz") == "_x000D_ _x12_ _xyz"
