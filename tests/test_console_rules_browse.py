"""Rows of a rule table as the page shows them."""

from urllib.parse import parse_qsl, urlsplit

import pytest

from dispatch_model.rules import RuleKind
from serving.console import rules_browse
from serving.console.rules_browse import PER_PAGE, Wanted, browse, kind_of
from serving.console.rules_card import card
from serving.console.templates import render
from serving.engine import Engine
from serving.rules.check import shipped_rules
from serving.rules.desk import RuleDesk
from serving.rules.store import RuleStore
from serving.store.store import Store
from tests.canned import CannedRouter, shipped

Files = dict[RuleKind, bytes]


@pytest.fixture
def desk(store: Store, ruled: CannedRouter) -> RuleDesk:
    return RuleDesk(Engine(ruled, store, str), RuleStore(store))


def _ids(desk: RuleDesk, **wanted: str) -> list[str]:
    return [line.id for line in browse(desk, Wanted.of(wanted)).lines]


def test_filters_hold_together(desk: RuleDesk) -> None:
    assert _ids(desk) == ["J-1", "J-2", "C-1"]
    assert _ids(desk, q="烧烤") == ["J-2"]
    assert _ids(desk, category="0307") == ["J-1", "J-2"]
    assert _ids(desk, category="0307", choice="基本") == ["J-1"]
    assert _ids(desk, level="村居") == ["C-1"]
    assert _ids(desk, level="村居", choice="基本") == []


def test_each_kind_has_its_own_columns(desk: RuleDesk) -> None:
    for kind in RuleKind:
        rows = browse(desk, Wanted(kind=kind))
        assert rows.lines
        assert {len(line.cells) + 1 for line in rows.lines} == {len(rows.columns)}


def test_an_address_that_makes_no_sense_asks_for_nothing() -> None:
    wanted = Wanted.of({"kind": "x", "level": "省", "choice": "坏", "category": "城管", "page": "²", "q": "长" * 200})
    assert wanted == Wanted(q="长" * 100)


def test_what_does_not_apply_to_a_kind_is_dropped(desk: RuleDesk) -> None:
    assert _ids(desk, kind="triggers", level="镇街", category="03", choice="基本") == ["T-1"]


def test_an_address_leads_back_to_itself() -> None:
    wanted = Wanted(RuleKind.CATALOGUE, q="a&b", category="03", level="区", choice="prior", row="M-1", page=2)
    assert Wanted.of(dict(parse_qsl(urlsplit(wanted.address).query))) == wanted


def test_pages_and_the_page_of_a_row(desk: RuleDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules_browse, "PER_PAGE", 2)
    first = browse(desk, Wanted())
    assert (first.page, first.pages, first.turned(-1)) == (1, 2, "")
    assert "page=2" in first.turned(1)
    opened = browse(desk, Wanted(row="C-1"))
    assert opened.page == 2
    assert [line.id for line in opened.lines if line.marked] == ["C-1"]
    assert browse(desk, Wanted(page=9)).page == 2


def test_a_row_tells_its_table(desk: RuleDesk) -> None:
    assert kind_of(desk, "M-1") is RuleKind.CATALOGUE
    assert kind_of(desk, "nothing") is None


def test_a_card_shows_every_cell_in_words(desk: RuleDesk) -> None:
    found = card(desk, RuleKind.ACCESS_LIST, "J-2")
    assert found
    assert found.number == 3
    assert found.history == ()
    cells = dict(found.cells)
    assert cells["适用区域"] == "龙华区/金贸街道"
    assert cells["清单"] == "收回（镇街）"
    assert "街面秩序" in cells["诉求类别"]
    assert "category=030705" in found.trial
    assert "place=460106003" in found.trial
    assert card(desk, RuleKind.ACCESS_LIST, "nothing") is None


def test_a_card_tells_what_a_row_said_over_time(desk: RuleDesk, rule_files: Files) -> None:
    kind = RuleKind.ACCESS_LIST
    edited = rule_files[kind].replace("游商劝导".encode(), "游商疏导".encode())
    without = b"\n".join(line for line in edited.splitlines() if not line.startswith(b"J-1,"))
    desk.upload(kind, edited, author="console:admin", note="改名")
    desk.upload(kind, without, author="console:admin")
    found = card(desk, kind, "J-1")
    assert found
    assert found.number == 0
    assert [past.told for past in found.history] == [("删去此行",), ("事项：游商劝导 → 游商疏导",), ("有了此行",)]
    assert [past.who for past in found.history] == ["admin", "admin", "随程序安装"]


def test_what_a_file_says_cannot_harm_the_page(desk: RuleDesk, rule_files: Files) -> None:
    kind = RuleKind.ACCESS_LIST
    nasty = rule_files[kind].replace("游商劝导".encode(), "<script>alert(1)</script>\u202e倒".encode())
    desk.upload(kind, nasty, author="console:admin")
    page = render("rules_rows.html.j2", rows=browse(desk, Wanted()))
    page += render("rules_card.html.j2", card=card(desk, kind, "J-1"), missing="", close="/")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "\u202e" not in page


def test_a_page_has_no_more_rows_than_it_may(store: Store) -> None:
    maps, city = shipped()
    desk = RuleDesk(Engine(CannedRouter(shipped_rules("haikou", maps, city)), store, str), RuleStore(store))
    rows = browse(desk, Wanted())
    assert len(rows.lines) == PER_PAGE < rows.total == rows.every
    assert render("rules_rows.html.j2", rows=rows).count("<tr") == PER_PAGE + 1
