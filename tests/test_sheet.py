from datetime import date
from pathlib import Path

import pytest

from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.sheet import Sheet, version_of
from dispatch_model.table import Upload


def sheet(tmp_path: Path, *cells: str) -> Sheet:
    path = tmp_path / "rules.csv"
    path.write_text("\n".join(["cell", *(f'"{cell}"' for cell in cells)]), encoding="utf-8")
    return Sheet(path, ("cell",))


def test_a_sheet_without_problems_passes(tmp_path: Path) -> None:
    read = sheet(tmp_path, "甲|乙", "7", "2026-05-01")
    assert read.choices(read.rows[0], "cell", ("甲", "乙")) == ("甲", "乙")
    assert read.count(read.rows[1], "cell", 7) == 7
    assert str(read.day(read.rows[2], "cell")) == "2026-05-01"
    read.check()


def test_a_missing_file_is_an_error_of_the_rules(tmp_path: Path) -> None:
    with pytest.raises(DispatchError, match=r"rules\.csv") as caught:
        Sheet(tmp_path / "rules.csv", ("cell",))
    assert caught.value.kind is ErrorKind.INVALID_RULES


def test_a_code_that_lost_its_leading_zero_is_restored(tmp_path: Path) -> None:
    read = sheet(tmp_path, "30701", "3", "030702")
    codes = {"03": None, "030701": None, "030702": None, "0": None}
    assert [read.category(row, "cell", codes) for row in read.rows] == ["030701", "03", "030702"]
    read.check()


def test_a_code_that_may_lack_its_last_digit_as_well_is_only_hinted_at(tmp_path: Path) -> None:
    read = sheet(tmp_path, "30701")
    read.category(read.rows[0], "cell", {"030701": None, "307010": None})
    with pytest.raises(DispatchError, match="是否想写：030701？"):
        read.check()


def test_a_hint_for_a_code_stays_with_its_class(tmp_path: Path) -> None:
    read = sheet(tmp_path, "030799")
    read.category(read.rows[0], "cell", {"990799": None, "130799": None, "030701": None, "0307": None})
    with pytest.raises(DispatchError, match=r"是否想写：030[^9、]*、030[^9、]*？"):
        read.check()


def test_coded_cells_are_made_plain_and_others_are_not() -> None:
    content = "编号,清单,事项,level\n Ａ－１ ,\u200b基本\u3000,Ａ（甲）, 镇街\ufeff \n"
    (row,) = Sheet(Upload("a.csv", content.encode()), ("id", "list", "matter", "level")).rows
    assert dict(row.cells) == {"id": "A-1", "list": "基本", "matter": "Ａ（甲）", "level": "镇街"}


@pytest.mark.parametrize("cell", ["甲|乙", "甲，乙", "甲、乙；", "甲／乙", "甲　乙", "甲,乙", "甲;\n乙", "｜甲｜乙"])
def test_what_offices_type_between_values_separates_them(cell: str) -> None:
    read = Sheet(Upload("a.csv", f'co_functions\n"{cell}"\n'.encode()), ("co_functions",))
    assert read.choices(read.rows[0], "co_functions", ("甲", "乙")) == ("甲", "乙")
    read.check()


@pytest.mark.parametrize(
    "cell",
    [
        *("2026-05-01", "2026-5-1", "2026/5/1", "2026.5.1", "20260501", "46143", "２０２６／０５／０１"),
        *("2026年5月1日", "2026年05月01日", "2026-05-01 00:00:00", "2026-05-01T00:00:00"),
    ],
)
def test_the_forms_of_a_date(cell: str) -> None:
    read = Sheet(Upload("a.csv", f"valid_from\n{cell}\n".encode()), ("valid_from",))
    assert read.day(read.rows[0], "valid_from") == date(2026, 5, 1)
    read.check()


@pytest.mark.parametrize(
    "cell",
    ["2026-02-30", "2026-5/1", "5/1/2026", "4614", "99999999", "2026-05-01 08:30:00", "五月", "46143.5", "２-３"],
)
def test_what_is_no_date_is_refused(cell: str) -> None:
    read = Sheet(Upload("a.csv", f"valid_from\n{cell}\n".encode()), ("valid_from",))
    assert read.day(read.rows[0], "valid_from") is None
    with pytest.raises(DispatchError, match="不是日期，应写作 2026-05-01"):
        read.check()


def test_a_long_list_of_choices_is_cut_short(tmp_path: Path) -> None:
    read = sheet(tmp_path, "无")
    read.choice(read.rows[0], "cell", tuple(f"项{number}" for number in range(40)))
    with pytest.raises(DispatchError, match=r"项0、.*项11 等 40 个") as caught:
        read.check()
    assert "项12" not in caught.value.message


@pytest.mark.parametrize("value", ["1.5", "十", "1e2", "10"])
def test_what_is_no_plain_number_is_refused(tmp_path: Path, value: str) -> None:
    read = sheet(tmp_path, value)
    assert read.count(read.rows[0], "cell", 9) is None
    with pytest.raises(DispatchError, match=f"“{value}”不是 0 到 9 的整数"):
        read.check()


def test_a_version_ignores_order_but_not_content() -> None:
    assert version_of(["2", "10"], ["a", "b"]) == version_of(["10", "2"], ["b", "a"])
    assert version_of([], ["a"]) != version_of([], ["a", "b"])
    assert version_of(["2026.1"], ["a"]).startswith("2026.1-")
