import csv
from collections import Counter
from pathlib import Path

import pytest

from dispatch_model import directory
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LabelMaps

SHARED = Path(__file__).parents[2] / "shared" / "data"
MEANINGLESS = {"其他单位", "省级单位", "除海口外的市县", "省外单位"}
REGIONS = (
    "code,name,level,parent,aliases\n1,椰城市,市,,椰城\n11,东区,区,1,冬区\n111,河街道,镇街,11,\n1111,桥社区,村居,111,\n"
)
UNITS = (
    "code,name,function,level,region,aliases,former\n"
    "u1,东区政府,属地政府,区,11,,\n"
    "u2,河街道办,属地政府,镇街,111,河街办,\n"
    "u3,东区城管局,城管,区,11,,东区市容局\n"
)


def write(folder: Path, regions: str = REGIONS, units: str = UNITS) -> Path:
    (folder / "yecheng").mkdir(exist_ok=True)
    (folder / "yecheng" / "regions.csv").write_text(regions, encoding="utf-8")
    (folder / "yecheng" / "units.csv").write_text(units, encoding="utf-8")
    return folder


def refused(folder: Path) -> str:
    with pytest.raises(DispatchError) as caught:
        directory.read_units("yecheng", LabelMaps.load(), directory.read_regions("yecheng", folder), folder)
    assert caught.value.kind is ErrorKind.INVALID_LABEL_MAP
    return str(caught.value)


def test_regions_and_units_are_read_in_file_order(tmp_path: Path) -> None:
    folder = write(tmp_path)
    regions = directory.read_regions("yecheng", folder)
    units = directory.read_units("yecheng", LabelMaps.load(), regions, folder)
    assert list(regions) == ["1", "11", "111", "1111"]
    assert regions["11"].aliases == ("冬区",)
    assert regions["1"].parent is None
    assert list(units) == ["u1", "u2", "u3"]
    assert units["u3"].former == ("东区市容局",)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("11,西区,区,1,", "第 6 行 code 列：“11”与第 3 行重复"),
        ("12,东区,区,1,", "第 6 行 name 列：“东区”与第 3 行重复"),
        ("12,西区,区,1,冬区", "第 6 行 aliases 列：“冬区”与第 3 行的名称或别名重复"),
        ("12,西区,区,1,河街道", "第 6 行 aliases 列：“河街道”与第 4 行的名称或别名重复"),
        ("12,,区,1,", "第 6 行 name 列：不能为空"),
        ("12,西区,县,1,", "yecheng/regions.csv 第 6 行 level 列：“县”不是可用的值，可用：市、区、镇街、村居"),
        ("12,西区,,1,", "第 6 行 level 列：不能为空，可用：市、区、镇街、村居"),
        ("12,西区,区,2,", "第 6 行 parent 列：“2”在本表中没有这个区域"),
        ("12,西区,区,,", "第 6 行 parent 列：不能为空"),
        ("12,西区,区,111,", "第 6 行 parent 列：“111”层级为“镇街”，应高于本行的“区”"),
        ("12,西区,区,12,", "第 6 行 parent 列：“12”层级为“区”，应高于本行的“区”"),
        ("2,瓜城市,市,1,", "第 6 行 parent 列：“1”不应填写"),
        ("2,瓜城市,市,,", "应恰有一行“市”并放在第一行，实有 2 行"),
    ],
)
def test_a_bad_region_row_is_named(tmp_path: Path, row: str, told: str) -> None:
    assert told in refused(write(tmp_path, regions=f"{REGIONS}{row}\n"))


def test_two_streets_may_have_villages_of_one_name(tmp_path: Path) -> None:
    twice = f"{REGIONS}112,湖街道,镇街,11,\n1121,桥社区,村居,112,\n"
    assert len(directory.read_regions("yecheng", write(tmp_path, regions=twice))) == 6


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("u1,东区住建局,住建,区,11,,", "第 5 行 code 列：“u1”与第 2 行重复"),
        ("u4,东区城管局,城管,区,11,,", "第 5 行 name 列：“东区城管局”与第 4 行的名称或别名重复"),
        ("u4,东区执法局,城管,区,11,东区城管局,", "第 5 行 aliases 列：“东区城管局”与第 4 行的名称或别名重复"),
        ("u4,东区执法局,城管,区,11,,河街办", "第 5 行 former 列：“河街办”与第 3 行的名称或别名重复"),
        ("u4,东区执法局,城管,区,11,东执|东执,", "第 5 行 aliases 列：“东执”与第 5 行的名称或别名重复"),
        ("u4,,城管,区,11,,", "第 5 行 name 列：不能为空"),
        ("u4,东区执法局,自然资源,区,11,,", "第 5 行 function 列：“自然资源”不是可用的值"),
        ("u4,东区执法局,,区,11,,", "第 5 行 function 列：不能为空"),
        (
            "u4,东区执法局,城管,区县,11,,",
            "第 5 行 level 列：“区县”不是可用的值，可用：市、区、镇街、村居（是否想写：区",
        ),
        ("u4,东区执法局,城管,区,12,,", "第 5 行 region 列：“12”不是 regions.csv 中的区域代码"),
        ("u4,东区执法局,城管,区,1,,", "第 5 行 region 列：“1”是“市”级区域，高于单位的“区”级"),
    ],
)
def test_a_bad_unit_row_is_named(tmp_path: Path, row: str, told: str) -> None:
    assert f"yecheng/units.csv {told}" in refused(write(tmp_path, units=f"{UNITS}{row}\n"))


def test_an_unknown_function_is_met_with_near_ones(tmp_path: Path) -> None:
    told = refused(write(tmp_path, units=f"{UNITS}u4,东区资规局,自然资源,区,11,,\n"))
    assert "是否想写：自然资源规划" in told


def test_a_street_without_an_office_is_named(tmp_path: Path) -> None:
    told = refused(write(tmp_path, regions=f"{REGIONS}112,湖街道,镇街,11,\n"))
    assert "“112”（湖街道）没有“属地政府·镇街”单位" in told


def test_all_problems_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    told = refused(write(tmp_path, units=f"{UNITS}u4,,市容,区,99,,\n"))
    assert "有 3 处错误" in told


def test_an_unknown_city_is_met_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DispatchError, match=r"没有城市目录“yechen”，现有：yecheng（是否想写：yecheng？）"):
        directory.read_regions("yechen", write(tmp_path))


def test_a_city_without_units_is_an_error(tmp_path: Path) -> None:
    folder = write(tmp_path)
    (folder / "yecheng" / "units.csv").unlink()
    assert "yecheng/units.csv 文件：不存在" in refused(folder)


def test_shipped_regions_of_haikou() -> None:
    regions = directory.read_regions("haikou")
    levels = Counter(region.level for region in regions.values())
    zones = {"460108400", "460100-GXQ", "460100-ZBQ"}
    assert levels["市"] == 1
    assert levels["镇街"] == 46
    assert [code for code, region in regions.items() if region.level == "区" and code not in zones] == [
        "460105",
        "460106",
        "460107",
        "460108",
    ]


def test_shipped_slips_of_hearing_lead_to_their_place() -> None:
    owners = {alias: region.name for region in directory.read_regions("haikou").values() for alias in region.aliases}
    assert owners["秀音区"] == "秀英区"
    assert owners["金茂街道"] == "金贸街道"
    assert owners["海甸岛"] == "美兰区"


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data folder is not here")
def test_every_unit_of_the_shared_data_is_known_with_its_function_and_level() -> None:
    regions = directory.read_regions("haikou")
    units = directory.read_units("haikou", LabelMaps.load(), regions).values()
    named = {name: unit for unit in units for name in (unit.name, *unit.aliases, *unit.former)}
    with (SHARED / "units.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["source"] == "haikou" and row["unit"] not in MEANINGLESS]
    assert len(rows) > 200
    for row in rows:
        unit = named[row["unit"]]
        assert (unit.function, unit.level) == (row["function"], row["level"]), row["unit"]


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data folder is not here")
def test_every_street_of_the_shared_table_is_there() -> None:
    regions = directory.read_regions("haikou")
    with (SHARED / "regions.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["city"] == "海口市"]
    assert {row["street_code"] for row in rows} <= set(regions)
    real = {row["community_code"] for row in rows if "虚拟" not in row["community"]}
    assert real == {code for code, region in regions.items() if region.level == "村居"}
