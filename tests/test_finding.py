import pytest

from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.finding import Finding, Severity, errors_of, listing, warning


def refused(message: str, *details: str) -> DispatchError:
    return DispatchError(ErrorKind.INVALID_RULES, message, details=details)


@pytest.mark.parametrize(
    ("text", "row", "id_", "column"),
    [
        ("a.csv 第 3 行 list 列：“履职”不在允许的取值之内", 3, "", "list"),
        ("a.csv 第 3 行 清单 列：“履职”不在允许的取值之内", 3, "", "list"),
        ("a.xlsx 工作表“准入清单” 第 12 行 E 列（清单）：“履职”不在允许的取值之内", 12, "", "list"),
        ("a.csv 第 3 行 list 列：“收回”（ZJ-2）与第 2 行（ZJ-1）的“基本”矛盾", 3, "ZJ-2", "list"),
        ("a.csv 第 9 行：有 4 格，表头有 13 列", 9, "", ""),
        ("a.csv 表头：“x”不是认识的列", None, "", ""),
        ("a.csv 不是工作簿：第 3 行起损坏", None, "", ""),
    ],
)
def test_an_error_is_found_at_its_row_and_column(text: str, row: int | None, id_: str, column: str) -> None:
    told = text.partition("：")[2] if row else text
    assert errors_of(refused(text)) == (Finding(Severity.ERROR, row, id_, column, told),)


def test_every_detail_is_one_finding() -> None:
    found = errors_of(refused("a.csv 有 2 处错误", "a.csv 第 2 行 id 列：为空", "a.csv 第 5 行 id 列：为空"))
    assert [(finding.row, finding.column) for finding in found] == [(2, "id"), (5, "id")]


def test_a_warning_lets_the_rule_set_pass() -> None:
    assert warning(4, "R-1", "basis", "请核对").severity is Severity.WARNING


def test_a_listing_counts_what_it_does_not_name_and_names_nothing_twice() -> None:
    assert listing(["甲", "乙", "甲"]) == "甲、乙"
    assert listing(["甲", "乙", "丙"], 2) == "甲、乙 等 3 个"
