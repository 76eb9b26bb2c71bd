import pytest

from dispatch_model import headers
from dispatch_model.labels import LabelMaps
from dispatch_model.rules import RuleKind, columns


def test_every_column_of_the_three_tables_has_one_chinese_name_and_back() -> None:
    known = {column for kind in RuleKind for column in columns(kind)}
    named = {headers.chinese(column) for column in known}
    assert len(named) == len(known)
    assert {headers.english(name) for name in named} == known
    assert all(not name.isascii() for name in named)


@pytest.mark.parametrize("cell", ["主办职能", " 主办职能\u200b", "lead_function", "ｌｅａｄ＿ｆｕｎｃｔｉｏｎ"])
def test_a_header_is_read_in_either_language(cell: str) -> None:
    assert headers.english(cell) == "lead_function"


def test_an_unknown_header_stays_as_it_is() -> None:
    assert headers.english("备注") == "备注"
    assert headers.chinese("remark") == "remark"


def test_a_sheet_is_known_by_the_column_only_it_has() -> None:
    assert [headers.sheet_title(columns(kind)) for kind in RuleKind] == ["准入清单", "派单目录", "触发词"]
    assert headers.sheet_title(("date", "working", "note")) == ""


def test_a_header_fits_when_no_column_is_missing() -> None:
    assert headers.fits(("编号", "level", "备注"), ("id", "level"))
    assert not headers.fits(("编号",), ("id", "level"))


def test_tidying_leaves_every_label_as_it_is(maps: LabelMaps) -> None:
    words = [*maps.functions, *maps.categories, *maps.levels]
    assert [headers.tidy(word) for word in words] == words
