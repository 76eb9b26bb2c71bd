from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

import pytest

from dispatch_model.access_list import AccessList
from dispatch_model.cases import Case, Routing
from dispatch_model.city import City
from dispatch_model.gazetteer import Gazetteer
from dispatch_model.labels import LabelMaps
from dispatch_model.recheck import violations
from dispatch_model.table import Upload
from serving.routing import Router

NOW = datetime(2026, 5, 6, 2, tzinfo=UTC)
HEADER = (
    "id,matter,category,level,list,lead_function,co_functions,duty,region,basis,valid_from,valid_to,version\n"
    "J-1,游商劝导,030703,镇街,基本,城管,,到场劝离,,《示例条例》,,,1\n"
    "J-2,露天烧烤,030703,镇街,收回,城管,,区里管,龙华区/金贸街道,《示例条例》,2026-05-01,2026-10-31,1\n"
)


@lru_cache(maxsize=1)
def world() -> tuple[AccessList, Gazetteer]:
    maps = LabelMaps.load()
    city = City.load("haikou", maps)
    return AccessList.load(Upload("清单", HEADER.encode()), maps, city), Gazetteer.load(city)


def answered(router: Router, level: str, function: str = "城管") -> Routing:
    routing = router.route([Case(case_id="1", transcript="路灯不亮")])[0]
    first = routing.suggestions[0]
    unit = first.unit.model_copy(update={"level": level, "function": function})
    return routing.model_copy(update={"suggestions": (first.model_copy(update={"unit": unit}),)})


def found(routing: Routing, now: datetime = NOW, **fields: object) -> Sequence[tuple[int, str | None]]:
    case = Case.model_validate({"case_id": "1", "transcript": "路灯不亮", **fields})
    access_list, gazetteer = world()
    return [(one.rank, one.rule_id) for one in violations(case, routing, access_list, gazetteer, now)]


@pytest.mark.parametrize("level", ["市", "区"])
def test_departments_are_never_in_breach(router: Router, level: str) -> None:
    assert found(answered(router, level), address="龙华区金贸街道") == []


def test_what_a_row_admits_is_in_order(router: Router) -> None:
    assert found(answered(router, "镇街")) == []


def test_the_row_that_forbids_is_named(router: Router) -> None:
    routing = answered(router, "镇街")
    assert found(routing, address="龙华区金贸街道") == [(1, "J-2")]
    assert found(routing, address="龙华区金贸街道", received_at="2026-11-02") == []


def test_what_no_row_admits_is_a_breach(router: Router) -> None:
    assert found(answered(router, "村居")) == [(1, None)]
    assert found(answered(router, "镇街", "教育"))[0][0] == 1


def test_an_answer_of_before_midnight_is_judged_by_its_own_day(router: Router) -> None:
    routing, address = answered(router, "镇街"), "龙华区金贸街道"
    assert found(routing, datetime(2026, 4, 30, 16, 5, tzinfo=UTC), address=address) == []
    assert found(routing, datetime(2026, 4, 30, 17, 0, tzinfo=UTC), address=address) == [(1, "J-2")]
    assert found(routing, NOW, address=address, received_at="2026-05-01T00:00:00+08:00") == [(1, "J-2")]


def test_another_city_has_nobody_below_the_district(router: Router) -> None:
    case, gazetteer = Case(case_id="1", transcript="路灯不亮", city="宁波市"), world()[1]
    assert violations(case, answered(router, "区"), None, gazetteer, NOW) == []
    assert [one.rule_id for one in violations(case, answered(router, "镇街"), None, gazetteer, NOW)] == [None]
