from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from itertools import product

import numpy as np

from dispatch_model.cases import Case
from dispatch_model.gazetteer import Place
from dispatch_model.labels import LEVELS
from dispatch_model.ranking import Ranked, Ranker
from dispatch_model.reading import Reading, read
from dispatch_model.router import Router
from dispatch_model.suggestions import UNIT, _cell, lacking

NOW = datetime(2026, 5, 6, 2, tzinfo=UTC)


@lru_cache(maxsize=1)
def router() -> Router:
    return Router.open()


def reading(text: str) -> Reading:
    tools = router()
    case = Case(case_id="S", transcript=text)
    return read(case, city=tools.city, gazetteer=tools.gazetteer, cues=tools.rules.cues, now=NOW)


def ranked(functions: dict[str, float], levels: dict[str, float], category: str) -> Ranked:
    """The table of a model that gives these probabilities, nothing forbidden."""
    maps = router().maps
    log_category = np.log([1.0 if leaf == category else 1e-9 for leaf in maps.leaves])
    log_function = np.log([functions.get(name, 1e-9) for name in maps.functions])
    log_level = np.log([levels.get(name, 1e-9) for name in LEVELS])
    mask = np.ones((len(maps.leaves), len(maps.functions), len(LEVELS)), dtype=bool)
    return Ranker().rank(log_category, log_function, log_level, mask)


def test_cells_of_one_unit_count_together() -> None:
    """A street's office answers for 城管 and for 属地政府: one suggestion with both shares."""
    found = reading("龙华区金贸街道门口摆摊")
    table = ranked({"城管": 0.5, "属地政府": 0.4, "公安": 0.1}, {"镇街": 1.0}, "030701")
    probabilities = {"城管": 0.5, "属地政府": 0.4, "公安": 0.1}
    suggestions = router().rules.suggest(
        found, table, "投诉", dict.fromkeys(router().maps.functions, 0.0) | probabilities
    )
    street = suggestions[0]
    assert "金贸街道" in street.unit.name
    assert street.probability > 0.89
    assert street.unit.function == "城管"
    assert [one.rank for one in suggestions] == list(range(1, len(suggestions) + 1))
    assert len({one.unit.code for one in suggestions}) == len(suggestions)


def test_without_a_place_the_unit_is_left_open() -> None:
    found = reading("门口摆摊的太多了")
    table = ranked({"城管": 1.0}, {"区": 1.0}, "030701")
    best = router().rules.suggest(found, table, "投诉", dict.fromkeys(router().maps.functions, 0.0))[0]
    assert best.unit.code == ""
    assert "属地待定" in best.unit.name
    assert best.unit.region == "海口市"


def test_a_place_without_communities_gives_its_street_no_matter_of_a_community() -> None:
    """The list lets a 村居 lead what its 镇街 may not: the unit shown must itself be admitted."""
    found = reading("路灯坏了")
    city, maps, rules = router().city, router().maps, router().rules
    day = found.received_at.date()
    lost = set()
    for code in city.regions:
        path = tuple(region.code for region in city.ancestors(code))
        here = replace(found, place=Place(code, path, city.regions[code].level))
        mask = rules.access_list.mask(path, day)
        for function, level in product(range(len(maps.functions)), range(len(LEVELS))):
            cell = _cell(here, tuple(maps.functions)[function], LEVELS[level], (function, level), 1.0)
            if cell.unit is None:
                lost.add((code, LEVELS[level]))
                continue
            own = mask[:, function, LEVELS.index(cell.unit.level)]
            assert own[mask[:, function, level]].all(), (code, cell)
    farms = [code for code, region in city.regions.items() if region.name in ("罗牛山农场", "三江农场")]
    assert len(farms) == 2
    assert {(farm, "村居") for farm in farms} <= lost


def test_a_matter_taken_from_the_streets_never_lowers_the_first_suggestion() -> None:
    """Over random models and places, in a list that lets streets and communities do anything."""
    city, maps, rules = router().city, router().maps, router().rules
    rng, blank = np.random.default_rng(11), reading("路灯坏了")
    shape = (len(maps.leaves), len(maps.functions), len(LEVELS))
    ranker = Ranker(router().encoder.bundle.log_prior, 0.3, rules.catalogue.binding, 1.2)
    # A zone has no streets: its committee answers at every level, and one unit at several is no lower than itself
    streets = [code for code, region in city.regions.items() if region.level in ("镇街", "村居")]
    left = 0
    for _ in range(200):
        code = str(rng.choice(streets))
        path = tuple(region.code for region in city.ancestors(code))
        here = replace(blank, place=Place(code, path, city.regions[code].level))
        category, function = rng.standard_normal(shape[0]), 2 * rng.standard_normal(shape[1])
        level = np.array([0.0, 0.5, 2.5, 2.0])
        mask = np.ones(shape, dtype=bool)
        before = rules.cells(here, ranker.rank(category, function, level, mask))[0]
        mask[rng.random(shape[0]) < 0.9, :, LEVELS.index("镇街")] = False
        after = rules.cells(here, ranker.rank(category, function, level, mask))[0]
        assert LEVELS.index(after.level) <= LEVELS.index(before.level), (code, before, after)
        left += before.level == "镇街" != after.level
    assert left > 50


def test_cells_are_looked_at_until_the_first_unit_is_settled() -> None:
    """Nine functions of one street's office outweigh eight bureaus that are each ahead of any of the nine."""
    found = reading("龙华区金贸街道门口摆摊")
    maps = router().maps
    names = tuple(maps.functions)
    mask = np.zeros((len(maps.leaves), len(names), len(LEVELS)), dtype=bool)
    mask[:, :9, LEVELS.index("镇街")] = mask[:, 9:17, LEVELS.index("区")] = True
    log_function = np.log([0.1] * 9 + [0.45] + [0.11] * 7 + [1e-9] * (len(names) - 17))
    ranked = Ranker().rank(np.zeros(len(maps.leaves)), log_function, np.zeros(len(LEVELS)), mask)
    best = router().rules.cells(found, ranked)[0]
    assert (best.level, round(best.probability, 3)) == ("镇街", round(0.9 / 2.12, 3))


def test_the_unit_that_may_not_act_is_not_merged_with_its_own_cell() -> None:
    found = reading("罗牛山农场门口摆摊")
    table = ranked({"属地政府": 1.0}, {"镇街": 0.6, "村居": 0.4}, "030701")
    best, second = router().rules.suggest(found, table, "投诉", dict.fromkeys(router().maps.functions, 0.0))[:2]
    assert (best.unit.name, round(best.probability, 2)) == ("海南省国营罗牛山农场", 0.6)
    assert (second.unit.code, round(second.probability, 2)) == ("", 0.4)
    assert any("请人工指定" in reason.text for reason in second.reasons)
    assert lacking(found, best) == ""
    assert lacking(found, second) == UNIT


def test_what_is_lacking_of_a_place_that_is_too_wide() -> None:
    found = reading("龙华区门口摆摊")
    table = ranked({"城管": 1.0}, {"镇街": 1.0}, "030701")
    best = router().rules.suggest(found, table, "投诉", dict.fromkeys(router().maps.functions, 0.0))[0]
    assert best.unit.code == ""
    assert lacking(found, best) == "事发地点所在的镇街"


def test_one_row_of_the_catalogue_speaks_for_a_suggestion() -> None:
    found = reading("龙华区金贸街道门口摆摊")
    maps, catalogue = router().maps, router().rules.catalogue
    for function in ("城管", "公安", "税务"):
        table = ranked({function: 1.0}, {"区": 1.0}, "030701")
        best = router().rules.suggest(found, table, "投诉", dict.fromkeys(maps.functions, 0.0))[0]
        row = catalogue.row_for(best.category.code, function)
        told = next(reason for reason in best.reasons if reason.source == "catalogue")
        assert row is not None
        assert told.rule_id == row.id
        assert best.co_handlers == row.co_functions
        assert best.due_at == catalogue.due_at(best.category.code, "投诉", found.received_at, function)
        assert (f"本条建议{function}" in told.text) == (row.lead_function != function)


def test_the_unit_the_citizen_named_is_preferred_among_equals() -> None:
    found = reading("我用的是中国联通的宽带，断网三天没人修")
    table = ranked({"通信": 1.0}, {"市": 1.0}, "050101")
    best = router().rules.suggest(found, table, "投诉", dict.fromkeys(router().maps.functions, 0.0))[0]
    assert "联合网络通信" in best.unit.name
