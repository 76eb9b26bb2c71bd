from pathlib import Path

import pytest

from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.sheet import Sheet, version_of


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


def test_a_code_that_lost_its_leading_zero_is_recognised(tmp_path: Path) -> None:
    read = sheet(tmp_path, "30701")
    read.category(read.rows[0], "cell", {"030701": None, "307010": None})
    with pytest.raises(DispatchError, match="是否想写：030701？"):
        read.check()


def test_a_long_list_of_choices_is_cut_short(tmp_path: Path) -> None:
    read = sheet(tmp_path, "无")
    read.choice(read.rows[0], "cell", tuple(f"项{number}" for number in range(40)))
    with pytest.raises(DispatchError, match=r"项0、.*项11 等 40 个") as caught:
        read.check()
    assert "项12" not in caught.value.message


@pytest.mark.parametrize("value", ["1.5", "十", "1e2", "９"])
def test_what_is_no_plain_number_is_refused(tmp_path: Path, value: str) -> None:
    read = sheet(tmp_path, value)
    assert read.count(read.rows[0], "cell", 9) is None
    with pytest.raises(DispatchError, match=f"“{value}”不是 0 到 9 的整数"):
        read.check()


def test_a_version_ignores_order_but_not_content() -> None:
    assert version_of(["2", "10"], ["a", "b"]) == version_of(["10", "2"], ["b", "a"])
    assert version_of([], ["a"]) != version_of([], ["a", "b"])
    assert version_of(["2026.1"], ["a"]).startswith("2026.1-")
