from pathlib import Path

import pytest

from dispatch_model import table
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.table import Problems, Row

COLUMNS = ("code", "name")
KIND = ErrorKind.INVALID_LABEL_MAP


def read(tmp_path: Path, content: bytes) -> list[Row]:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    return table.read(path, "t.csv", COLUMNS, KIND)


def refused(tmp_path: Path, content: bytes) -> str:
    with pytest.raises(DispatchError) as caught:
        read(tmp_path, content)
    assert caught.value.kind is KIND
    return str(caught.value)


def test_rows_keep_the_number_a_spreadsheet_shows(tmp_path: Path) -> None:
    rows = read(tmp_path, "code,name\n1,甲\n,\n\n2,乙\n".encode())
    assert [(row.number, row["name"]) for row in rows] == [(2, "甲"), (5, "乙")]


def test_a_byte_order_mark_and_columns_in_another_order_are_fine(tmp_path: Path) -> None:
    rows = read(tmp_path, "\ufeffname,code\r\n 甲 ,1\r\n".encode())
    assert (rows[0]["code"], rows[0]["name"]) == ("1", "甲")


def test_a_quoted_line_break_does_not_shift_row_numbers(tmp_path: Path) -> None:
    rows = read(tmp_path, 'code,name\n1,"甲\n乙"\n2,丙\n'.encode())
    assert rows[1].number == 3


def test_many_values_of_a_cell(tmp_path: Path) -> None:
    rows = read(tmp_path, "code,name\n1,甲| 乙 ||\n2,\n".encode())
    assert [row.many("name") for row in rows] == [("甲", "乙"), ()]


def test_a_file_in_gbk_is_told_to_be_saved_as_utf8(tmp_path: Path) -> None:
    told = refused(tmp_path, "code,name\n1,甲乙\n".encode("gb18030"))
    assert "不是 UTF-8" in told
    assert "第 13 字节" in told


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DispatchError, match=r"nowhere\.csv 文件：不存在"):
        table.read(tmp_path / "nowhere.csv", "nowhere.csv", COLUMNS, KIND)


def test_a_missing_and_a_misspelt_column_are_told_together(tmp_path: Path) -> None:
    told = refused(tmp_path, "code,nam\n1,甲\n".encode())
    assert "“name”列缺失" in told
    assert "“nam”不是认识的列" in told
    assert "是否想写：name" in told


def test_a_column_that_occurs_twice(tmp_path: Path) -> None:
    assert "“name”出现了两次" in refused(tmp_path, "code,name,name\n1,甲,乙\n".encode())


@pytest.mark.parametrize(("line", "count"), [("1", 1), ("1,甲,乙", 3)])
def test_a_row_of_the_wrong_width(tmp_path: Path, line: str, count: int) -> None:
    assert f"t.csv 第 2 行：有 {count} 格，表头有 2 列" in refused(tmp_path, f"code,name\n{line}\n".encode())


def test_an_open_quote(tmp_path: Path) -> None:
    assert "不是合规的 CSV" in refused(tmp_path, 'code,name\n1,"甲\n'.encode())


@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_an_empty_file_lacks_its_columns(tmp_path: Path, content: bytes) -> None:
    assert "“code”列缺失" in refused(tmp_path, content)


def test_a_header_alone_is_not_a_table(tmp_path: Path) -> None:
    assert "没有任何数据行" in refused(tmp_path, b"code,name\n")


def test_one_problem_is_the_message_and_several_are_details() -> None:
    problems = Problems("t.csv")
    row = Row(7, {"code": "区区"})
    problems.add(row, "code", "区区", "不对", ["区"])
    with pytest.raises(DispatchError) as one:
        problems.raise_any()
    assert one.value.message == "t.csv 第 7 行 code 列：“区区”不对（是否想写：区？）"
    assert (one.value.field, one.value.value, one.value.details) == ("t.csv", "区区", ())

    problems.add(None, "表头", "", "也不对")
    with pytest.raises(DispatchError) as two:
        problems.raise_any()
    assert "有 2 处错误" in two.value.message
    assert len(two.value.details) == 2


def test_no_problem_raises_nothing() -> None:
    Problems("t.csv").raise_any()
