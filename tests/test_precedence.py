from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch_model.access_row import LISTS, AccessRow
from dispatch_model.city import City
from dispatch_model.directory import Region
from dispatch_model.labels import Category, Function, LabelMaps
from dispatch_model.precedence import Precedence, can_lead

LEAVES = ("010101", "010102", "010201", "9901")
CODES = ("01", "0101", "010101", "010102", "0102", "010201", "99", "9901")
FIRST = date(2026, 1, 1)
DAYS = tuple(FIRST + timedelta(days=count) for count in range(10))
SINCE = DAYS[3]
PATHS = {"": (), "D1": ("D1",), "S1": ("S1", "D1"), "D2": ("D2",)}
MAPS = LabelMaps(
    MappingProxyType({code: Category(code, code, code[:-2] or None) for code in CODES}),
    MappingProxyType({"城管": Function("城管", "范围")}),
    LEAVES,
    "0" * 16,
)
REGIONS = (
    Region("C", "某市", "市", None),
    Region("D1", "东区", "区", "C"),
    Region("S1", "一街道", "镇街", "D1"),
    Region("D2", "西区", "区", "C"),
)
CITY = City("某市", "tiny", {region.code: region for region in REGIONS}, {}, ("城管",))


def row(id: str = "R-1", **given: object) -> AccessRow:
    plain = AccessRow(id, "事项", "0101", "镇街", "基本", "城管", (), "职责", "", "依据", None, None, "1", 2)
    return replace(plain, **given)  # type: ignore[arg-type]


@st.composite
def lists(draw: st.DrawFn) -> list[AccessRow]:
    rows = []
    for number in range(draw(st.integers(1, 8))):
        level = draw(st.sampled_from(tuple(LISTS)))
        days = draw(st.tuples(*[st.none() | st.sampled_from(DAYS)] * 2))
        start, end = sorted(days) if None not in days else days
        rows.append(
            row(
                f"R-{number}",
                category=draw(st.sampled_from(CODES)),
                level=level,
                list=draw(st.sampled_from(LISTS[level])),
                region=draw(st.sampled_from(tuple(PATHS))),
                valid_from=start,
                valid_to=end,
                row=number,
            )
        )
    return rows


def decide(rows: Sequence[AccessRow], leaf: str, level: str, path: Sequence[str], day: date) -> list[AccessRow]:
    """Who decides, in the plainest words, written apart from the code under test."""
    rows = [row for row in rows if row.level == level and leaf.startswith(row.category)]
    rows = [row for row in rows if row.region in ("", *path) and row.valid_on(day)]
    rows = [row for row in rows if len(row.category) == max(len(other.category) for other in rows)]
    return [row for row in rows if row.restriction == max(other.restriction for other in rows)]


@settings(max_examples=150, deadline=None)
@given(rows=lists())
def test_a_row_is_eclipsed_exactly_when_it_decides_nothing_anywhere_any_more(rows: list[AccessRow]) -> None:
    order = Precedence(rows, MAPS, CITY)
    days = [SINCE + timedelta(days=count) for count in range(12)]
    for one in rows:
        if (one.valid_to or date.max) < SINCE:
            continue
        decides = any(
            one in decide(rows, leaf, one.level, path, day)
            for leaf in LEAVES
            for path in PATHS.values()
            for day in days
        )
        assert bool(order.eclipse(one, SINCE)) is not decides


@settings(max_examples=80, deadline=None)
@given(rows=lists(), place=st.sampled_from(tuple(PATHS)), day=st.sampled_from(DAYS))
def test_the_deciding_rows_are_those_of_the_rule(rows: list[AccessRow], place: str, day: date) -> None:
    order = Precedence(rows, MAPS, CITY)
    for level in LISTS:
        for leaf in LEAVES:
            expected = {one.id for one in decide(rows, leaf, level, PATHS[place], day)}
            assert {one.id for one in order.deciding(leaf, level, place, day)} == expected


@settings(max_examples=80, deadline=None)
@given(rows=lists())
def test_a_revoked_matter_above_is_really_decided_so(rows: list[AccessRow]) -> None:
    order = Precedence(rows, MAPS, CITY)
    for one in rows:
        found = order.revoked_above(one, SINCE) if one.level == "村居" and can_lead(one) else None
        if found:
            other, leaf = found
            assert any(
                one in decide(rows, leaf, "村居", path, day) and other in decide(rows, leaf, "镇街", path, day)
                for path in PATHS.values()
                for day in DAYS
            )


@pytest.mark.parametrize(("one", "other", "found"), [("S1", "D1", True), ("D1", "S1", True), ("D2", "S1", False)])
def test_rows_meet_where_one_region_lies_in_the_other(one: str, other: str, found: bool) -> None:
    leads = row("C-1", level="村居", list="履职", region=one)
    order = Precedence([leads, row("Z-1", list="收回", region=other, category="01")], MAPS, CITY)
    assert bool(order.revoked_above(leads, FIRST)) is found


def test_a_region_column_names_no_city() -> None:
    order = Precedence([], MAPS, CITY)
    assert order.places("S1") == ("S1", "D1", "")
    assert order.places("") == ("",)
    assert list(order.leaves("01")) == ["010101", "010102", "010201"]


def test_wider_rows_come_nearest_first() -> None:
    rows = [row("city"), row("own", region="S1"), row("district", region="D1"), row("else", region="D2")]
    assert [one.id for one in Precedence(rows, MAPS, CITY).same_in_wider(rows[1])] == ["district", "city"]
