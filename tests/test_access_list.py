import csv
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch_model.access_list import AccessList
from dispatch_model.access_row import COLUMNS, LISTS, AccessRow
from dispatch_model.city import City
from dispatch_model.directory import Region
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LEVELS, Category, Function, LabelMaps

SHIPPED = Path(__file__).parent.parent / "configs" / "haikou" / "access_list.csv"
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


def tiny_maps() -> LabelMaps:
    categories = {code: Category(code, f"类{code}", code[:-2] or None) for code in CODES}
    functions = {name: Function(name, "范围") for name in FUNCTIONS}
    return LabelMaps(MappingProxyType(categories), MappingProxyType(functions), LEAVES, "0" * 16)


def tiny_city() -> City:
    regions = (
        Region("C", "某市", "市", None),
        Region("D1", "东区", "区", "C"),
        Region("D1S1", "一街道", "镇街", "D1"),
        Region("D2", "西区", "区", "C"),
    )
    return City("某市", "tiny", {region.code: region for region in regions}, {}, FUNCTIONS)


def load(tmp_path: Path, *rows: dict[str, str], encoding: str = "utf-8") -> AccessList:
    path = tmp_path / "access_list.csv"
    plain = {"matter": "事项", "category": "0101", "level": "镇街", "list": "基本", "duty": "职责", "basis": "依据"}
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows({"id": f"R-{number}", **plain, **given} for number, given in enumerate(rows, start=1))
    return AccessList.load(path, tiny_maps(), tiny_city())


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_file_is_read_with_or_without_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    given = {"co_functions": "住建|民政", "region": "东区/一街道", "valid_from": "2026/1/2", "version": "7"}
    access_list = load(tmp_path, given, encoding=encoding)
    expected = row(2, id="R-1", lead_function="", co_functions=("住建", "民政"), region="D1S1", version="7")
    assert access_list.rows == (replace(expected, valid_from=date(2026, 1, 2)),)


@pytest.mark.parametrize(
    ("written", "code"), [("", ""), ("C", ""), ("某市", ""), ("D1", "D1"), ("东区", "D1"), ("某市/东区/一街道", "D1S1")]
)
def test_a_region_is_written_as_code_or_name(tmp_path: Path, written: str, code: str) -> None:
    assert load(tmp_path, {"region": written}).rows[0].region == code


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"category": "0109"},
            "category 列：“0109”不是诉求类别代码，应为 DB44/T 2479-2024 的 2、4 或 6 位代码（是否想写：01",
        ),
        ({"level": "区"}, "level 列：“区”不在允许的取值之内，应为：镇街、村居"),
        ({"list": "履职"}, "list 列：“履职”不在允许的取值之内，应为：基本、配合、收回"),
        ({"level": "村居", "list": "负责"}, "应为：履职、协助、负面（是否想写：负面？）"),
        (
            {"lead_function": "城官"},
            "lead_function 列：“城官”不在允许的取值之内，应为：（空）、城管、住建、民政、属地政府（是否想写：城管",
        ),
        (
            {"co_functions": "住建|民证"},
            "co_functions 列：“民证”不在允许的取值之内，应为：城管、住建、民政、属地政府；多个用 | 分隔",
        ),
        ({"region": "东区/二街道"}, "region 列：“东区/二街道”不是本市的区域"),
        ({"valid_from": "2026-02-30"}, "valid_from 列：“2026-02-30”不是日期，应写作 2026-05-01"),
        ({"valid_from": "2026-05-02", "valid_to": "2026-05-01"}, "valid_to 列：“2026-05-01”早于生效日期 2026-05-02"),
        ({"basis": " "}, "basis 列：为空，此列必填"),
        ({"matter": ""}, "matter 列：为空，此列必填"),
    ],
)
def test_a_bad_cell_is_refused_with_row_column_value_and_what_was_allowed(
    tmp_path: Path, given: dict[str, str], told: str
) -> None:
    with pytest.raises(DispatchError) as caught:
        load(tmp_path, {}, {"category": "02", **given})
    assert caught.value.kind is ErrorKind.INVALID_RULES
    assert caught.value.message.startswith("access_list.csv 第 3 行 ")
    assert told in caught.value.message


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(DispatchError, match=r"access_list\.csv 有 3 处错误") as caught:
        load(tmp_path, {"level": "街道"}, {"category": "02", "basis": ""}, {"id": "R-1", "category": "9901"})
    assert [detail.split("：")[0] for detail in caught.value.details] == [
        "access_list.csv 第 4 行 id 列",
        "access_list.csv 第 2 行 level 列",
        "access_list.csv 第 3 行 basis 列",
    ]


def test_a_contradiction_names_both_rows(tmp_path: Path) -> None:
    with pytest.raises(DispatchError) as caught:
        load(tmp_path, {"valid_to": "2026-06-30"}, {"list": "收回", "valid_from": "2026-06-30"})
    assert "第 3 行 list 列：“收回”（R-2）与第 2 行（R-1）的“基本”矛盾" in caught.value.message


def test_every_row_that_contradicts_another_is_told(tmp_path: Path) -> None:
    with pytest.raises(DispatchError) as caught:
        load(
            tmp_path,
            {},
            {"list": "收回", "valid_from": "2026-01-01", "valid_to": "2026-01-31"},
            {"list": "收回", "valid_from": "2026-03-01", "valid_to": "2026-03-31"},
            {"list": "配合", "valid_from": "2026-03-31", "valid_to": "2026-04-30"},
        )
    named = [(detail.split(" 行")[0][-1], detail.split("与第 ")[1][0]) for detail in caught.value.details]
    assert named == [("3", "2"), ("4", "2"), ("5", "2"), ("5", "4")]


def test_a_sheet_of_contradictions_is_refused_in_bounded_time(tmp_path: Path) -> None:
    rows = [{"list": "收回" if number % 2 else "基本"} for number in range(3_000)]
    start = time.perf_counter()
    with pytest.raises(DispatchError, match=r"有 2999 处错误"):
        load(tmp_path, *rows)
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    "given", [{"valid_from": "2026-07-01"}, {"region": "D1"}, {"category": "010101"}, {"level": "村居", "list": "负面"}]
)
def test_rows_that_never_meet_are_no_contradiction(tmp_path: Path, given: dict[str, str]) -> None:
    assert len(load(tmp_path, {"valid_to": "2026-06-30"}, {"list": "收回", **given}).rows) == 2


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = tmp_path / "access_list.csv"
    path.write_text(",".join(column for column in COLUMNS if column != "basis"), encoding="utf-8")
    with pytest.raises(DispatchError, match="basis"):
        AccessList.load(path, tiny_maps(), tiny_city())


def shipped() -> AccessList:
    maps = LabelMaps.load()
    return AccessList.load(SHIPPED, maps, City.load("haikou", maps))


def test_the_shipped_list_covers_every_top_category_and_list() -> None:
    rows = shipped().rows
    assert len(rows) >= 160
    assert len({row.category[:2] for row in rows}) == 14
    assert {(row.level, row.list) for row in rows} == {(level, name) for level in LISTS for name in LISTS[level]}


@pytest.mark.parametrize(
    ("category", "function", "level"),
    [
        ("030608", "住建", "镇街"),  # 小区协调
        ("030701", "城管", "镇街"),  # 占道摊点劝导
        ("030302", "市政环卫", "镇街"),  # 环境整治牵头
        ("060103", "农业农村", "镇街"),  # 村务争议
        ("090108", "民政", "镇街"),  # 民政低保初审
        ("090302", "住建", "镇街"),  # 业委会换届指导
        ("090305", "属地政府", "镇街"),  # 邻里与小区公共秩序
        ("030401", "农业农村", "镇街"),  # 宅基地初审
        ("090305", "属地政府", "村居"),  # 邻里劝解
        ("030604", "住建", "村居"),  # 楼道堆物
        ("070202", "属地政府", "村居"),  # 居住类证明
        ("090108", "民政", "村居"),  # 入户走访
        ("090399", "属地政府", "村居"),  # 居务公开
        ("010302", "文旅体", "村居"),  # 社区活动
        ("090101", "民政", "村居"),  # 独居老人
        ("030711", "城管", "村居"),  # 门前卫生
    ],
)
def test_the_shipped_list_lets_the_grassroots_lead_its_own_matters(category: str, function: str, level: str) -> None:
    assert shipped().decide(category, function, level, (), FIRST).allowed


@pytest.mark.parametrize(
    ("category", "function", "level"),
    [
        ("030303", "城管", "镇街"),  # 违建查处
        ("030705", "城管", "镇街"),  # 露天烧烤
        ("070402", "应急消防", "镇街"),
        ("100205", "市场监管", "镇街"),
        ("110203", "税务", "镇街"),
        ("051104", "交警", "镇街"),
        ("030303", "城管", "村居"),
        ("030701", "城管", "村居"),
        ("080508", "人社", "村居"),
    ],
)
def test_the_shipped_list_keeps_department_matters_from_the_grassroots(
    category: str, function: str, level: str
) -> None:
    verdict = shipped().decide(category, function, level, (), FIRST)
    assert not verdict.allowed
    assert verdict.row is not None
