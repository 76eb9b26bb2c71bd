import json
from functools import lru_cache
from pathlib import Path

import numpy as np

from dispatch_model.access_list import AccessList
from dispatch_model.access_row import AccessRow
from dispatch_model.catalogue import Catalogue, CatalogueRow
from dispatch_model.city import City
from dispatch_model.dispatches import Dispatches, Units
from dispatch_model.labels import LabelMaps
from dispatch_model.outputs import StoredOutputs
from dispatch_model.rules import RuleKind
from serving.rules.moves import EXAMPLES, Basis, Moves, Side

CODE = "030701"
ROW = AccessRow("ZJ-1", "占道经营", CODE, "镇街", "基本", "城管", (), "巡查", "", "条例", None, None, "1")


@lru_cache(maxsize=1)
def tables() -> tuple[LabelMaps, City]:
    maps = LabelMaps.load()
    return maps, City.load("haikou", maps)


def side(*rows: AccessRow, catalogue: tuple[CatalogueRow, ...] = (), kind: RuleKind = RuleKind.ACCESS_LIST) -> Side:
    axes = tables()[0].leaves, tuple(tables()[0].functions)
    return Side("某表", kind, AccessList(rows, *axes), Catalogue(catalogue, *axes))


def basis(folder: Path, count: int) -> Basis:
    """`count` cases in no known place, all of category CODE."""
    maps, city = tables()
    cases = folder / "cases.jsonl"
    lines = [
        json.dumps({"case_id": f"C{n}", "transcript": f"第{n}件"}, ensure_ascii=False) + "\n" for n in range(count)
    ]
    cases.write_text("".join(lines), encoding="utf-8")
    category = np.zeros((count, len(maps.leaves)), dtype=np.float16)
    category[:, maps.leaves.index(CODE)] = 1
    stored = StoredOutputs(
        case_id=np.array([f"C{n}" for n in range(count)]),
        offset=np.cumsum([0, *(len(line.encode()) for line in lines[:-1])]),
        day=np.full(count, "2026-05-03", dtype="datetime64[D]"),
        region_code=np.full(count, ""),
        named=np.full(count, ""),
        known=np.ones(count, dtype=np.bool_),
        kind=np.zeros(count, dtype=np.uint8),
        category=category,
        function=np.zeros((count, len(maps.functions)), dtype=np.float16),
        level=np.zeros((count, len(maps.levels)), dtype=np.float16),
    )
    return Basis(cases, stored, maps, city)


def at(units: Units, *cells: tuple[str, str]) -> Dispatches:
    """Cases that went to these (function, level) cells."""
    maps = tables()[0]
    functions = np.array([tuple(maps.functions).index(function) for function, _ in cells], dtype=np.int16)
    levels = np.array([maps.levels.index(level) for _, level in cells], dtype=np.int16)
    return Dispatches(units.at("", "")[levels, functions], functions, levels, np.ones(len(cells), dtype=np.float32))


def test_the_most_frequent_pair_comes_first_with_some_examples(tmp_path: Path) -> None:
    units = Units(tables()[1], tables()[0])
    before = at(units, *[("城管", "镇街")] * 8, ("公安", "市"))
    after = at(units, *[("城管", "区")] * 7, ("公安", "市"), ("教育", "市"))
    moves = Moves(basis(tmp_path, 9), units, before, after)
    found = list(moves.units(np.arange(9), side(ROW), side()))
    assert [pair.count for pair in found] == [7, 1, 1]
    assert found[0].old == "城管（镇街，属地待定）"
    assert [example.text for example in found[0].examples] == [f"第{n}件" for n in range(EXAMPLES)]
    assert found[0].examples[0].category == f"{CODE} {tables()[0].path(CODE)[-1]}"
    assert {pair.new for pair in found[1:]} == {"海口市公安局", "海口市教育局"}


def test_cells_leave_out_what_only_the_unit_changed(tmp_path: Path) -> None:
    units = Units(tables()[1], tables()[0])
    cells = [("城管", "镇街"), ("公安", "市")]
    moves = Moves(basis(tmp_path, 2), units, at(units, *cells), at(units, ("城管", "区"), cells[1]))
    assert [(pair.old, pair.new, pair.count) for pair in moves.cells(np.arange(2))] == [("城管·镇街", "城管·区", 1)]


def test_an_example_names_the_row_that_shut_the_old_door(tmp_path: Path) -> None:
    units = Units(tables()[1], tables()[0])
    moves = Moves(basis(tmp_path, 1), units, at(units, ("城管", "镇街")), at(units, ("城管", "区")))
    rows = np.arange(1)
    (shut,) = moves.units(rows, side(ROW), side())
    assert shut.examples[0].why == "新清单：准入清单未列入镇街事项，镇街不得主办"
    (both,) = moves.units(rows, side(ROW), side(ROW))
    assert both.examples[0].why == ""
    back = Moves(basis(tmp_path, 1), units, at(units, ("城管", "区")), at(units, ("城管", "镇街")))
    (opened,) = back.units(rows, side(), side(ROW))
    assert opened.examples[0].why.startswith("旧清单：准入清单未列入")


def test_a_catalogue_names_all_rows_that_speak(tmp_path: Path) -> None:
    units = Units(tables()[1], tables()[0])
    moves = Moves(basis(tmp_path, 1), units, at(units, ("城管", "市")), at(units, ("公安", "市")))
    rows = tuple(CatalogueRow(f"ML-{f}", CODE[:4], f, "市", (), {}, "条例", "binding") for f in ("公安", "交警"))
    kind = RuleKind.CATALOGUE
    (pair,) = moves.units(np.arange(1), side(kind=kind), side(catalogue=rows, kind=kind))
    assert pair.examples[0].why == "新目录 ML-交警、ML-公安：规定由交警、公安主办"
    (gone,) = moves.units(np.arange(1), side(catalogue=rows[:1], kind=kind), side(kind=kind))
    assert gone.examples[0].why == "旧目录 ML-公安：规定由公安主办"


def test_nothing_changed_gives_no_pairs(tmp_path: Path) -> None:
    units = Units(tables()[1], tables()[0])
    same = at(units, ("城管", "市"))
    moves = Moves(basis(tmp_path, 1), units, same, same)
    none = np.arange(0)
    assert list(moves.units(none, side(), side())) == list(moves.cells(none)) == []
