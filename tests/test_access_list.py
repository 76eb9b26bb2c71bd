from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch_model.access_list import AccessList
from dispatch_model.access_row import LISTS, AccessRow
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LEVELS

LEAVES = ("010101", "010102", "010201", "020101", "9901")
CODES = ("01", "0101", "010101", "010102", "0102", "010201", "02", "0201", "020101", "99", "9901")
FUNCTIONS = ("城管", "住建", "民政", "属地政府")
REGIONS = ("", "D1", "D1S1", "D2")
PATHS = ((), ("city",), ("D1", "city"), ("D1S1", "D1", "city"), ("D2", "city"))
FIRST = date(2026, 1, 1)
DAYS = tuple(FIRST + timedelta(days=count) for count in range(12))


def row(number: int = 1, **given: object) -> AccessRow:
    plain = AccessRow("R-001", "事项", "0101", "镇街", "基本", "城管", (), "职责", "", "依据", None, None, "1", number)
    return replace(plain, **given)  # type: ignore[arg-type]


@st.composite
def access_rows(draw: st.DrawFn) -> list[AccessRow]:
    """Any list, contradictions included: precedence has to settle those too."""
    rows = []
    for number in range(draw(st.integers(0, 12))):
        level = draw(st.sampled_from(tuple(LISTS)))
        day = st.none() | st.sampled_from(DAYS)
        rows.append(
            row(
                number,
                id=f"R-{number:03d}",
                category=draw(st.sampled_from(CODES)),
                level=level,
                list=draw(st.sampled_from(LISTS[level])),
                lead_function=draw(st.sampled_from(("", *FUNCTIONS))),
                region=draw(st.sampled_from(REGIONS)),
                valid_from=draw(day),
                valid_to=draw(day),
            )
        )
    return rows


def lawful(rows: Sequence[AccessRow], category: str, function: str, level: str, path: Sequence[str], day: date) -> bool:
    """The rule of docs in the plainest words, written apart from the code under test."""
    if level in ("市", "区"):
        return True
    rows = [row for row in rows if row.level == level and category.startswith(row.category)]
    rows = [row for row in rows if row.region == "" or row.region in path]
    rows = [row for row in rows if row.valid_from is None or row.valid_from <= day]
    rows = [row for row in rows if row.valid_to is None or day <= row.valid_to]
    longest = max((len(row.category) for row in rows), default=0)
    rows = [row for row in rows if len(row.category) == longest]
    if not rows or any(row.list not in ("基本", "履职") for row in rows):
        return False
    return any(row.lead_function in ("", function) or function == "属地政府" for row in rows)


@settings(max_examples=60, deadline=None)
@given(rows=access_rows(), path=st.sampled_from(PATHS), day=st.sampled_from(DAYS))
def test_mask_and_decide_both_say_what_the_rule_says(rows: list[AccessRow], path: tuple[str, ...], day: date) -> None:
    access_list = AccessList(rows, LEAVES, FUNCTIONS)
    mask = access_list.mask(path, day)
    for c, category in enumerate(LEAVES):
        for f, function in enumerate(FUNCTIONS):
            for level_axis, level in enumerate(LEVELS):
                expected = lawful(rows, category, function, level, path, day)
                verdict = access_list.decide(category, function, level, path, day)
                assert (mask[c, f, level_axis], verdict.allowed) == (expected, expected), (category, function, level)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), rows=access_rows(), path=st.sampled_from(PATHS), day=st.sampled_from(DAYS))
def test_row_order_is_irrelevant(data: st.DataObject, rows: list[AccessRow], path: tuple[str, ...], day: date) -> None:
    shuffled = data.draw(st.permutations(rows))
    one, other = AccessList(rows, LEAVES, FUNCTIONS), AccessList(shuffled, LEAVES, FUNCTIONS)
    assert (one.mask(path, day) == other.mask(path, day)).all()
    assert one.version == other.version
    for category in LEAVES:
        verdicts = [each.decide(category, "城管", "镇街", path, day) for each in (one, other)]
        assert verdicts[0] == verdicts[1]


@settings(max_examples=60, deadline=None)
@given(
    rows=access_rows(),
    path=st.sampled_from(PATHS),
    day=st.sampled_from(DAYS),
    change=st.sampled_from(
        (
            {"category": "0301"},
            {"region": "D9"},
            {"valid_to": FIRST - timedelta(days=1)},
            {"valid_from": DAYS[-1] + timedelta(days=1)},
        )
    ),
    name=st.sampled_from(("基本", "收回")),
)
def test_an_unrelated_row_changes_nothing(
    rows: list[AccessRow], path: tuple[str, ...], day: date, change: dict[str, object], name: str
) -> None:
    unrelated = row(99, id="R-999", list=name, **change)
    before = AccessList(rows, LEAVES, FUNCTIONS).mask(path, day)
    after = AccessList([*rows, unrelated], LEAVES, FUNCTIONS).mask(path, day)
    assert (before == after).all()


def test_the_longest_prefix_decides_even_when_it_is_more_open() -> None:
    rows = [row(id="wide", category="01", list="收回"), row(id="narrow", category="010101", list="基本")]
    access_list = AccessList(rows, LEAVES, FUNCTIONS)
    opened = access_list.decide("010101", "城管", "镇街", (), FIRST)
    closed = access_list.decide("010102", "城管", "镇街", (), FIRST)
    assert (opened.allowed, opened.row) == (True, rows[1])
    assert (closed.allowed, closed.row) == (False, rows[0])
    assert closed.text == "准入清单 wide（收回）：事项，镇街不得主办，应由上级城管主办"


def test_the_more_restrictive_row_wins_over_the_narrower_region() -> None:
    rows = [row(id="city", list="收回"), row(id="street", list="基本", region="D1S1")]
    assert not AccessList(rows, LEAVES, FUNCTIONS).decide("010101", "城管", "镇街", ("D1S1", "D1"), FIRST).allowed


def test_only_the_named_functions_and_the_local_government_may_lead() -> None:
    rows = [row(id="a", lead_function="城管"), row(id="b", lead_function="民政")]
    access_list = AccessList(rows, LEAVES, FUNCTIONS)
    allowed = {name: access_list.decide("010101", name, "镇街", (), FIRST) for name in FUNCTIONS}
    assert {name for name, verdict in allowed.items() if verdict.allowed} == {"城管", "民政", "属地政府"}
    assert allowed["民政"].row == rows[1]
    assert allowed["住建"].text.endswith("镇街只能由城管、民政、属地政府主办")


def test_consulted_are_all_rows_in_force_the_deciding_ones_first() -> None:
    rows = [
        row(id="wide", category="01"),
        row(id="b", category="010101", list="收回"),
        row(id="a", category="010101", list="收回", region="D1"),
        row(id="open", category="010101"),
        row(id="middle", category="0101", list="配合"),
        row(id="elsewhere", category="0101", region="D2"),
        row(id="over", category="0101", valid_to=FIRST - timedelta(days=1)),
        row(id="community", category="0101", level="村居", list="履职"),
        row(id="other matter", category="010102"),
    ]
    access_list = AccessList(rows, LEAVES, FUNCTIONS)
    consulted = access_list.consulted("010101", "镇街", ("D1", "city"), FIRST)
    assert [one.id for one in consulted] == ["a", "b", "open", "middle", "wide"]
    assert access_list.decide("010101", "城管", "镇街", ("D1", "city"), FIRST).row == consulted[0]
    assert [one.id for one in access_list.consulted("01", "镇街", (), FIRST)] == ["wide"]
    assert access_list.consulted("010101", "区", (), FIRST) == ()


@settings(max_examples=60, deadline=None)
@given(rows=access_rows(), path=st.sampled_from(PATHS), day=st.sampled_from(DAYS))
def test_a_verdict_rests_on_what_was_consulted(rows: list[AccessRow], path: tuple[str, ...], day: date) -> None:
    access_list = AccessList(rows, LEAVES, FUNCTIONS)
    for category in LEAVES:
        for level in LISTS:
            consulted = access_list.consulted(category, level, path, day)
            verdict = access_list.decide(category, "城管", level, path, day)
            assert AccessList(consulted, LEAVES, FUNCTIONS).decide(category, "城管", level, path, day) == verdict
            assert len(consulted) == len(set(consulted))
            assert (verdict.row in consulted) if consulted else verdict.row is None


@settings(max_examples=60, deadline=None)
@given(rows=access_rows(), day=st.sampled_from(DAYS))
def test_a_verdict_that_asks_no_place_is_the_same_everywhere(rows: list[AccessRow], day: date) -> None:
    access_list = AccessList(rows, LEAVES, FUNCTIONS)
    for category in LEAVES:
        for level in LISTS:
            verdicts = {access_list.decide(category, "城管", level, path, day).allowed for path in PATHS}
            assert len(verdicts) == 1 or access_list.asks_place(category, level)


def test_only_rows_for_a_region_ask_the_place() -> None:
    access_list = AccessList([row(category="01"), row(category="0102", region="D1")], LEAVES, FUNCTIONS)
    asked = {category: access_list.asks_place(category, "镇街") for category in LEAVES}
    assert [category for category, asks in asked.items() if asks] == ["010201"]


def test_both_ends_of_validity_are_inclusive() -> None:
    access_list = AccessList([row(valid_from=DAYS[2], valid_to=DAYS[4])], LEAVES, FUNCTIONS)
    allowed = [access_list.decide("010101", "城管", "镇街", (), day).allowed for day in DAYS[:7]]
    assert allowed == [False, False, True, True, True, False, False]


def test_a_row_may_be_valid_to_the_end_of_time() -> None:
    access_list = AccessList([row(valid_to=date.max)], LEAVES, FUNCTIONS)
    assert access_list.decide("010101", "城管", "镇街", (), date.max).allowed


def test_the_same_rows_in_force_share_one_read_only_mask() -> None:
    access_list = AccessList([row(), row(id="R-002", region="D1", category="02")], LEAVES, FUNCTIONS)
    mask = access_list.mask(("D2", "city"), DAYS[0])
    assert access_list.mask((), DAYS[5]) is mask
    assert access_list.mask(("D1", "city"), DAYS[0]) is not mask
    with pytest.raises(ValueError, match="read-only"):
        mask[0, 0, 0] = False


def test_the_version_names_the_content() -> None:
    version = AccessList([row()], LEAVES, FUNCTIONS).version
    assert version.startswith("1-")
    assert AccessList([row(7)], LEAVES, FUNCTIONS).version == version
    assert AccessList([row(duty="另一职责")], LEAVES, FUNCTIONS).version != version


def test_an_unknown_function_is_named_with_its_neighbours() -> None:
    with pytest.raises(DispatchError, match="没有“城管局”这个职能；是否想写：城管") as caught:
        AccessList([row()], LEAVES, FUNCTIONS).decide("010101", "城管局", "镇街", (), FIRST)
    assert caught.value.kind is ErrorKind.INVALID_RULES
