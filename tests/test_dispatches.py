from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from itertools import product

import numpy as np
import pytest

from dispatch_model.access_list import AccessList
from dispatch_model.cases import Case
from dispatch_model.dispatches import Dispatches, Units, first_units
from dispatch_model.gazetteer import Mention, Place
from dispatch_model.outputs import StoredOutputs, encode
from dispatch_model.router import Router

NOW = datetime(2026, 5, 6, 2, tzinfo=UTC)
PLACES = ("龙华区金贸街道", "美兰区演丰镇", "", "桂林洋", "琼山区府城街道，龙华区城管局没有处理")
MATTERS = (
    "门口有流动摊贩占道卖烧烤，油烟很大",
    "路灯坏了一个星期没人修",
    "邻居在楼道堆放杂物，想请社区来劝一劝",
    "公司拖欠三个月工资不给",
    "自来水停了两天还没来",
    "小区物业乱收停车费",
    "工地半夜施工吵得睡不着",
    "村里的垃圾没有人清运",
)
NEAR = 0.02  # two units this close may change places when log-probabilities are rounded to half precision


@lru_cache(maxsize=1)
def router() -> Router:
    return Router.open()


@lru_cache(maxsize=1)
def cases() -> tuple[Case, ...]:
    told = [f"{place}{matter}，希望尽快处理" for place, matter in product(PLACES, MATTERS)]
    days = ("2026-01-20", "2026-05-06", "2026-09-15")
    return tuple(
        Case.model_validate({"case_id": f"D{number}", "transcript": text, "received_at": days[number % 3]})
        for number, text in enumerate(told)
    )


@lru_cache(maxsize=1)
def stored() -> StoredOutputs:
    return encode(router(), dict(enumerate(cases())), NOW)


def taken() -> AccessList:
    """The shipped list without anything a street may lead on its own."""
    maps = router().maps
    rows = (replace(row, list="收回") if row.level == "镇街" else row for row in router().rules.access_list.rows)
    return AccessList(rows, maps.leaves, tuple(maps.functions))


def dispatched(tools: Router, outputs: StoredOutputs) -> tuple[Dispatches, Units]:
    units = Units(tools.city, tools.maps)
    rules = tools.rules
    return first_units(outputs, tools.encoder.bundle, rules.access_list, rules.catalogue, units, tools.city), units


@pytest.mark.parametrize("changed", [False, True], ids=["shipped", "nothing for streets"])
def test_the_first_unit_is_the_routers_first_suggestion(changed: bool) -> None:
    tools = router().with_rules(access_list=taken()) if changed else router()
    found, units = dispatched(tools, stored())
    assert len(cases()) >= 30
    for row, routing in enumerate(tools.route(cases(), now=NOW)):
        first = routing.suggestions[0]
        cell = units.cells[found.unit[row]]
        code = cell.unit.code if cell.unit else ""
        function, level = tuple(tools.maps.functions)[found.function[row]], tools.maps.levels[found.level[row]]
        assert found.probability[row] == pytest.approx(first.probability, abs=NEAR)
        near = [one for one in routing.suggestions if one.probability > first.probability - NEAR]
        assert (code, function, level) in [(one.unit.code, one.unit.function, one.unit.level) for one in near]
        if len(near) == 1:
            assert (code, function, level) == (first.unit.code, first.unit.function, first.unit.level)


def random_outputs(count: int) -> StoredOutputs:
    """Outputs with random logits, in random places, every third naming a random unit."""
    random, maps, city = np.random.default_rng(5), router().maps, router().city
    named = random.choice(np.array(list(city.units)), count)
    named[np.arange(count) % 3 > 0] = ""

    def logits(width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float16]]:
        return (random.standard_normal((count, width)) * 3).astype(np.float16)

    return StoredOutputs(
        case_id=np.array([f"R{number}" for number in range(count)]),
        offset=np.arange(count),
        day=random.choice(np.arange("2026-01-01", "2027-01-01", dtype="datetime64[D]"), count),
        region_code=random.choice(np.array(["", *city.regions]), count),
        named=named,
        known=np.ones(count, dtype=np.bool_),
        kind=np.zeros(count, dtype=np.uint8),
        category=logits(len(maps.leaves)),
        function=logits(len(maps.functions)),
        level=logits(len(maps.levels)),
    )


def test_on_the_same_numbers_it_agrees_with_the_rulebook_exactly() -> None:
    tools, outputs = router(), random_outputs(150)
    found, units = dispatched(tools, outputs)
    blank = tools.evidence([Case(case_id="0", transcript="路灯坏了")], NOW).readings[0]
    for row in range(len(outputs)):
        code = str(outputs.region_code[row])
        path = tuple(region.code for region in tools.city.ancestors(code)) if code else ()
        mentions = (Mention(0, 1, "某局", str(outputs.named[row])),) if outputs.named[row] else ()
        place = Place(code or None, path, units=mentions)
        received = datetime.fromisoformat(f"{outputs.day[row]}T09:00+08:00")
        category, function, level = (
            array[row].astype(np.float32) for array in (outputs.category, outputs.function, outputs.level)
        )
        reading = replace(blank, place=place, received_at=received)
        first = tools.rules.cells(reading, tools.rank(reading, category, function, level))[0]
        assert units.cells[found.unit[row]].key == first.key
        assert (found.function[row], found.level[row]) == first.at
        assert found.probability[row] == pytest.approx(first.probability, rel=1e-4)


def test_a_case_of_another_city_goes_nowhere() -> None:
    outputs = random_outputs(4)
    known = np.array([True, False, True, False])
    found, _ = dispatched(router(), replace(outputs, known=known))
    assert (found.unit >= 0).tolist() == known.tolist()


def test_only_cases_of_other_cities_is_no_error() -> None:
    outputs = random_outputs(3)
    found, _ = dispatched(router(), replace(outputs, known=np.zeros(3, dtype=np.bool_)))
    assert found.unit.tolist() == [-1, -1, -1]


def test_the_same_unit_has_one_number_in_every_place() -> None:
    units, city = Units(router().city, router().maps), router().city
    streets = [code for code, region in city.regions.items() if region.level == "镇街"][:3]
    at = [units.at(code, "") for code in streets]
    assert (at[0][0] == at[1][0]).all(), "cells of the city's level"
    duties = [function for function in router().maps.functions if function != "其他"]
    assert (at[0][2] != at[1][2])[: len(duties)].all(), "streets differ"
    assert len({cell.key for cell in units.cells}) == len(units.cells)


def test_a_named_unit_goes_before_its_equals() -> None:
    city, maps = router().city, router().maps
    resolved = ((f, city.resolve(f, "市", None)) for f in maps.functions if f != "其他")
    function, found = next((f, one) for f, one in resolved if one.others)
    units = Units(city, maps)
    cell = (0, tuple(maps.functions).index(function))
    assert units.cells[units.at("", "")[cell]].unit == found.unit
    assert units.cells[units.at("", f"{found.others[0].code}|无关")[cell]].unit == found.others[0]
