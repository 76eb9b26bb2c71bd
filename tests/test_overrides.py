from datetime import date

import pytest

from dispatch_model.cases import Case, CategoryRef, Routing, UnitRef
from dispatch_model.errors import DispatchError, ErrorKind
from serving.cases.overrides import Target, check, find_unit, is_own, target_of, units
from serving.cases_wire import Accept, Override
from serving.routing import Router

STREET = "海口市龙华区金贸街道办事处"
PATH = ("460106003", "460106", "460100")
SUMMER, WINTER = date(2026, 7, 1), date(2026, 12, 1)


def routing(router: Router, **changes: object) -> Routing:
    return router.route([Case(case_id="1", transcript="路灯不亮")])[0].model_copy(update=changes)


def override(**told: str) -> Override:
    return Override.model_validate({"action": "override", "reason_code": "职能不符", "unit": STREET, **told})


def refused(router: Router, wish: Accept | Override, city: str | None = None, **changes: object) -> DispatchError:
    with pytest.raises(DispatchError) as caught:
        target_of(router, routing(router, **changes), wish, city=city)
    assert caught.value.kind is ErrorKind.INVALID_DECISION
    return caught.value


def target(router: Router, category: str, function: str, level: str, unit: str = "") -> Target:
    ref = UnitRef(code=unit, name="某单位", function=function, level=level, region="")
    return Target(ref, CategoryRef(code=category, path=router.maps.path(category)))


def test_an_accepted_suggestion_is_taken_as_it_was_answered(router: Router) -> None:
    found = target_of(router, routing(router), Accept(action="accept"), city=None)
    assert (found.unit.code, found.category.code, found.rank) == ("u1", "030703", 1)


def test_a_rank_that_was_not_suggested_is_refused(router: Router) -> None:
    error = refused(router, Accept(action="accept", rank=2))
    assert (error.field, error.value) == ("rank", "2")
    assert "有 1 条建议" in error.message


def test_a_suggestion_without_a_unit_is_accepted_only_of_another_city(router: Router) -> None:
    (first,) = routing(router).suggestions
    nameless = (first.model_copy(update={"unit": first.unit.model_copy(update={"code": ""})}),)
    assert "没有对应单位" in refused(router, Accept(action="accept"), suggestions=nameless).message
    answer = routing(router, suggestions=nameless)
    assert target_of(router, answer, Accept(action="accept"), city="三亚市").unit.code == ""


@pytest.mark.parametrize("name", ["460106003-属地政府", STREET, "金贸街道办"])
def test_a_unit_is_known_by_code_name_and_alias(router: Router, name: str) -> None:
    found = target_of(router, routing(router), override(unit=name), city="海口市")
    assert (found.unit.code, found.unit.name) == ("460106003-属地政府", STREET)
    assert (found.unit.level, found.unit.function) == ("镇街", "属地政府")
    assert found.unit.region == "海口市/龙华区/金贸街道"
    assert found.category.code == "030703"


def test_the_committee_of_every_community_is_a_unit(router: Router) -> None:
    communities = [region for region in router.city.regions.values() if region.level == "村居"]
    for region in communities:
        (found,) = units(router.city)[f"{region.code}-属地政府"]
        assert (found.level, found.region) == ("村居", region.code)


def test_an_unknown_unit_is_refused_with_near_names(router: Router) -> None:
    error = refused(router, override(unit="金贸街道办事出"))
    assert error.field == "unit"
    assert "金贸街道办事处" in error.message


def test_personal_data_in_a_wrong_name_are_not_told(router: Router) -> None:
    assert "13812345678" not in str(refused(router, override(unit="李蕉13812345678")).as_dict())


def test_a_name_borne_by_several_asks_for_a_code(router: Router) -> None:
    several = [name for name, found in units(router.city).items() if len(found) > 1]
    for name in several[:1]:
        with pytest.raises(DispatchError, match="请填代码"):
            find_unit(router.city, name, "unit")
    assert all(len(units(router.city)[unit.code]) == 1 for found in units(router.city).values() for unit in found)


def test_the_line_of_duty_of_a_place_s_own_office_may_be_named(router: Router) -> None:
    found = target_of(router, routing(router), override(function="城管"), city=None)
    assert found.unit.function == "城管"
    error = refused(router, override(unit="460100-交警", function="城管"))
    assert (error.field, "职能为“交警”" in error.message) == ("function", True)


def test_a_street_acts_at_its_own_level_only(router: Router) -> None:
    error = refused(router, override(level="区"))
    assert (error.field, "可用：镇街" in error.message) == ("level", True)
    found = target_of(router, routing(router), override(unit="460100-交警", level="区"), city=None)
    assert (found.unit.level, found.unit.code) == ("区", "460100-交警")


@pytest.mark.parametrize("code", ["03", "0307", "999999", "占道经营"])
def test_a_category_must_be_a_leaf(router: Router, code: str) -> None:
    assert refused(router, override(category=code)).field == "category"


def test_a_case_without_suggestions_needs_a_category(router: Router) -> None:
    assert refused(router, override(), suggestions=()).field == "category"
    found = target_of(router, routing(router, suggestions=()), override(category="030705"), city=None)
    assert found.category.path == router.maps.path("030705")


def test_no_unit_can_be_named_in_a_city_without_a_directory(router: Router) -> None:
    assert "三亚市没有单位目录" in refused(router, override(), city="三亚市").message
    assert [is_own(router, city) for city in (None, "海口", "海口市", "三亚市")] == [True, True, True, False]


def test_the_list_of_the_day_and_the_place_decides(ruled: Router) -> None:
    barbecue = target(ruled, "030705", "城管", "镇街")
    verdict = check(ruled, barbecue, PATH, SUMMER, city=None)
    assert (verdict.allowed, verdict.row and verdict.row.id) == (False, "J-2")
    assert check(ruled, barbecue, PATH, WINTER, city=None).row is None
    assert not check(ruled, barbecue, PATH, WINTER, city=None).allowed
    assert check(ruled, target(ruled, "030701", "城管", "镇街"), PATH, SUMMER, city=None).allowed
    assert check(ruled, target(ruled, "030705", "城管", "区"), PATH, SUMMER, city=None).allowed


def test_a_unit_of_another_place_is_judged_where_it_stands(ruled: Router) -> None:
    street = target(ruled, "030705", "属地政府", "镇街", unit="460106003-属地政府")
    verdict = check(ruled, street, ("460107",), SUMMER, city=None)
    assert verdict.row is not None
    assert verdict.row.id == "J-2"


def test_elsewhere_nobody_below_the_district_may_lead(ruled: Router) -> None:
    assert check(ruled, target(ruled, "030705", "城管", "区"), (), SUMMER, city="三亚市").allowed
    assert not check(ruled, target(ruled, "030701", "城管", "镇街"), (), SUMMER, city="三亚市").allowed
