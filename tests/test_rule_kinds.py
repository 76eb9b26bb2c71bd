import io

import openpyxl
import pytest

from dispatch_model import headers
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.rule_kinds import kinds_in
from dispatch_model.rules import RuleKind, columns
from dispatch_model.table import Upload


def text(*names: str) -> Upload:
    return Upload("规则.csv", ",".join(names).encode())


def workbook(*tables: tuple[str, ...]) -> Upload:
    book = openpyxl.Workbook()
    book.create_sheet("说明")
    del book["Sheet"]
    for number, names in enumerate(tables):
        book.create_sheet(f"表{number}").append(names)
    file = io.BytesIO()
    book.save(file)
    return Upload("规则.xlsx", file.getvalue())


@pytest.mark.parametrize("kind", RuleKind)
def test_a_file_is_told_by_its_header_in_either_language(kind: RuleKind) -> None:
    assert kinds_in(text(*columns(kind))) == (kind,)
    chinese = tuple(map(headers.chinese, columns(kind)))
    assert kinds_in(text(*reversed(chinese))) == (kind,)
    assert kinds_in(workbook(chinese)) == (kind,)


def test_a_workbook_may_hold_several() -> None:
    assert kinds_in(workbook(*map(columns, reversed(RuleKind)))) == tuple(RuleKind)


@pytest.mark.parametrize("kind", RuleKind)
def test_a_header_with_a_fault_is_taken_for_the_nearest(kind: RuleKind) -> None:
    assert kinds_in(text(*columns(kind)[:-1], "备注")) == (kind,)


@pytest.mark.parametrize("source", [text("编号", "姓名", "电话"), text(""), workbook(), text("id", "basis", "level")])
def test_a_file_of_something_else_is_refused(source: Upload) -> None:
    with pytest.raises(DispatchError, match=r"看不出是哪一种规则表.*表头放在第一行.*用 --kind 指明") as caught:
        kinds_in(source)
    assert caught.value.kind is ErrorKind.INVALID_RULES


def test_a_file_that_cannot_be_opened_says_why() -> None:
    with pytest.raises(DispatchError, match="旧版"):
        kinds_in(Upload("规则.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"))
