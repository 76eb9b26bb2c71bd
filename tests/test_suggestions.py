from datetime import UTC, datetime
from functools import lru_cache

import numpy as np

from dispatch_model.cases import Case
from dispatch_model.labels import LEVELS
from dispatch_model.ranking import Ranked, Ranker
from dispatch_model.reading import Reading, read
from dispatch_model.router import Router

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


def test_the_unit_the_citizen_named_is_preferred_among_equals() -> None:
    found = reading("我用的是中国联通的宽带，断网三天没人修")
    table = ranked({"通信": 1.0}, {"市": 1.0}, "050101")
    best = router().rules.suggest(found, table, "投诉", dict.fromkeys(router().maps.functions, 0.0))[0]
    assert "联合网络通信" in best.unit.name
