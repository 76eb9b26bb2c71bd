"""The example rules of Haikou, read as an office would: complete, dated, local, and open where they should be."""

import re
from collections import defaultdict
from datetime import date
from functools import lru_cache
from pathlib import Path

import pytest

from dispatch_model.access_list import AccessList
from dispatch_model.access_row import LISTS, AccessRow
from dispatch_model.catalogue import Catalogue
from dispatch_model.city import City
from dispatch_model.labels import LabelMaps
from dispatch_model.lint_access import check_access_list

CONFIGS = Path(__file__).parent.parent / "configs" / "haikou"
YEARS = (2026, 2027)
ORDINARY_DAY = date(2026, 1, 5)  # no season is on
ID = re.compile(r"(ZJ-(?:JB|PH|SH)|CJ-(?:LZ|XZ|FM))-\d{3}")
LIST_IDS = {"基本": "ZJ-JB", "配合": "ZJ-PH", "收回": "ZJ-SH", "履职": "CJ-LZ", "协助": "CJ-XZ", "负面": "CJ-FM"}


@lru_cache(maxsize=1)
def labels() -> tuple[LabelMaps, City]:
    maps = LabelMaps.load()
    return maps, City.load("haikou", maps)


@lru_cache(maxsize=1)
def access_list() -> AccessList:
    return AccessList.load(CONFIGS / "access_list.csv", *labels())


@lru_cache(maxsize=1)
def catalogue() -> Catalogue:
    return Catalogue.load(CONFIGS / "catalogue.csv", labels()[0])


def path_of(place: str) -> tuple[str, ...]:
    """Region codes of a place written like 龙华区/金贸街道 and of all it lies in; '' is the whole city."""
    city = labels()[1]
    if not place:
        return ()
    code = next(code for code in city.regions if city.region_path(code) == f"{city.name}/{place}")
    return tuple(region.code for region in city.ancestors(code))


def allowed(category: str, function: str, level: str, place: str = "", day: date = ORDINARY_DAY) -> bool:
    return access_list().decide(category, function, level, path_of(place), day).allowed


def seasons() -> dict[tuple[str, str, str, str], list[AccessRow]]:
    groups: dict[tuple[str, str, str, str], list[AccessRow]] = defaultdict(list)
    for row in access_list().rows:
        if row.valid_from:
            groups[row.level, row.category, row.region, row.matter].append(row)
    return groups


def test_the_list_covers_every_top_category_at_both_levels() -> None:
    rows = access_list().rows
    tops = {code for code in labels()[0].categories if len(code) == 2}
    assert len(rows) >= 350
    for level in LISTS:
        assert {row.category[:2] for row in rows if row.level == level} == tops
    assert {(row.level, row.list) for row in rows} == {(level, name) for level in LISTS for name in LISTS[level]}


def test_every_row_says_what_is_done_and_on_what_ground() -> None:
    for row in access_list().rows:
        assert ID.fullmatch(row.id)
        assert row.id.startswith(LIST_IDS[row.list]), row.id
        assert "《" in row.basis or row.basis.startswith("中办、国办关于"), row.id
        assert len(row.duty) >= 4, row.id
        assert row.lead_function not in row.co_functions, row.id


def test_all_four_districts_have_rows_of_their_own_for_streets_and_villages() -> None:
    city = labels()[1]
    places = [city.regions[row.region] for row in access_list().rows if row.region]
    districts = {region.name for place in places for region in city.ancestors(place.code) if region.level == "区"}
    assert {"秀英区", "龙华区", "琼山区", "美兰区"} <= districts
    assert {"区", "镇街", "村居"} <= {place.level for place in places}


def test_a_season_stands_in_the_list_for_both_years() -> None:
    assert len(seasons()) >= 20
    for (_, category, _, matter), rows in seasons().items():
        assert tuple(sorted(row.valid_from.year for row in rows if row.valid_from)) == YEARS, (category, matter)
        assert all(row.valid_from and row.valid_to and row.valid_from < row.valid_to for row in rows), matter


def test_no_row_is_shadowed_repeated_or_out_of_date_and_no_village_may_do_what_a_street_may_not() -> None:
    found = check_access_list(access_list(), *labels(), ORDINARY_DAY)
    assert [f"{one.id} {one.text}" for one in found] == []


@pytest.mark.parametrize(
    ("category", "function", "level", "place", "inside", "outside"),
    [
        ("070701", "应急消防", "镇街", "", (8, 1), (12, 15)),  # 台风季防风值守
        ("060201", "市政环卫", "镇街", "", (9, 1), (4, 1)),  # 台风后倒伏树木
        ("070703", "应急消防", "镇街", "美兰区/演丰镇", (10, 1), (3, 1)),  # 风暴潮转移
        ("070705", "应急消防", "镇街", "", (4, 4), (7, 1)),  # 森林防火期
        ("040201", "住建", "村居", "", (6, 8), (7, 8)),  # 高考期间装修
    ],
)
def test_a_season_opens_and_closes(
    category: str, function: str, level: str, place: str, inside: tuple[int, int], outside: tuple[int, int]
) -> None:
    for year in YEARS:
        assert allowed(category, function, level, place, date(year, *inside))
        assert not allowed(category, function, level, place, date(year, *outside))


@pytest.mark.parametrize(
    ("category", "day", "rule"),
    [
        ("030701", date(2026, 2, 10), "春节年货街"),
        ("030701", date(2027, 2, 1), "春节年货街"),
        ("070399", date(2026, 2, 17), "春节烟花爆竹"),
        ("070399", date(2027, 2, 6), "春节烟花爆竹"),
        ("010203", date(2026, 6, 7), "高考"),
        ("070302", date(2027, 7, 20), "暑期防溺水"),
    ],
)
def test_in_season_the_street_is_told_its_seasonal_duty(category: str, day: date, rule: str) -> None:
    verdict = access_list().decide(category, "属地政府", "镇街", (), day)
    assert verdict.row is not None
    assert verdict.row.matter.startswith(rule)


@pytest.mark.parametrize(
    ("category", "function", "level", "opened", "closed"),
    [
        ("040207", "市政环卫", "镇街", "秀英区/西秀镇", "秀英区/石山镇"),  # 海漂垃圾只归沿海镇街
        ("040301", "水务", "镇街", "琼山区/三门坡镇", "琼山区/国兴街道"),  # 镇管小型水库
        ("050601", "交通运输", "镇街", "龙华区/新坡镇", "龙华区/大同街道"),  # 镇管渡口
        ("030703", "城管", "镇街", "龙华区/金贸街道", "龙华区/中山街道"),  # 骑楼街区由区里统一整治
        ("030708", "城管", "镇街", "美兰区/海府街道", "龙华区/中山街道"),
        ("030401", "农业农村", "镇街", "美兰区/大致坡镇", "美兰区/罗牛山农场"),  # 农场用地不是宅基地
        ("030401", "农业农村", "镇街", "琼山区/大坡镇", "琼山区/岭脚热带作物场"),
    ],
)
def test_what_a_street_may_lead_depends_on_the_place(
    category: str, function: str, level: str, opened: str, closed: str
) -> None:
    assert allowed(category, function, level, opened)
    assert not allowed(category, function, level, closed)


def test_a_village_row_holds_in_its_village_only() -> None:
    day = date(2026, 6, 1)
    for place, list_name in (("美兰区/灵山镇/东营村", "协助"), ("美兰区/灵山镇/大林村", "负面")):
        row = access_list().decide("060303", "农业农村", "村居", path_of(place), day).row
        assert row is not None
        assert row.list == list_name


@pytest.mark.parametrize("level", ["镇街", "村居"])
@pytest.mark.parametrize(
    "category", ["990900", "990701", "990802", "999900", "030303", "030705", "0401", "1102", "1302", "0511", "0902"]
)
def test_what_is_not_the_grassroots_business_never_goes_there(category: str, level: str) -> None:
    maps = labels()[0]
    leaves = [leaf for leaf in maps.leaves_under(category) if leaf not in ("051105", "051111")]  # 停车协调、乱停放劝导
    assert leaves
    assert not any(allowed(leaf, function, level) for leaf in leaves for function in maps.functions)


def test_every_case_finds_a_row_of_the_catalogue() -> None:
    assert [leaf for leaf in labels()[0].leaves if not catalogue().rows_for(leaf)] == []


def test_whom_the_catalogue_names_at_the_grassroots_the_list_admits() -> None:
    named = [(leaf, row) for leaf in labels()[0].leaves for row in catalogue().rows_for(leaf) if row.level in LISTS]
    assert len(named) >= 30
    for leaf, row in named:
        assert allowed(leaf, row.lead_function, row.level), (leaf, row.id)


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
    assert access_list().decide(category, function, level, (), ORDINARY_DAY).allowed


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
    verdict = access_list().decide(category, function, level, (), ORDINARY_DAY)
    assert not verdict.allowed
    assert verdict.row is not None
