import re
from collections.abc import Callable
from typing import Any

import pytest

from dispatch_model.errors import DispatchError
from serving.cases.desk import CaseDesk
from serving.cases_wire import Override
from serving.console.case_view import CasePage, read_case
from serving.console.why_not import WhyNot, why_not
from serving.engine import Engine
from serving.guard.guard import LOCAL
from serving.masking import mask
from serving.store.store import Store
from tests.canned import CannedRouter
from tests.test_console_similar import Untold

Ask = Callable[..., WhyNot]


@pytest.fixture
def page(store: Store, ruled: CannedRouter, routed: Callable[..., None]) -> CasePage:
    routed("1", address={"street": "金贸街道"})
    return read_case(store, ruled, "1")


@pytest.fixture
def ask(page: CasePage, ruled: CannedRouter) -> Ask:
    return lambda unit, **more: why_not(ruled, page, unit, **more)


def test_a_district_may_lead_and_the_model_is_told(ask: Ask) -> None:
    told = ask("460106-城管")
    assert (told.allowed, told.forcible, told.row, told.place) == (True, False, "", "")
    assert told.text == "区级部门主办不受准入清单限制"
    assert told.seen == ("模型看职能：城管 90%", "模型看层级：区 80%")


def test_the_row_that_forbids_is_named(ask: Ask) -> None:
    told = ask("金贸街道办", category="030705")
    assert (told.allowed, told.forcible, told.row, told.link) == (False, True, "J-2", "/console/rules?row=J-2")
    assert "不得主办" in told.text
    assert told.row_text == "露天烧烤（收回），依据《示例条例》"
    assert told.seen[0] == "模型看职能：属地政府 前 1 名之外"


def test_the_row_that_allows_is_named(ask: Ask) -> None:
    told = ask("金贸街道办", category="030701")
    assert (told.allowed, told.forcible, told.row) == (True, False, "J-1")


def test_what_the_list_does_not_have_is_forbidden_without_a_row(ask: Ask) -> None:
    told = ask("金贸街道办", category="030703")
    assert (told.allowed, told.forcible, told.row, told.link) == (False, True, "", "")
    assert "未列入" in told.text


def test_a_unit_of_another_place_is_told(ask: Ask) -> None:
    assert "地点不符" in ask("460107-城管").place
    assert ask("460100-公安").place == ""


def test_a_place_too_wide_or_unknown_is_to_be_checked(
    store: Store, ruled: CannedRouter, routed: Callable[..., None]
) -> None:
    routed("2", answer={"transcript": "龙华区"})
    routed("3")
    wide, unknown = (read_case(store, ruled, case_id) for case_id in ("2", "3"))
    assert "只到海口市/龙华区" in why_not(ruled, wide, "金贸街道办").place
    assert "没有认出地点" in why_not(ruled, unknown, "金贸街道办").place


@pytest.mark.parametrize(
    ("unit", "more"),
    [("460107-没有", {}), ("金贸街道办", {"level": "市"}), ("460106-城管", {"category": "0307"})],
)
def test_what_cannot_be_done_at_all_cannot_be_forced(ask: Ask, unit: str, more: Any) -> None:
    told = ask(unit, **more)
    assert (told.allowed, told.forcible) == (False, False)
    assert told.text


@pytest.mark.parametrize(
    ("unit", "category"),
    [("460107-城管", "030703"), ("金贸街道办", "030701"), ("金贸街道办", "030703"), ("金贸街道办", "030705")],
)
def test_it_says_what_the_override_would_be_answered(
    store: Store, ruled: CannedRouter, ask: Ask, unit: str, category: str
) -> None:
    wish = Override(action="override", unit=unit, category=category, reason_code="职能不符")
    told, engine = ask(unit, category=category), Engine(ruled, store, mask)
    desk = CaseDesk(engine, store, Untold())
    if told.allowed:
        assert desk.decide("1", wish, LOCAL).unit.code
    else:
        with pytest.raises(DispatchError, match=re.escape(told.text)):
            desk.decide("1", wish, LOCAL)
    engine.close()
