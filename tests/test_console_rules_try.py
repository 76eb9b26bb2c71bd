"""The rules tried without a case."""

from datetime import date

import pytest

from dispatch_model.access_list import AccessList
from dispatch_model.catalogue import Catalogue
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.rules import RuleKind
from dispatch_model.table import Upload
from serving.console.rules_try import LevelTrial, Trial, attempt
from serving.console.templates import render
from tests.canned import CannedRouter, shipped

DAY = date(2026, 6, 1)
STREET = "460106003"


def _level(trial: Trial, level: str) -> LevelTrial:
    return next(one for one in trial.levels if one.level == level)


def test_the_row_that_decides_is_named_and_the_others_shown(ruled: CannedRouter) -> None:
    street = _level(attempt(ruled, "030701", STREET, DAY), "镇街")
    assert street.allowed
    assert [(row.id, row.decides) for row in street.rows] == [("J-1", True)]
    assert {lead.function: lead.allowed for lead in street.leads} == {"城管": True, "属地政府": True}
    assert "金贸街道" in street.leads[0].unit


def test_what_was_taken_back_may_not_be_led_there_in_its_season(ruled: CannedRouter) -> None:
    assert not _level(attempt(ruled, "030705", STREET, DAY), "镇街").allowed
    winter = _level(attempt(ruled, "030705", STREET, date(2026, 12, 1)), "镇街")
    assert not winter.rows  # the row has ended; what no row lists may not be led either
    assert not winter.allowed
    assert not _level(attempt(ruled, "030705", "", DAY), "镇街").rows


def test_districts_are_free_and_the_unit_is_named(ruled: CannedRouter) -> None:
    district = _level(attempt(ruled, "030701", STREET, DAY), "区")
    assert district.allowed
    assert "龙华区" in district.leads[0].unit


def test_a_function_one_asks_about_stands_first(ruled: CannedRouter) -> None:
    street = _level(attempt(ruled, "030701", STREET, DAY, "教育"), "镇街")
    assert street.leads[0].function == "教育"
    assert not street.leads[0].allowed


def test_every_verdict_is_that_of_the_list(ruled: CannedRouter) -> None:
    access_list = ruled.rule_sets[RuleKind.ACCESS_LIST]
    assert isinstance(access_list, AccessList)
    path = [region.code for region in ruled.city.ancestors(STREET)]
    for category in ("030701", "030705", "090305"):
        for level in attempt(ruled, category, STREET, DAY).levels:
            for lead in level.leads:
                verdict = access_list.decide(category, lead.function, level.level, path, DAY)
                assert lead.allowed is verdict.allowed
                assert lead.why[0] == verdict.text


def test_a_binding_catalogue_shuts_the_others_out(ruled: CannedRouter, rule_files: dict[RuleKind, bytes]) -> None:
    binding = rule_files[RuleKind.CATALOGUE].replace(b",prior", b",binding")
    bound = ruled.with_rules(catalogue=Catalogue.load(Upload("c.csv", binding), shipped()[0]))
    lead = _level(attempt(bound, "030701", STREET, DAY, "教育"), "区").leads[0]
    assert not lead.allowed
    assert "教育不得主办" in lead.why[1]


def test_without_any_row_nothing_is_named(ruled: CannedRouter) -> None:
    trial = attempt(ruled, "010301", "", DAY)
    assert trial.catalogue == ()
    assert _level(trial, "市").leads == ()
    assert _level(trial, "市").allowed


@pytest.mark.parametrize(("category", "place", "function"), [("99", "", ""), ("030701", "9", ""), ("030701", "", "x")])
def test_what_is_not_known_is_refused(ruled: CannedRouter, category: str, place: str, function: str) -> None:
    with pytest.raises(DispatchError) as raised:
        attempt(ruled, category, place, DAY, function)
    assert raised.value.kind is ErrorKind.INVALID_PARAMETER


def test_the_page_links_to_the_rows(ruled: CannedRouter) -> None:
    page = render("rules_trial.html.j2", trial=attempt(ruled, "030701", STREET, DAY))
    assert "row=J-1" in page
    assert "row=M-1" in page
    assert "可以主办" in page
    assert "先选诉求类别" in render("rules_trial.html.j2", trial=None)
