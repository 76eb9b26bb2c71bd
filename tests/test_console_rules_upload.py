"""A rule file before it comes into force, and the versions there were."""

import pytest

from dispatch_model.rules import RuleKind
from serving.console.rules_upload import SHOWN, check
from serving.console.rules_versions import versions
from serving.console.templates import render
from serving.engine import Engine
from serving.rules.desk import RuleDesk
from serving.rules.store import RuleStore
from serving.store.store import Store
from tests.canned import CannedRouter

Files = dict[RuleKind, bytes]
KIND = RuleKind.ACCESS_LIST


@pytest.fixture
def desk(store: Store, ruled: CannedRouter) -> RuleDesk:
    return RuleDesk(Engine(ruled, store, str), RuleStore(store))


def test_a_file_is_known_by_its_header_and_changes_nothing(desk: RuleDesk, rule_files: Files) -> None:
    content = rule_files[KIND].replace("游商劝导".encode(), "游商疏导".encode())
    (found,) = check(desk, "新.csv", content)
    assert found.kind is KIND
    assert found.fit
    assert found.rows == 3
    assert found.replaced == desk.rules(KIND).version
    assert [(name, [row.id for row in rows]) for name, rows in found.sorts] == [("改动", ["J-1"])]
    assert found.warnings
    assert desk.history(KIND) == ()


def test_errors_come_by_row(desk: RuleDesk, rule_files: Files) -> None:
    (found,) = check(desk, "坏.csv", rule_files[KIND].replace(b"030701", b"999999").replace("收回".encode(), b"x"))
    assert not found.fit
    assert [(one.row, one.column) for one in found.errors] == [("2", "诉求类别"), ("3", "清单")]
    page = render("rules_check.html.j2", checked=found, shown=SHOWN)
    assert "未通过" in page
    assert "999999" in page


def test_a_file_that_is_none_of_the_tables(desk: RuleDesk) -> None:
    (found,) = check(desk, "<b>.csv", b"a,b,c\n1,2,3\n")
    assert found.kind is None
    assert len(found.errors) == 1
    assert "<b>" not in render("rules_check.html.j2", checked=found, shown=SHOWN).replace("&lt;b&gt;", "")


def test_what_is_in_force_already_is_said_to_be(desk: RuleDesk, rule_files: Files) -> None:
    (found,) = check(desk, "same.csv", rule_files[KIND])
    assert found.same
    assert not found.fit
    assert not found.sorts


def test_versions_tell_who_and_what_can_be_restored(desk: RuleDesk, rule_files: Files) -> None:
    shipped = desk.rules(KIND).version
    assert [table.lines for table in versions(desk)] == [(), (), ()]
    for word, note in (("甲", "一"), ("乙", "<i>")):
        desk.upload(KIND, rule_files[KIND].replace("游商".encode(), word.encode()), author="console:li", note=note)
    desk.rollback(KIND, shipped, author="console:wang", note="撤回")
    lines = versions(desk)[0].lines
    assert [line.action for line in lines] == ["退回", "上传", "上传", "随程序安装"]
    assert [line.who for line in lines] == ["wang", "li", "li", "随程序安装"]
    assert [line.current for line in lines] == [True, False, False, False]
    assert [line.restorable for line in lines] == [False, True, True, False]
    page = render("rules_versions.html.j2", tables=versions(desk), admin=True)
    assert page.count("恢复此版") == 2
    assert "<i>" not in page
    assert "恢复此版" not in render("rules_versions.html.j2", tables=versions(desk), admin=False)
