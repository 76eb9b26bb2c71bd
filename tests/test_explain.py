from pathlib import Path

import pytest

from dispatch_model.access_list import Verdict
from dispatch_model.access_row import AccessRow
from dispatch_model.cases import Span
from dispatch_model.catalogue import CatalogueRow
from dispatch_model.city import City
from dispatch_model.directory import Region, Unit
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.explain import Cues, reasons
from dispatch_model.gazetteer import Mention, Place
from dispatch_model.labels import LabelMaps
from dispatch_model.lexicon import Hit

REGIONS = (
    Region("1", "蕉城市", "市", None),
    Region("11", "东湾区", "区", "1", ("冬湾区",)),
    Region("1101", "人民街道", "镇街", "11"),
    Region("12", "西岭区", "区", "1"),
)
UNITS = (Unit("U1", "东湾区综合行政执法局", "城管", "区", "11", (), ("东湾区城管局",)),)
NOWHERE = Place()


def _city() -> City:
    return City("蕉城市", "jiao", {r.code: r for r in REGIONS}, {u.code: u for u in UNITS}, ("城管",))


def _cues() -> Cues:
    return Cues({"城管": ["占道", "占道经营", "摊点", "APP"], "交警": ["占道", "违停"], "交通运输": ["公路", "动车"]})


def _place(code: str, text: str, start: int) -> Place:
    path = tuple(region.code for region in _city().ancestors(code))
    return Place(code, path, _city().regions[code].level, (Mention(start, start + len(text), text, code),))


def _row(mode: str, lead: str = "城管", days: dict[str, int] | None = None) -> CatalogueRow:
    return CatalogueRow("ML-3", "0401", lead, "区", ("交警", "公安"), days or {}, "市容条例第三条", mode)


def test_cue_words_of_the_function() -> None:
    cues, text = _cues(), "有人占道经营，摊点旁还有违停"
    hits = cues.scan(text)
    assert cues.choose(text, hits, "城管") == (Hit(2, 6, "占道经营"), Hit(7, 9, "摊点"))
    assert cues.choose(text, hits, "交警") == (Hit(12, 14, "违停"),)
    assert cues.choose(text, hits, "教育") == ()


@pytest.mark.parametrize("text", ["在办公路段停车", "机动车道", "电动车充电"])
def test_a_word_inside_another_word_is_no_cue(text: str) -> None:
    assert _cues().scan(text) == ()


def test_cues_ignore_case_and_repeat_once() -> None:
    cues, text = _cues(), "app打不开，App又闪退"
    assert cues.choose(text, cues.scan(text), "城管") == (Hit(0, 3, "app"),)


def test_words_of_the_category_are_cues_too() -> None:
    cues, text = _cues(), "半夜噪声太大"
    assert cues.choose(text, cues.scan(text), "城管", ("生态环境", "噪声污染管理")) == (Hit(2, 4, "噪声"),)


def test_empty_words_of_a_category_are_no_cues() -> None:
    cues, text = _cues(), "其他管理服务问题"
    assert cues.choose(text, cues.scan(text), "城管", ("其他管理", "服务问题")) == ()


def test_at_most_three_cues_and_the_most_telling() -> None:
    cues = Cues({"城管": ["占道", "油烟", "烧烤", "渣土"], "交警": ["占道"]})
    text = "占道烧烤有油烟还有渣土"
    assert [hit.word for hit in cues.choose(text, cues.scan(text), "城管")] == ["烧烤", "油烟", "渣土"]


def test_model_reason_quotes_the_cues() -> None:
    hits = (Hit(2, 4, "占道"), Hit(7, 9, "摊点"))
    reason = reasons(function="城管", probability=0.834, cues=hits, place=NOWHERE, city=_city())[0]
    assert (reason.source, reason.text) == ("model", "「占道」「摊点」指向城管（模型 0.83）")
    assert reason.spans == (Span(start=2, end=4), Span(start=7, end=9))


def test_model_reason_without_cues_and_with_doubt() -> None:
    reason = reasons(function="城管", probability=0.31, place=NOWHERE, city=_city())[0]
    assert reason.text == "按全文判断由城管主办（模型 0.31，把握不大）"


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (NOWHERE, "文中没有认出本市地点，请向市民核实"),
        (_place("1101", "人民街道", 11), "地点：东湾区人民街道（文中第12–15字）"),
        (_place("11", "冬湾区", 0), "地点：东湾区（文中第1–3字「冬湾区」）"),
        (_place("1", "蕉城市", 0), "地点：蕉城市（文中第1–3字）"),
        (Place("11", ("11", "1"), "区", from_address=True), "地点：东湾区（按所填地址）"),
        (Place("11", ("11", "1"), "区"), "地点：东湾区"),
        (Place(ambiguous=("11", "12")), "文中地点也可能是东湾区、西岭区，请核对"),
    ],
)
def test_place_reason(place: Place, text: str) -> None:
    told = reasons(function="城管", probability=0.8, place=place, city=_city())
    assert [reason.text for reason in told if reason.source == "place"] == [text]


def test_nothing_is_said_of_places_in_a_city_without_a_directory() -> None:
    told = reasons(function="城管", probability=0.8, place=NOWHERE, city=None)
    assert [reason.source for reason in told] == ["model"]


def test_a_doubtful_place_is_told_beside_the_chosen_one() -> None:
    place = Place("11", ("11", "1"), "区", ambiguous=("12",))
    told = reasons(function="城管", probability=0.8, place=place, city=_city())
    assert [reason.text for reason in told[1:]] == ["地点：东湾区", "文中地点也可能是西岭区，请核对"]


def test_a_unit_the_citizen_named() -> None:
    place = Place("11", ("11", "1"), "区", units=(Mention(3, 9, "东湾区城管局", "U1"),))
    told = reasons(function="城管", probability=0.8, place=place, city=_city(), unit_code="U1")
    assert told[2].text == "文中点名「东湾区城管局」，即东湾区综合行政执法局"
    assert told[2].spans == (Span(start=3, end=9),)
    assert len(reasons(function="城管", probability=0.8, place=place, city=_city(), unit_code="U2")) == 2


def test_access_list_reason_comes_from_the_row() -> None:
    row = AccessRow("JC-12", "占道劝导", "0401", "镇街", "基本", "", (), "劝导", "", "条例", None, None, "1")
    told = reasons(
        function="城管", probability=0.8, place=NOWHERE, city=_city(), verdict=Verdict(True, row, "镇街可以主办")
    )
    assert (told[-1].source, told[-1].rule_id, told[-1].text) == ("access_list", "JC-12", "镇街可以主办")


def test_a_level_without_limits_is_not_worth_a_line() -> None:
    verdict = Verdict(True, None, "区级部门主办不受准入清单限制")
    assert len(reasons(function="城管", probability=0.8, place=NOWHERE, city=_city(), verdict=verdict)) == 2


def test_moved_levels_are_told() -> None:
    moved = [("村居", "区"), ("镇街", "区")]
    told = reasons(function="城管", probability=0.8, place=NOWHERE, city=_city(), moved=moved)
    assert [reason.text for reason in told[2:]] == [
        "准入清单没有可由村居主办的职能，须由区或更高层级主办",
        "准入清单没有可由镇街主办的职能，须由区或更高层级主办",
    ]


@pytest.mark.parametrize(
    ("row", "kind", "text"),
    [
        (_row("binding"), None, "规定由城管主办，交警、公安协办"),
        (_row("prior", days={"投诉": 5}), "投诉", "一般由城管主办，交警、公安协办，投诉5个工作日办结"),
        (_row("prior", days={"求助": 0}), "求助", "一般由城管主办，交警、公安协办，求助当日办结"),
        (_row("prior", lead="住建"), "投诉", "一般由住建主办，交警、公安协办；本条建议城管，请核对"),
    ],
)
def test_catalogue_reason(row: CatalogueRow, kind: str | None, text: str) -> None:
    told = reasons(function="城管", probability=0.8, place=NOWHERE, city=_city(), catalogue_row=row, kind=kind)
    assert (told[-1].source, told[-1].rule_id) == ("catalogue", "ML-3")
    assert told[-1].text == f"派单目录 ML-3：{text}（市容条例第三条）"


def test_shipped_cues_know_every_function() -> None:
    maps = LabelMaps.load()
    cues = Cues.load(maps)
    samples = {"城管": "摊贩占道经营", "供水": "自来水停水", "教育": "小学入学", "交警": "红绿灯坏了"}
    for function, sample in samples.items():
        assert cues.choose(sample, cues.scan(sample), function), function
    assert cues.functions == frozenset(maps.functions)


def test_cues_for_an_unknown_function_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "cues.csv").write_text("function,words\n城营,占道|摊点\n", encoding="utf-8")
    with pytest.raises(DispatchError, match=r"cues\.csv 第 2 行 function 列：“城营”.*城管") as caught:
        Cues.load(LabelMaps.load(), tmp_path)
    assert caught.value.kind is ErrorKind.INVALID_LABEL_MAP
