from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache

import pytest

from dispatch_model.access_list import AccessList
from dispatch_model.cases import Case
from dispatch_model.catalogue import Catalogue, CatalogueRow
from dispatch_model.router import Router
from serving.rules.explain import NEXT, explain
from serving.rules.explanation import Explanation

NOW = datetime(2026, 5, 6, 2, tzinfo=UTC)
STAIRS = "龙华区金贸街道楼道里堆满杂物，邻居不肯清理，想请社区来劝一劝"


@lru_cache(maxsize=1)
def router() -> Router:
    return Router.open()


def explained(tools: Router, text: str = STAIRS, **fields: object) -> Explanation:
    return explain(tools, Case.model_validate({"case_id": "E1", "transcript": text, **fields}), NOW)


@lru_cache(maxsize=1)
def usual() -> Explanation:
    return explained(router())


def without_streets() -> Router:
    """The rules as shipped, all taken from the streets."""
    maps = router().maps
    rows = (replace(row, list="收回") if row.level == "镇街" else row for row in router().rules.access_list.rows)
    return router().with_rules(access_list=AccessList(rows, maps.leaves, tuple(maps.functions)))


def test_the_first_and_the_next_three_are_the_routers() -> None:
    routing = router().route([Case(case_id="E1", transcript=STAIRS)], now=NOW)[0]
    found = usual()
    assert len(found.standings) == 1 + NEXT
    assert [one.rank for one in found.standings] == [1, 2, 3, 4]
    for standing, suggestion in zip(found.standings, routing.suggestions, strict=False):
        assert (standing.unit_code, standing.function, standing.level) == (
            suggestion.unit.code,
            suggestion.unit.function,
            suggestion.unit.level,
        )
        assert standing.category == suggestion.category
        assert standing.probability == pytest.approx(suggestion.probability, abs=1e-4)
    assert (found.disposition, found.disposition_reason) == (routing.disposition, routing.disposition_reason)


def test_place_day_and_versions_say_which_rules_spoke() -> None:
    found = usual()
    assert (str(found.day), found.place) == ("2026-05-06", "海口市/龙华区/金贸街道")
    assert found.versions == router().versions


def test_categories_are_the_models_best_with_their_names() -> None:
    shares = [share for _, share in usual().categories]
    assert len(shares) == 5
    assert shares == sorted(shares, reverse=True)
    assert usual().categories[0][0].path == router().maps.path(usual().categories[0][0].code)


def test_every_consulted_row_is_shown_and_the_deciding_one_marked() -> None:
    tools, found = router(), usual()
    access_list = tools.rules.access_list
    path = tools.gazetteer.find(STAIRS).path
    for one in found.standings:
        verdict = access_list.decide(one.category.code, one.function, one.level, path, found.day)
        consulted = access_list.consulted(one.category.code, one.level, path, found.day)
        assert (one.allowed, one.decided) == (verdict.allowed, verdict.text)
        assert [row.id for row in one.rows] == [row.id for row in consulted]
        assert [row.id for row in one.rows if row.decides] == ([verdict.row.id] if verdict.row else [])


def test_why_names_what_costs_most() -> None:
    found = usual()
    assert "合并类别与规则后居首" in found.standings[0].why
    for one in found.standings[1:]:
        assert one.why
        assert found.standings[0].function in one.why or found.standings[0].level in one.why or "类" in one.why


def test_what_the_model_wanted_and_the_list_forbids_is_told_with_the_row() -> None:
    before, after = usual(), explained(without_streets())
    assert before.standings[0].level == "镇街"
    assert before.forbidden == () or before.forbidden[0].alone < before.standings[0].alone
    assert after.standings[0].level != "镇街"
    kept_out = after.forbidden[0]
    assert (kept_out.rank, kept_out.allowed, kept_out.level) == (0, False, "镇街")
    assert (kept_out.unit_code, kept_out.category) == (before.standings[0].unit_code, before.standings[0].category)
    assert [row.list for row in kept_out.rows if row.decides] == ["收回"]
    assert kept_out.probability < kept_out.alone


def test_a_binding_row_of_the_catalogue_forbids_too() -> None:
    maps = router().maps
    rows = [
        CatalogueRow(f"ML-{two}", two, "供电", "市", (), {}, "条例", "binding")
        for two in sorted({c[:2] for c in maps.leaves})
    ]
    bound = router().with_rules(catalogue=Catalogue(rows, maps.leaves, tuple(maps.functions)))
    found = explained(bound)
    assert {one.function for one in found.standings} == {"供电"}
    assert not found.forbidden[0].allowed
    assert found.forbidden[0].catalogue.endswith(f"规定由供电主办，{found.forbidden[0].function}不得主办")


def test_a_case_of_another_city_has_no_rows() -> None:
    found = explained(router(), "小区门口路灯坏了一个星期没人修", city="宁波市")
    assert found.place == ""
    for one in found.standings:
        assert (one.rows, one.catalogue, one.unit_code) == ((), "", "")
        assert one.allowed
        assert "外地工单" in one.decided
    assert all(one.level in ("镇街", "村居") for one in found.forbidden)


def test_the_day_of_the_case_decides_which_rows_are_in_force() -> None:
    assert str(explained(router(), received_at="2025-01-31").day) == "2025-01-31"


def test_no_personal_data_in_an_explanation() -> None:
    found = explained(router(), STAIRS + "，我的电话13876543210")
    assert "13876543210" not in found.model_dump_json()
