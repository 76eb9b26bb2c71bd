from pathlib import Path

import pytest

from dispatch_model.city import City, cities
from dispatch_model.errors import DispatchError
from dispatch_model.labels import LabelMaps

DISTRICTS = ("460105", "460106", "460107", "460108")
REGIONS = """code,name,level,parent,aliases
1,椰城市,市,,椰城|椰海省椰城市
11,东区,区,1,
111,河街道,镇街,11,
1111,桥社区,村居,111,
1112,坡村,村居,111,
1113,庙社区,村居,111,
12,新区,区,1,
1211,园社区,村居,12,
"""
UNITS = """code,name,function,level,region,aliases,former
a,市住建局,住建,市,1,,
b,市公安局,公安,市,1,,
c,市移动公司,通信,市,1,,
d,市电信公司,通信,市,1,,
e,市法院,其他,市,1,,
f,东区政府,属地政府,区,11,,
g,东区城管局,城管,区,11,,
h,东区公安分局,公安,区,11,,
i,河街道办,属地政府,镇街,111,,
j,庙社区居委会,属地政府,村居,1113,,
k,新区管委会,属地政府,区,12,,
"""


def city(folder: Path, units: str = UNITS) -> City:
    (folder / "yecheng").mkdir()
    (folder / "yecheng" / "regions.csv").write_text(REGIONS, encoding="utf-8")
    (folder / "yecheng" / "units.csv").write_text(units, encoding="utf-8")
    return City.load("yecheng", LabelMaps.load(), folder)


def found(city: City, function: str, level: str, region: str | None) -> str:
    unit = city.resolve(function, level, region).unit
    return unit.name if unit else ""


def test_ancestors_and_path(tmp_path: Path) -> None:
    yecheng = city(tmp_path)
    assert [region.code for region in yecheng.ancestors("1111")] == ["1111", "111", "11", "1"]
    assert yecheng.region_path("1111") == "椰城市/东区/河街道/桥社区"
    assert (yecheng.name, yecheng.slug, yecheng.root.code) == ("椰城市", "yecheng", "1")


@pytest.mark.parametrize("region", ["11", "111", "1111"])
def test_the_bureau_of_the_district_a_place_lies_in(tmp_path: Path, region: str) -> None:
    yecheng = city(tmp_path)
    assert found(yecheng, "城管", "区", region) == "东区城管局"
    assert yecheng.resolve("城管", "区", region).note == ""


def test_the_whole_city_is_the_place_of_a_case_without_one(tmp_path: Path) -> None:
    assert found(city(tmp_path), "住建", "市", None) == "市住建局"


def test_a_street_office_stands_in_for_every_function(tmp_path: Path) -> None:
    resolution = city(tmp_path).resolve("城管", "镇街", "1111")
    assert resolution.unit is not None
    assert resolution.unit.name == "河街道办"
    assert "河街道未单设“城管”机构" in resolution.note


def test_a_committee_is_named_after_its_community_unless_listed(tmp_path: Path) -> None:
    yecheng = city(tmp_path)
    assert found(yecheng, "住建", "村居", "1111") == "桥社区居民委员会"
    assert found(yecheng, "民政", "村居", "1112") == "坡村村民委员会"
    assert found(yecheng, "属地政府", "村居", "1113") == "庙社区居委会"
    generated = yecheng.resolve("住建", "村居", "1111").unit
    assert generated is not None
    assert (generated.code, generated.level, generated.region) == ("1111-属地政府", "村居", "1111")


@pytest.mark.parametrize(("level", "region"), [("区", None), ("镇街", "11"), ("村居", "111")])
def test_too_wide_a_place_asks_for_the_missing_part(tmp_path: Path, level: str, region: str | None) -> None:
    resolution = city(tmp_path).resolve("城管", level, region)
    assert resolution.unit is None
    assert f"请补充所在{level}" in resolution.note
    assert resolution.lacks == f"事发地点所在的{level}"


def test_a_district_without_the_function_goes_up_to_the_city(tmp_path: Path) -> None:
    resolution = city(tmp_path).resolve("住建", "区", "11")
    assert resolution.unit is not None
    assert resolution.unit.name == "市住建局"
    assert "东区没有“住建”单位，由市级单位承办" in resolution.note


def test_a_function_nobody_has_is_told(tmp_path: Path) -> None:
    yecheng = city(tmp_path)
    assert "东区和椰城市都没有“教育”单位" in yecheng.resolve("教育", "区", "11").note
    assert "没有“教育·市”的单位" in yecheng.resolve("教育", "市", "11").note
    assert found(yecheng, "教育", "区", "11") == found(yecheng, "教育", "市", None) == ""


def test_the_committee_of_a_zone_does_what_districts_do(tmp_path: Path) -> None:
    yecheng = city(tmp_path)
    assert found(yecheng, "城管", "区", "12") == "新区管委会"
    assert found(yecheng, "城管", "镇街", "12") == "新区管委会"
    assert found(yecheng, "城管", "镇街", "1211") == "新区管委会"
    assert found(yecheng, "住建", "村居", "1211") == "园社区居民委员会"


def test_the_committee_of_a_zone_is_no_police_and_no_utility(tmp_path: Path) -> None:
    yecheng = city(tmp_path)
    assert found(yecheng, "公安", "区", "12") == "市公安局"
    assert found(yecheng, "通信", "区", "12") == "市移动公司"


def test_units_of_one_duty_are_told_with_the_leading_one(tmp_path: Path) -> None:
    resolution = city(tmp_path).resolve("通信", "市", "111")
    assert [unit.name for unit in resolution.others] == ["市电信公司"]
    assert resolution.note == "同级同职能还有：市电信公司"


def test_no_unit_answers_for_courts_and_forces(tmp_path: Path) -> None:
    resolution = city(tmp_path).resolve("其他", "市", None)
    assert resolution.unit is None
    assert "请人工指定" in resolution.note
    assert [unit.name for unit in resolution.others] == ["市法院"]


@pytest.mark.parametrize(
    ("function", "level", "region", "told"),
    [
        ("城官", "区", "11", "function“城官”不存在.*是否想写：城管"),
        ("城管", "县区", "11", "level“县区”不存在.*是否想写：区"),
        ("城管", "区", "1114", "没有代码为“1114”的区域.*是否想写"),
    ],
)
def test_an_unknown_word_is_an_error(tmp_path: Path, function: str, level: str, region: str, told: str) -> None:
    yecheng = city(tmp_path)
    with pytest.raises(DispatchError, match=told):
        yecheng.resolve(function, level, region)


def test_a_city_answers_to_all_its_names(tmp_path: Path) -> None:
    city(tmp_path)
    assert cities(tmp_path) == dict.fromkeys(("yecheng", "椰城市", "椰城", "椰海省椰城市"), "yecheng")


def test_shipped_names_of_haikou() -> None:
    names = cities()
    assert {names[name] for name in ("haikou", "海口", "海口市", "海南省海口市")} == {"haikou"}


@pytest.mark.parametrize("district", DISTRICTS)
def test_every_function_has_a_unit_in_every_shipped_district(district: str) -> None:
    maps = LabelMaps.load()
    haikou = City.load("haikou", maps)
    lead = {function: haikou.resolve(function, "区", district).unit for function in maps.functions}
    assert [function for function, unit in lead.items() if unit is None] == ["其他"]
    at_city = {function for function, unit in lead.items() if unit and unit.level == "市"}
    assert at_city == {
        "医保", "公积金", "供电", "供水", "燃气", "通信", "公交轨道", "机场港口铁路", "邮政快递",
    }  # fmt: skip


def test_every_function_but_the_nameless_one_has_a_unit_at_the_city() -> None:
    maps = LabelMaps.load()
    haikou = City.load("haikou", maps)
    assert [name for name in maps.functions if haikou.resolve(name, "市", None).unit is None] == ["其他"]


def test_every_shipped_street_and_community_has_an_office() -> None:
    haikou = City.load("haikou", LabelMaps.load())
    for region in haikou.regions.values():
        if region.level in ("镇街", "村居"):
            unit = haikou.resolve("属地政府", region.level, region.code).unit
            assert unit is not None
            assert (unit.level, unit.region) == (region.level, region.code)


def test_shipped_examples() -> None:
    haikou = City.load("haikou", LabelMaps.load())
    assert haikou.region_path("460106003") == "海口市/龙华区/金贸街道"
    assert found(haikou, "城管", "区", "460106003") == "海口市龙华区综合行政执法局"
    assert found(haikou, "住建", "镇街", "460106003") == "海口市龙华区金贸街道办事处"
    assert found(haikou, "属地政府", "区", "460108400401") == "海口桂林洋经济开发区管理委员会"
    assert found(haikou, "交警", "市", None) == "海口市公安局交通警察支队"
