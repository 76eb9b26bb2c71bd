from pathlib import Path

import pytest

from dispatch_model.cases import Address
from dispatch_model.city import City
from dispatch_model.directory import Region, Unit
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.gazetteer import Gazetteer, Mention
from dispatch_model.labels import LabelMaps

REGIONS = (
    Region("1", "蕉城市", "市", None, ("蕉城",)),
    Region("11", "东湾区", "区", "1", ("冬湾区",)),
    Region("1101", "人民街道", "镇街", "11", ("人民路街道",)),
    Region("110101", "文明社区", "村居", "1101"),
    Region("110102", "龙头村", "村居", "1101"),
    Region("1102", "青石镇", "镇街", "11", ("青石",)),
    Region("110201", "新村", "村居", "1102"),
    Region("110202", "和乐社区", "村居", "1102"),
    Region("12", "西岭区", "区", "1"),
    Region("1201", "大同街道", "镇街", "12"),
    Region("120101", "文明社区", "村居", "1201"),
    Region("1202", "望月镇", "镇街", "12"),
    Region("120201", "和乐村", "村居", "1202"),
    Region("120202", "文明社区", "村居", "1202"),
)
UNITS = (
    Unit("U1", "东湾区城管局", "城管", "区", "11", ("东湾城管",)),
    Unit("U2", "蕉城市市场监督管理局", "市场监管", "市", "1", (), ("蕉城市工商局",)),
)
LANDMARKS = {"椰影路": "11", "望月湖公园": "12"}


def _city() -> City:
    return City("蕉城市", "jiao", {r.code: r for r in REGIONS}, {u.code: u for u in UNITS}, ("城管", "市场监管"))


def _gazetteer() -> Gazetteer:
    return Gazetteer(_city(), LANDMARKS)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("东湾区椰影路有摊贩", "11"),
        ("东湾区人民街道文明社区楼道堆物", "110101"),
        ("东湾区人民街道办不作为", "1101"),
        ("人民街道办事处门口", "1101"),
        ("人民路街道的垃圾", "1101"),
        ("青石镇政府旁边", "1102"),
        ("青石那边停水", "1102"),
        ("龙头村委会旁", "110102"),
        ("龙头村村民委员会", "110102"),
        ("住在东湾这边", "11"),
        ("冬湾区停水", "11"),
        ("椰影路的路灯", "11"),
        ("望月湖公园钓鱼", "12"),
        ("西岭区的文明社区和大同街道", "120101"),
        ("大同街道文明社区", "120101"),
        ("大同街道文明居委会", "120101"),
        ("青石镇新村停电", "1102"),
        ("蕉城市的社保怎么办", "1"),
    ],
)
def test_deepest_consistent_region(text: str, code: str) -> None:
    place = _gazetteer().find(text)
    assert place.region_code == code
    assert place.path == tuple(region.code for region in _city().ancestors(code))
    assert place.level == _city().regions[code].level
    assert not place.from_address


@pytest.mark.parametrize(
    "text", ["", "家里停水了", "为人民服务", "东湾路的车", "西岭医院看病", "大同小异", "某新村的狗"]
)
def test_no_place(text: str) -> None:
    place = _gazetteer().find(text)
    assert (place.region_code, place.path, place.level, place.ambiguous) == (None, (), None, ())


def test_one_name_in_two_districts_stays_open() -> None:
    place = _gazetteer().find("文明社区停水")
    assert place.region_code == "1"
    assert place.ambiguous == ("110101", "120101", "120202")


def test_one_name_in_one_district_tells_the_district() -> None:
    place = _gazetteer().find("西岭区文明社区停水")
    assert place.region_code == "12"
    assert place.ambiguous == ("120101", "120202")


def test_two_districts_named_alike_are_both_told() -> None:
    place = _gazetteer().find("从东湾区搬到西岭区")
    assert place.region_code == "11"
    assert place.ambiguous == ("12",)


def test_the_place_spoken_of_more_wins() -> None:
    place = _gazetteer().find("我从东湾区来，西岭区大同街道的西岭区学校")
    assert place.region_code == "1201"
    assert place.ambiguous == ()


def test_mentions_point_into_the_text_and_lie_on_the_path() -> None:
    text = "望月湖公园转到东湾区人民街道办"
    place = _gazetteer().find(text)
    assert place.mentions == (Mention(7, 10, "东湾区", "11"), Mention(10, 15, "人民街道办", "1101"))
    assert all(text[mention.start : mention.end] == mention.text for mention in place.mentions)


def test_units_by_name_alias_and_former_name() -> None:
    text = "东湾城管和蕉城市工商局都没管"
    assert _gazetteer().find(text).units == (Mention(0, 4, "东湾城管", "U1"), Mention(5, 11, "蕉城市工商局", "U2"))


def test_address_beats_the_transcript() -> None:
    place = _gazetteer().find("我在东湾区人民街道看到的", Address(district="西岭区"))
    assert place.region_code == "12"
    assert place.from_address
    assert place.mentions == ()


def test_transcript_refines_the_address() -> None:
    place = _gazetteer().find("大同街道文明社区停水", Address(district="西岭区"))
    assert place.region_code == "120101"
    assert place.from_address


@pytest.mark.parametrize(
    ("address", "code"),
    [
        (Address(district="西岭", street="大同"), "1201"),
        (Address(district="东湾区", street="人民街道", community="文明社区"), "110101"),
        (Address(detail="椰影路3号"), "11"),
        (Address(detail="蕉城市西岭区望月镇和乐村"), "120201"),
    ],
)
def test_structured_address(address: Address, code: str) -> None:
    assert _gazetteer().find("路灯坏了", address).region_code == code


@pytest.mark.parametrize("address", [Address(), Address(detail="三亚湾路1号")])
def test_an_address_that_says_nothing_leaves_the_transcript(address: Address) -> None:
    place = _gazetteer().find("西岭区停水", address)
    assert place.region_code == "12"
    assert not place.from_address


def _landmarks(folder: Path, content: str) -> Path:
    (folder / "jiao").mkdir()
    (folder / "jiao" / "landmarks.csv").write_text(content, encoding="utf-8")
    return folder


def test_landmarks_are_loaded(tmp_path: Path) -> None:
    gazetteer = Gazetteer.load(_city(), _landmarks(tmp_path, "name,region\n观潮桥,12\n"))
    assert gazetteer.find("观潮桥上堵车").region_code == "12"


def test_a_city_needs_no_landmarks(tmp_path: Path) -> None:
    assert Gazetteer.load(_city(), tmp_path).find("椰影路").region_code is None


def test_unknown_landmark_region_is_an_error(tmp_path: Path) -> None:
    folder = _landmarks(tmp_path, "name,region\n观潮桥,1203\n")
    with pytest.raises(DispatchError, match=r"landmarks\.csv 第 2 行 region 列：“1203”") as caught:
        Gazetteer.load(_city(), folder)
    assert caught.value.kind is ErrorKind.INVALID_LABEL_MAP


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("龙华区金贸街道的夜市太吵", "海口市/龙华区/金贸街道"),
        ("秀音区那边有人挖沙", "海口市/秀英区"),
        ("海甸岛的路灯", "海口市/美兰区"),
    ],
)
def test_shipped_city(text: str, path: str) -> None:
    city = City.load("haikou", LabelMaps.load())
    place = Gazetteer.load(city).find(text)
    assert place.region_code is not None
    assert city.region_path(place.region_code) == path
