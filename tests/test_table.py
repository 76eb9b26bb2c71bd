import io
from pathlib import Path

import pytest
from openpyxl import Workbook

from dispatch_model import table
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.table import Problems, Row, Upload

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


def test_a_workbook_is_known_by_what_it_holds() -> None:
    book = Workbook()
    for cells in (["name", "编号"], ["甲", "1"]):
        book.worksheets[0].append(cells)
    file = io.BytesIO()
    book.save(file)
    columns = ("id", "name")
    rows = table.read(Upload("t.csv", file.getvalue()), "t.csv", columns, KIND)
    assert (rows[0].number, rows[0].sheet, dict(rows[0].cells)) == (2, "Sheet", {"name": "甲", "id": "1"})
    problems = Problems("t.csv")
    problems.add(rows[0], "id", "1", "不对")
    with pytest.raises(DispatchError, match=r"t\.csv 工作表“Sheet” 第 2 行 B 列（编号）：“1”不对"):
        problems.raise_any()


def test_a_chinese_header_is_named_as_the_file_does() -> None:
    (row,) = table.read(Upload("t.csv", "事项,id\n甲,1\n".encode()), "t.csv", ("id", "matter"), KIND)
    problems = Problems("t.csv")
    problems.add(row, "matter", "甲", "不对")
    problems.add(row, "id", "1", "不对")
    assert [told for _, told in problems.found] == ["t.csv 第 2 行 事项 列：“甲”不对", "t.csv 第 2 行 id 列：“1”不对"]


def test_a_column_in_both_languages_occurs_twice() -> None:
    with pytest.raises(DispatchError, match="“id”出现了两次"):
        table.read(Upload("t.csv", "编号,id\n1,2\n".encode()), "t.csv", ("id",), KIND)


def test_a_missing_column_is_told_in_both_languages_and_hinted_in_either() -> None:
    with pytest.raises(DispatchError) as caught:
        table.read(Upload("t.csv", "事情\n1\n".encode()), "t.csv", ("id", "matter"), KIND)
    assert "“matter（事项）”列缺失，需要的列：id（编号）、matter（事项）" in str(caught.value)
    assert "“事情”不是认识的列，可用的列：id（编号）、matter（事项）（是否想写：事项？）" in str(caught.value)


def test_a_column_without_a_name(tmp_path: Path) -> None:
    assert "有一列没有名称，却有内容" in refused(tmp_path, "code,name,\n1,甲,备注\n".encode())


def test_a_cell_longer_than_a_spreadsheet_holds(tmp_path: Path) -> None:
    longest = "长" * table.LONGEST_CELL
    assert read(tmp_path, f"code,name\n1,{longest}\n".encode())[0]["name"] == longest
    assert "name 列：有 32768 个字符，一格最多 32767 个" in refused(tmp_path, f"code,name\n1,{longest}长\n".encode())


def test_control_characters_are_refused_and_line_breaks_are_alike(tmp_path: Path) -> None:
    told = refused(tmp_path, "code,name\n1,甲\x07乙\n".encode())
    assert "第 2 行 name 列：含有不可见的控制字符 U+0007" in told
    rows = read(tmp_path, 'code,name\n1,"甲\r\n乙"\n'.encode())
    assert rows[0]["name"] == "甲\n乙"


def test_a_file_too_large_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "MOST_BYTES", 2**20)
    assert "有 1.5 MiB，最多 1 MiB" in refused(tmp_path, b"x" * (3 * 2**19))


def test_problems_beyond_a_thousand_are_counted() -> None:
    problems = Problems("t.csv")
    for number in range(1005):
        problems.add(Row(number, {}), "code", "区", "不对", ["区区"])
    with pytest.raises(DispatchError, match="有 1005 处错误") as caught:
        problems.raise_any()
    assert len(caught.value.details) == 1001
    assert caught.value.details[-1] == "另有 5 处未列出"
    assert "是否想写" in caught.value.details[0]
    assert "是否想写" not in caught.value.details[999]


def test_the_columns_of_a_file_are_told_in_english() -> None:
    assert table.header_rows(Upload("t.csv", "编号,备注\n".encode()), KIND) == [("id", "备注")]
