import json
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from dispatch_model.access_list import AccessList
from dispatch_model.access_row import AccessRow
from dispatch_model.bundle import Bundle
from dispatch_model.catalogue import Catalogue, CatalogueRow
from dispatch_model.city import City
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LabelMaps
from dispatch_model.outputs import StoredOutputs
from dispatch_model.rules import RuleKind, to_csv
from serving.rules.diff import Diff, compare, load_sides
from serving.rules.moves import Basis, Side

STALL, LIGHT = "030701", "030501"
ROW = AccessRow("ZJ-1", "占道经营", STALL, "镇街", "基本", "城管", (), "巡查", "", "条例", None, None, "1")


@lru_cache(maxsize=1)
def tables() -> tuple[LabelMaps, City, Bundle]:
    maps = LabelMaps.load()
    return maps, City.load("haikou", maps), Bundle.open(None, maps)


def listed(*rows: AccessRow) -> AccessList:
    maps = tables()[0]
    return AccessList(rows, maps.leaves, tuple(maps.functions))


def catalogue(*rows: CatalogueRow) -> Catalogue:
    maps = tables()[0]
    return Catalogue(rows, maps.leaves, tuple(maps.functions))


def outputs(*told: tuple[str, str, str], known: tuple[bool, ...] = ()) -> StoredOutputs:
    """A case in 金贸街道 for each (category, function, level), of which the model is all but sure."""
    maps, city, _ = tables()
    count = len(told)
    street = next(code for code, region in city.regions.items() if region.name == "金贸街道")

    def sure(axis: tuple[str, ...], column: int, other: int = -6) -> np.ndarray[tuple[int, ...], np.dtype[np.float16]]:
        array = np.full((count, len(axis)), other, dtype=np.float16)
        for row, one in enumerate(told):
            array[row, axis.index(one[column])] = 0
        return array

    return StoredOutputs(
        case_id=np.array([f"C{number}" for number in range(count)]),
        offset=np.arange(count) * 0,
        day=np.full(count, "2026-05-03", dtype="datetime64[D]"),
        region_code=np.full(count, street),
        named=np.full(count, ""),
        known=np.array(known or (True,) * count),
        kind=np.full(count, maps.kinds.index("投诉"), dtype=np.uint8),
        category=sure(maps.leaves, 0, -25),
        function=sure(tuple(maps.functions), 1),
        level=sure(maps.levels, 2),
    )


def compared(folder: Path, stored: StoredOutputs, old: Side, new: Side) -> Diff:
    maps, city, bundle = tables()
    cases = folder / "cases.jsonl"
    cases.write_text(json.dumps({"case_id": "C0", "transcript": "占道摆摊，电话13876543210"}) + "\n", encoding="utf-8")
    return compare(Basis(cases, stored, maps, city), bundle, old, new)


def by_list(name: str, *rows: AccessRow) -> Side:
    return Side(name, RuleKind.ACCESS_LIST, listed(*rows), catalogue())


def test_what_is_taken_from_a_street_goes_up(tmp_path: Path) -> None:
    stored = outputs((STALL, "城管", "镇街"), (STALL, "城管", "镇街"), (LIGHT, "市政环卫", "区"))
    diff = compared(tmp_path, stored, by_list("旧", ROW), by_list("新", replace(ROW, list="收回")))
    assert (diff.cases, diff.outside, diff.unit, diff.raised, diff.lowered, diff.function) == (3, 0, 2, 2, 0, 0)
    assert [(pair.old, pair.new, pair.count) for pair in diff.cells] == [("城管·镇街", "城管·区", 2)]
    (pair,) = diff.units
    assert "金贸街道" in pair.old
    assert "龙华区" in pair.new
    assert [example.case_id for example in pair.examples] == ["C0", "C1"]
    assert pair.examples[0].text == "占道摆摊，电话[电话]"
    assert pair.examples[0].why.startswith("新清单：准入清单 ZJ-1（收回）")
    assert [change.id for change in diff.rows.edited] == ["ZJ-1"]


def test_what_is_given_to_a_street_comes_down(tmp_path: Path) -> None:
    diff = compared(tmp_path, outputs((STALL, "城管", "镇街")), by_list("旧"), by_list("新", ROW))
    assert (diff.unit, diff.raised, diff.lowered) == (1, 0, 1)
    assert diff.units[0].examples[0].why.startswith("旧清单：准入清单未列入")


def test_changes_are_counted_by_category(tmp_path: Path) -> None:
    stored = outputs((STALL, "城管", "镇街"), ("030702", "城管", "区"), (LIGHT, "市政环卫", "区"))
    diff = compared(tmp_path, stored, by_list("旧", ROW), by_list("新"))
    assert [(line.code, line.cases, line.changed) for line in diff.categories] == [("03", 3, 1), ("0307", 2, 1)]
    assert diff.categories[1].name == " / ".join(tables()[0].path("0307"))


def test_equal_rules_change_nothing(tmp_path: Path) -> None:
    stored = outputs((STALL, "城管", "镇街"), (LIGHT, "市政环卫", "区"))
    diff = compared(tmp_path, stored, by_list("旧", ROW), by_list("新", ROW))
    assert (diff.unit, diff.terms, diff.units, diff.cells, diff.categories) == (0, 0, (), (), ())


def test_a_case_of_another_city_is_outside(tmp_path: Path) -> None:
    stored = outputs((STALL, "城管", "镇街"), (STALL, "城管", "镇街"), known=(True, False))
    diff = compared(tmp_path, stored, by_list("旧", ROW), by_list("新"))
    assert (diff.cases, diff.outside, diff.unit) == (1, 1, 1)
    assert [(line.cases, line.changed) for line in diff.categories] == [(1, 1), (1, 1)]


def test_a_binding_row_moves_the_function_and_a_deadline_changes_the_terms(tmp_path: Path) -> None:
    prior = CatalogueRow("ML-1", LIGHT, "市政环卫", "区", (), {"投诉": 7}, "条例", "prior")
    bound = CatalogueRow("ML-2", STALL, "市场监管", "区", (), {}, "条例", "binding")
    stored = outputs((LIGHT, "市政环卫", "区"), (STALL, "城管", "区"))
    old, new = (
        Side(name, RuleKind.CATALOGUE, listed(ROW), catalogue(*rows))
        for name, rows in (("旧", [prior]), ("新", [replace(prior, days={"投诉": 3}), bound]))
    )
    diff = compared(tmp_path, stored, old, new)
    assert (diff.unit, diff.function, diff.terms) == (1, 1, 1)
    assert diff.units[0].examples[0].why == "新目录 ML-2：规定由市场监管主办"


def write(path: Path, kind: RuleKind, content: AccessList | Catalogue) -> Path:
    path.write_bytes(to_csv(kind, content))
    return path


def test_the_kind_is_told_by_the_headers(tmp_path: Path) -> None:
    maps, city, _ = tables()
    old = write(tmp_path / "old.csv", RuleKind.ACCESS_LIST, listed(ROW))
    new = write(tmp_path / "new.csv", RuleKind.ACCESS_LIST, listed(replace(ROW, list="配合")))
    before, after = load_sides(old, new, maps, city)
    assert (before.name, after.name, before.kind) == ("old.csv", "new.csv", RuleKind.ACCESS_LIST)
    assert before.compared.version == listed(ROW).version
    assert before.catalogue.version == after.catalogue.version


def test_two_kinds_cannot_be_compared(tmp_path: Path) -> None:
    maps, city, _ = tables()
    row = CatalogueRow("ML-1", LIGHT, "市政环卫", "区", (), {"投诉": 7}, "条例", "prior")
    old = write(tmp_path / "old.csv", RuleKind.ACCESS_LIST, listed(ROW))
    new = write(tmp_path / "new.csv", RuleKind.CATALOGUE, catalogue(row))
    with pytest.raises(DispatchError, match=r"old\.csv 是准入清单，new\.csv 是派单目录") as raised:
        load_sides(old, new, maps, city)
    assert raised.value.kind is ErrorKind.INVALID_RULES


def test_triggers_decide_no_unit(tmp_path: Path) -> None:
    maps, city, _ = tables()
    old = write(tmp_path / "old.csv", RuleKind.ACCESS_LIST, listed(ROW))
    with pytest.raises(DispatchError, match="触发词不决定承办单位"):
        load_sides(old, old, maps, city, RuleKind.TRIGGERS)


def test_what_is_wrong_with_a_file_is_told_by_its_reader(tmp_path: Path) -> None:
    maps, city, _ = tables()
    old = write(tmp_path / "old.csv", RuleKind.ACCESS_LIST, listed(ROW))
    new = write(tmp_path / "new.csv", RuleKind.ACCESS_LIST, listed(replace(ROW, category="999999")))
    with pytest.raises(DispatchError, match=r"new\.csv 第 2 行 category 列"):
        load_sides(old, new, maps, city)
