from pathlib import Path

import pytest

from dispatch_model.division import community_name, read_division
from dispatch_model.errors import DispatchError, ErrorKind
from tests.new_city import DIVISION, division


def test_a_city_is_read_as_regions_each_below_its_parent(tmp_path: Path) -> None:
    regions = read_division(division(tmp_path), "云梦市")
    assert [(one.code, one.name, one.level, one.parent) for one in regions[:4]] == [
        ("420900", "云梦市", "市", None),
        ("420901", "江东新区", "区", "420900"),
        ("420901001", "石桥街道", "镇街", "420901"),
        ("420901001001", "梨园社区", "村居", "420901001"),
    ]
    assert regions[0].aliases == ("云梦", "湖北省云梦市")
    assert regions[1].aliases == ("江东",)
    names = [one.name for one in regions]
    assert "上湾村" in names
    assert "红星农场" in names
    assert not any("虚拟" in name for name in names)


def test_two_committees_of_one_name_stay_two_places(tmp_path: Path) -> None:
    inside = [one.name for one in read_division(division(tmp_path), "云梦") if one.parent == "420901001"]
    assert inside == ["梨园社区", "柳林社区", "柳林社区居民委员会"]


@pytest.mark.parametrize(("depth", "levels"), [("区", {"市", "区"}), ("镇街", {"市", "区", "镇街"})])
def test_the_depth_is_kept(tmp_path: Path, depth: str, levels: set[str]) -> None:
    assert {one.level for one in read_division(division(tmp_path), "云梦", depth)} == levels


def test_a_city_without_districts_has_its_streets_right_under_it(tmp_path: Path) -> None:
    regions = read_division(division(tmp_path), "星沙")
    assert [(one.name, one.parent) for one in regions[1:]] == [("前湖街道", "430100"), ("前湖社区", "430100001")]


def test_a_municipality_has_the_code_of_its_province(tmp_path: Path) -> None:
    text = DIVISION.replace("云梦市,4209", "云梦市,3101").replace(",4209", ",3101")
    first = read_division(division(tmp_path, text), "云梦")[0]
    assert (first.code, first.aliases) == ("310000", ("云梦",))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("云梦市", "云山市", "没有城市“云梦”，有：云山市、星沙市"),
        ("street_code", "streetcode", "缺少列 street_code"),
        ("420901,江东新区,420901100", "42090,江东新区,420901100", "第 5 行 district_code 列：“42090”应为 6 位数字"),
        ("420901,江东新区,420901100", "420901,江东新区,420902100", "应以区代码“420901”开头"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, old: str, new: str, told: str) -> None:
    with pytest.raises(DispatchError, match=told) as caught:
        read_division(division(tmp_path, DIVISION.replace(old, new)), "云梦")
    assert caught.value.kind is ErrorKind.INVALID_LABEL_MAP


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DispatchError, match="读不到"):
        read_division(tmp_path / "none.csv", "云梦")


@pytest.mark.parametrize(
    ("committee", "place"),
    [
        ("秀华社区居委会", "秀华社区"),
        ("贵州路居委会", "贵州路社区"),
        ("岭西村委会", "岭西村"),
        ("上湾村村民委员会", "上湾村"),
        ("红星农场", "红星农场"),
        ("居委会", "居委会"),
    ],
)
def test_a_committee_stands_for_a_place(committee: str, place: str) -> None:
    assert community_name(committee) == place
