import time
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from random import Random

import pytest

from dispatch_model import rules
from dispatch_model.access_list import AccessList
from dispatch_model.access_row import LISTS, AccessRow
from dispatch_model.calendar import Calendar, known_until
from dispatch_model.catalogue import Catalogue, CatalogueRow
from dispatch_model.city import City
from dispatch_model.finding import Finding
from dispatch_model.labels import LabelMaps
from dispatch_model.lint import Severity, lint
from dispatch_model.rules import RuleKind, RuleSet
from dispatch_model.triggers import COLUMNS, Triggers

SHIPPED = Path(__file__).parent.parent / "configs" / "haikou"
DAY = date(2026, 5, 1)


@pytest.fixture(scope="module")
def city(maps: LabelMaps) -> City:
    return City.load("haikou", maps)


@pytest.fixture(scope="module")
def shipped(maps: LabelMaps, city: City) -> dict[RuleKind, RuleSet]:
    return {kind: rules.load(kind, SHIPPED / f"{kind}.csv", maps, city) for kind in RuleKind}


@pytest.mark.parametrize("kind", RuleKind)
def test_the_shipped_rules_have_no_errors_and_few_warnings(
    kind: RuleKind, maps: LabelMaps, city: City, shipped: dict[RuleKind, RuleSet]
) -> None:
    found = lint(kind, shipped[kind], maps, city, other=shipped, day=DAY)
    assert [one for one in found if one.severity is Severity.ERROR] == []
    assert len(found) <= 20
    numbers = [one.row for one in found if one.row]
    assert numbers == sorted(numbers)


def test_what_concerns_the_whole_file_comes_last(maps: LabelMaps, city: City) -> None:
    row = CatalogueRow("M-1", "0307", "城管", "村居", ("城管",), {}, "依据", "prior", 2)
    found = catalogue(maps, city, row)
    assert [one.row for one in found] == [2, 2, None, None]


def catalogue(
    maps: LabelMaps, city: City, *rows: CatalogueRow, calendar: Calendar | None = None
) -> tuple[Finding, ...]:
    found = Catalogue(rows, maps.leaves, tuple(maps.functions))
    given = {"calendar": calendar} if calendar else {}
    return lint(RuleKind.CATALOGUE, found, maps, city, other={}, day=DAY, **given)


def entry(id: str, category: str, **given: object) -> CatalogueRow:
    return replace(CatalogueRow(id, category, "城管", "区", (), {"投诉": 5}, "依据", "prior", 2), **given)  # type: ignore[arg-type]


def test_a_catalogue_is_read_for_rows_that_never_speak(maps: LabelMaps, city: City) -> None:
    everything = [entry(top, top) for top in maps.categories if len(top) == 2]
    assert catalogue(maps, city, *everything) == ()
    narrow = [entry(code, code) for code in maps.categories if len(code) == 4 and code.startswith("03")]
    (one,) = catalogue(maps, city, *everything, *narrow)
    assert (one.id, one.column) == ("03", "category")
    assert one.text.startswith("永远不会生效：03 之下的每个类别")


def test_leaves_without_a_row_are_named(maps: LabelMaps, city: City) -> None:
    (one,) = catalogue(maps, city, *(entry(top, top) for top in maps.categories if len(top) == 2 and top != "99"))
    assert one.text.startswith("末级类别 990100、990200、")


def test_a_deadline_beyond_the_announced_holidays_is_told(maps: LabelMaps, city: City) -> None:
    far = [entry(top, top, days={"投诉": 180}) for top in maps.categories if len(top) == 2]
    (one,) = catalogue(maps, city, *far)
    assert one.text.startswith(
        f"节假日和调休只公布到 {known_until().year} 年底：2026-05-01 受理的工单时限最长 180 个工作日"
    )
    filled = Calendar({date(known_until().year + 1, 1, 1): False})
    assert catalogue(maps, city, *far, calendar=filled) == ()


def triggers(tmp_path: Path, maps: LabelMaps, city: City, *rows: str) -> tuple[Finding, ...]:
    file = tmp_path / "triggers.csv"
    file.write_text("\n".join([",".join(COLUMNS), *rows]), encoding="utf-8")
    return lint(RuleKind.TRIGGERS, Triggers.load(file), maps, city, other={}, day=DAY)


@pytest.mark.parametrize(
    ("row", "column", "told"),
    [
        ("T-2,emergency,漏气,,119,燃气,依据", "pattern", "与第 2 行（T-1）的处置方式和匹配式相同"),
        ("T-2,emergency,起火,起火,119,火情,依据", "unless", "永远不会触发"),
        ("T-2,emergency,(?:着?火+)+,,119,火情,依据", "pattern", "嵌套的重复"),
        ("从前,define,上次|之前,,－,从前的事,依据", "id", "没有任何条目引用 {从前}"),
    ],
)
def test_triggers_that_do_nothing_are_told(
    tmp_path: Path, maps: LabelMaps, city: City, row: str, column: str, told: str
) -> None:
    (one,) = triggers(tmp_path, maps, city, "T-1,emergency,漏气,轮胎,119,燃气,依据", row)
    assert (one.row, one.column) == (3, column)
    assert told in one.text


def test_sound_triggers_have_no_findings(tmp_path: Path, maps: LabelMaps, city: City) -> None:
    rows = ("从前,define,上次|之前,,－,从前的事,依据", "T-1,emergency,漏气(?:了)?,{从前},119,燃气,依据")
    assert triggers(tmp_path, maps, city, *rows) == ()


def test_without_the_other_tables_only_the_own_rows_are_checked(
    maps: LabelMaps, city: City, shipped: dict[RuleKind, RuleSet]
) -> None:
    access_list = shipped[RuleKind.ACCESS_LIST]
    assert isinstance(access_list, AccessList)
    alone = lint(RuleKind.ACCESS_LIST, access_list, maps, city, other={}, day=DAY)
    assert set(alone) <= set(lint(RuleKind.ACCESS_LIST, access_list, maps, city, other=shipped, day=DAY))


def test_a_list_of_5000_rows_is_checked_while_an_office_waits(
    maps: LabelMaps, city: City, shipped: dict[RuleKind, RuleSet]
) -> None:
    chance = Random(7)
    codes, places = list(maps.categories), ["", *(code for code in city.regions if code != city.root.code)]
    rows = []
    for number in range(5000):
        level = chance.choice(tuple(LISTS))
        start = chance.choice((None, DAY + timedelta(days=chance.randrange(400))))
        end = chance.choice((None, (start or DAY) + timedelta(days=chance.randrange(400))))
        lead = chance.choice(("", *maps.functions))
        where, name = chance.choice(places), chance.choice(LISTS[level])
        cells = (chance.choice(codes), level, name, lead, (), "职责", where, "依据", start, end, "1", number)
        rows.append(AccessRow(f"R-{number}", "事项", *cells))
    access_list = AccessList(rows, maps.leaves, tuple(maps.functions))
    started = time.perf_counter()
    assert lint(RuleKind.ACCESS_LIST, access_list, maps, city, other=shipped, day=DAY)
    assert time.perf_counter() - started < 5
