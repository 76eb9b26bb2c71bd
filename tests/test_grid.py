import io

import pytest
from openpyxl import Workbook

from dispatch_model import grid
from dispatch_model.errors import DispatchError, ErrorKind

COLUMNS = ("id", "matter")
KIND = ErrorKind.INVALID_RULES


def read(content: bytes) -> grid.Grid:
    return grid.read(content, "a", COLUMNS, KIND)


def xlsx(*rows: list[str]) -> bytes:
    book = Workbook()
    for row in rows:
        book.worksheets[0].append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def test_csv_and_xlsx_of_one_table_are_alike() -> None:
    plain = read("编号,事项\n1,甲\n,\n2,\n".encode())
    sheet = read(xlsx(["编号", "事项"], ["1", "甲"], [], ["2"]))
    assert plain.header == sheet.header == ["编号", "事项"]
    assert plain.records == sheet.records == [(2, ["1", "甲"]), (4, ["2", ""])]
    assert (plain.sheet, sheet.sheet) == ("", "Sheet")


def test_blank_columns_are_left_out_and_the_others_keep_their_place() -> None:
    found = read(xlsx(["", "编号", "", "事项", ""], ["", "1", "", "甲"]))
    assert (found.header, found.places) == (["编号", "事项"], [1, 3])
    assert found.records == [(2, ["1", "甲"])]


def test_commas_at_the_end_of_each_line_are_no_columns() -> None:
    assert read(b"id,matter,,\n1,a,,\n").records == [(2, ["1", "a"])]


def test_a_cell_outside_the_header_is_kept_to_be_told() -> None:
    assert read(b"id,matter\n1,a,,b\n").records == [(2, ["1", "a", "b"])]
    assert read(b"id,\n1,a\n").header == ["id", ""]
    assert read(xlsx(["id"], ["1", "a"])).records == [(2, ["1", "a"])]


def test_a_short_line_of_csv_stays_short() -> None:
    assert read(b"id,matter\n1\n").records == [(2, ["1"])]


def test_an_empty_file_has_no_header() -> None:
    assert read(b"") == grid.Grid([], [], "", [])


def test_more_rows_than_can_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "_BOUND", 4)
    assert len(read(b"id\n1\n2\n").records) == 2
    for content in (b"id\n1\n2\n3\n", xlsx(["id"], ["1"], ["2"], ["3"])):
        with pytest.raises(DispatchError, match="超过 100000 行"):
            read(content)


def test_the_headers_of_a_file() -> None:
    assert grid.header_rows("编号,事项,备注\n1".encode(), "a", KIND) == [("id", "matter", "备注")]
    assert grid.header_rows(xlsx(["编号"]), "a", KIND) == [("id",)]
    assert grid.header_rows(b"", "a", KIND) == []
