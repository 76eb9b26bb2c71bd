import io
import zipfile
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

import pytest
from openpyxl import Workbook as Book
from openpyxl.styles.numbers import BUILTIN_FORMATS

from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.workbook_read import Workbook

COLUMNS = ("id", "matter")
MOST = 1000


def book(*sheets: tuple[str, Sequence[Sequence[Any]]]) -> Book:
    made = Book()
    made.remove(made.worksheets[0])
    for title, rows in sheets:
        sheet = made.create_sheet(title)
        for row in rows:
            sheet.append(list(row))
    return made


def saved(made: Book) -> bytes:
    file = io.BytesIO()
    made.save(file)
    return file.getvalue()


def table(content: bytes) -> tuple[str, list[tuple[int, list[str]]]]:
    return Workbook(content, "a.xlsx", ErrorKind.INVALID_RULES).table(COLUMNS, MOST)


def refused(content: bytes) -> DispatchError:
    with pytest.raises(DispatchError) as caught:
        table(content)
    assert caught.value.kind is ErrorKind.INVALID_RULES
    return caught.value


def changed(content: bytes, part: str, change: Callable[[str], str]) -> bytes:
    """The workbook with the text of one part changed; a part that is not there is made."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w") as new:
        for name in {*old.namelist(), part}:
            text = old.read(name) if name in old.namelist() else b""
            new.writestr(name, change(text.decode()) if name == part else text)
    return file.getvalue()


FIT = [["编号", "matter"], ["甲", "乙"]]


def test_the_sheet_of_the_tables_own_name_is_taken_whatever_its_header() -> None:
    content = saved(book(("别的", FIT), ("准入清单", [["编号"], ["丙"]])))
    assert table(content) == ("准入清单", [(1, ["编号"]), (2, ["丙"])])


def test_else_the_only_sheet_whose_header_fits() -> None:
    content = saved(book(("说明", [["怎样填写"]]), ("空白", []), ("名单", FIT), ("代码", [["编号"]])))
    assert table(content)[0] == "名单"


def test_the_only_sheet_is_taken_so_that_its_missing_columns_are_told() -> None:
    content = saved(book(("Sheet1", [["编号"], ["甲"]]), ("说明", [])))
    assert table(content) == ("Sheet1", [(1, ["编号"]), (2, ["甲"])])


def test_several_sheets_that_fit_are_named() -> None:
    told = refused(saved(book(("一", FIT), ("二", FIT)))).message
    assert told == "a.xlsx：工作表“一”、“二”的表头都符合，无法确定用哪一张；请把要载入的工作表命名为“准入清单”"


def test_sheets_of_which_none_fits_are_named_with_the_columns_that_were_wanted() -> None:
    told = refused(saved(book(("一", [["事项"]]), ("二", [])))).message
    assert "工作表“一”、“二”的表头都不符合，需要的列：编号、事项" in told


def test_typed_cells_become_the_text_an_office_sees() -> None:
    made = book(
        ("准入清单", [["编号", "matter"], [7, date(2026, 5, 1)], [0.5, datetime(2026, 5, 1, 8, 30)], [None, True]])
    )
    assert [cells for _, cells in table(saved(made))[1][1:]] == [
        ["7", "2026-05-01"],
        ["0.5", "2026-05-01 08:30:00"],
        ["", "TRUE"],
    ]


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ('yyyy"年"m"月"d"日"', "2026-05-01"),
        ("[$-804]yyyy/m/d;@", "2026-05-01"),
        (BUILTIN_FORMATS[14], "2026-05-01"),
        ("General", "46143"),
        ("@", "46143"),
        ('#,##0.00_);[Red]"days"', "46143"),
    ],
)
def test_a_number_is_a_date_where_its_format_shows_one(shown: str, said: str) -> None:
    made = book(("准入清单", [["编号"], [46143]]))
    made["准入清单"]["A2"].number_format = shown
    assert table(saved(made))[1][1] == (2, [said])


def test_merged_cells_formulas_and_error_values_are_told_together_with_their_cells() -> None:
    made = book(("准入清单", [*FIT, ["=1+1", "x"], ["#N/A", "=SUM(A1:A2)"], ["并", ""]]))
    made["准入清单"].merge_cells("A5:B6")
    error = refused(saved(made))
    assert error.message == "a.xlsx 有 3 处错误，请逐条改正后重新载入"
    merged, formulas, failed = error.details
    assert merged == "工作表“准入清单”有合并单元格：A5:B6；请取消合并，并在每一格填上内容"
    assert "有公式：A3、B4；公式不会被计算" in formulas
    assert "有错误值：A4（#N/A）" in failed


def test_an_array_formula_and_one_with_a_stored_value_are_formulas() -> None:
    made = book(("准入清单", [*FIT, ["丙", "丁"]]))
    part = "xl/worksheets/sheet1.xml"
    content = changed(saved(made), part, lambda xml: xml.replace('<c r="A3" t="inlineStr">', '<c r="A3"><f>1</f>'))
    assert "有公式：A3" in refused(content).message


def test_a_text_that_looks_like_a_formula_is_a_text() -> None:
    made = book(("准入清单", [*FIT]))
    made["准入清单"]["A2"].value = "=1+1"
    made["准入清单"]["A2"].data_type = "s"
    assert table(saved(made))[1][1] == (2, ["=1+1", "乙"])


def test_many_cells_are_counted_and_only_some_named() -> None:
    told = refused(saved(book(("准入清单", [*FIT, *([["=1"]] * 40)])))).message
    assert "A10 等 40 处" in told
    assert "A11" not in told


def test_shared_texts_and_what_tells_their_reading() -> None:
    content = saved(book(("准入清单", [["编号"], [0]])))
    content = changed(
        content, "xl/worksheets/sheet1.xml", lambda xml: xml.replace('<c r="A2" t="n">', '<c r="A2" t="s">')
    )
    shared = "<sst><si><r><t>行</t></r><r><t>政_x005F_</t></r><rPh><t>hang</t></rPh></si></sst>"
    assert table(changed(content, "xl/sharedStrings.xml", lambda _: shared))[1][1] == (2, ["行政_"])


def test_the_date_system_of_1904_is_refused() -> None:
    content = changed(
        saved(book(("准入清单", FIT))),
        "xl/workbook.xml",
        lambda xml: xml.replace("<workbookPr", '<workbookPr date1904="1"'),
    )
    assert "1904 日期系统" in refused(content).message


def test_a_sheet_whose_part_is_gone() -> None:
    content = saved(book(("准入清单", FIT)))
    broken = changed(content, "xl/_rels/workbook.xml.rels", lambda xml: xml.replace("sheet1.xml", "sheet7.xml"))
    assert "文件已损坏（xl/workbook.xml）" in refused(broken).message


def test_a_sheet_cut_off_in_the_middle() -> None:
    content = changed(saved(book(("准入清单", FIT))), "xl/worksheets/sheet1.xml", lambda xml: xml[:-40])
    assert "文件已损坏（xl/worksheets/sheet1.xml）" in refused(content).message


def test_an_entity_bomb_in_a_sheet() -> None:
    def bomb(xml: str) -> str:
        return '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + xml.replace("甲", "&b;")

    assert "DOCTYPE" in refused(changed(saved(book(("准入清单", FIT))), "xl/worksheets/sheet1.xml", bomb)).message


@pytest.mark.parametrize(
    "part", ["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/styles.xml", "xl/workbook.xml"]
)
def test_elements_nested_without_end(part: str) -> None:
    content = changed(saved(book(("准入清单", FIT))), part, lambda _: "<a>" * 100_000)
    assert f"文件已损坏（{part}）" in refused(content).message


def test_the_first_row_of_each_sheet() -> None:
    content = saved(book(("一", FIT), ("二", [])))
    assert Workbook(content, "a.xlsx", ErrorKind.INVALID_RULES).headers() == {"一": ["编号", "matter"], "二": []}


def test_no_more_rows_are_read_than_asked_for() -> None:
    content = saved(book(("准入清单", [["编号"], *([str(number)] for number in range(50))])))
    assert len(Workbook(content, "a.xlsx", ErrorKind.INVALID_RULES).table(COLUMNS, 7)[1]) == 7
