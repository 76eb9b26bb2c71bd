import subprocess
import sys
from datetime import UTC, datetime
from functools import lru_cache
from importlib.resources import files

import numpy as np
import pytest

from dispatch_model.access_list import AccessList
from dispatch_model.cases import MAX_TRANSCRIPT_CHARS, Address, Case, Disposition, Reason, Turn
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.router import Router
from dispatch_model.rules import RuleKind
from dispatch_model.table import Upload
from dispatch_model.triggers import Triggers

NOW = datetime(2026, 5, 6, 2, tzinfo=UTC)
STALL = "龙华区金贸街道某小区门口天天有流动摊贩占道摆摊卖烧烤，油烟很大，希望来人管一管"


@lru_cache(maxsize=1)
def opened() -> Router:
    return Router.open()


def case(transcript: str, **fields: object) -> Case:
    return Case.model_validate({"case_id": "T1", "transcript": transcript, **fields})


def test_a_street_stall_goes_to_the_districts_enforcement_or_its_street() -> None:
    routing = opened().route([case(STALL)], now=NOW)[0]
    best = routing.suggestions[0]
    assert best.unit.function == "城管"
    assert "龙华区" in best.unit.name
    assert best.unit.region.startswith("海口市/龙华区")
    assert best.due_at is not None
    assert best.due_at > NOW
    assert {"model", "place"} <= {reason.source for reason in best.reasons}


def test_spans_point_into_the_transcript_of_the_answer() -> None:
    routing = opened().route([case(STALL)], now=NOW)[0]
    model = next(reason for reason in routing.suggestions[0].reasons if reason.source == "model")
    assert model.spans
    for span in model.spans:
        assert routing.transcript[span.start : span.end] in model.text


def test_personal_data_never_leave_the_router() -> None:
    routing = opened().route([case(STALL + "，我的电话13876543210")], now=NOW)[0]
    assert "13876543210" not in routing.model_dump_json()
    assert "[电话]" in routing.transcript


def test_the_same_answer_alone_and_in_a_batch() -> None:
    texts = [STALL, "社保断缴了三个月，请问怎么补缴", "小区停电两天了，什么时候来电"]
    together = opened().route([case(text) for text in texts], now=NOW)
    for text, answer in zip(texts, together, strict=True):
        alone = opened().route([case(text)], now=NOW)[0]
        assert alone.model == answer.model
        assert alone.suggestions == answer.suggestions


def test_nothing_below_the_district_is_suggested_against_the_list() -> None:
    router = opened()
    day = NOW.date()
    for routing in router.route([case(STALL), case("琼山区府城街道邻居楼道堆放杂物不清理，想请社区来劝一劝")], now=NOW):
        for one in routing.suggestions:
            path = router.gazetteer.find(routing.transcript).path
            verdict = router.rules.access_list.decide(one.category.code, one.unit.function, one.unit.level, path, day)
            assert verdict.allowed, (one.unit, one.category)


def test_an_unknown_city_is_routed_by_function_and_level_alone() -> None:
    routing = opened().route([case("小区门口路灯坏了一个星期没人修", city="宁波市")], now=NOW)[0]
    best = routing.suggestions[0]
    assert best.unit.code == ""
    assert "宁波市" in best.unit.name
    assert {one.unit.level for one in routing.suggestions} <= {"市", "区"}


def test_haikous_rules_do_not_speak_for_another_city() -> None:
    router = opened()
    text = STALL.replace("龙华区金贸街道", "")
    routing = router.route([case(text, city="宁波市")], now=NOW)[0]
    assert router.route([case(text)], now=NOW)[0].suggestions[0].due_at is not None
    for one in routing.suggestions:
        assert {reason.source for reason in one.reasons} == {"model"}
        assert (one.co_handlers, one.due_at) == ((), None)
    assert [reason.text for reason in routing.reasons] == ["宁波市尚无单位目录和规则表，只给出职能与层级"]


def test_haikous_catalogue_binds_no_other_city() -> None:
    router = opened()
    maps, bound = router.maps, router.rules.catalogue.binding
    category = np.log(np.full(len(maps.leaves), 1e-6))
    category[int(np.argmin(bound.sum(axis=1)))] = 0.0
    levels, functions = np.zeros(4), np.zeros(len(maps.functions))
    tables = [
        ranker.rank(category, functions, levels, router._closed).table
        for ranker in (router.ranker, router._ranker_elsewhere)
    ]
    assert np.abs(tables[0] - tables[1]).max() > 0.01


def test_duty_is_noted_only_where_practice_was_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    router = opened()
    note = Reason(source="model", text="按职责更像由别的职能主办")
    monkeypatch.setattr("dispatch_model.router.duty_note", lambda *_: (note,))
    assert note in router.route([case(STALL)], now=NOW)[0].reasons
    assert note not in router.route([case(STALL, city="宁波市")], now=NOW)[0].reasons


def test_an_unknown_city_cannot_carry_personal_data() -> None:
    routing = opened().route([case(STALL, city="宁波13876543210")], now=NOW)[0]
    assert "13876543210" not in routing.model_dump_json()
    assert "宁波[电话]" in routing.suggestions[0].unit.name


def test_no_unit_is_asked_for_and_never_suggested() -> None:
    texts = [STALL, "龙华区楼道堆放杂物，邻居吵架，想请居委会来劝", "法院判了以后对方不执行", "龙华区夜市摆摊扰民"]
    for routing in opened().route([case(text) for text in texts], now=NOW):
        if not routing.suggestions[0].unit.code:
            assert routing.disposition not in (Disposition.SUGGEST, Disposition.AUTO)
            assert routing.missing or routing.disposition is not Disposition.ASK


@pytest.mark.parametrize("name", ["海口", "海口市", "海口市 ", "海南省海口市", None])
def test_names_of_the_own_city(name: str | None) -> None:
    routing = opened().route([case(STALL, city=name)], now=NOW)[0]
    assert routing.suggestions[0].unit.code


def test_a_transcript_without_content_asks() -> None:
    routing = opened().route([case("喂喂听得到吗")], now=NOW)[0]
    assert routing.disposition is Disposition.ASK
    assert routing.missing == ("诉求内容",)


@pytest.mark.parametrize("text", ["喂", "嗯嗯", "谢谢", "坐席：您好，请问有什么可以帮您？", "坐席：您好。市民：喂喂"])
def test_a_greeting_is_never_an_emergency(text: str) -> None:
    routing = opened().route([case(text)], now=NOW)[0]
    assert (routing.disposition, routing.missing) == (Disposition.ASK, ("诉求内容",))


def test_a_gas_leak_is_an_emergency() -> None:
    routing = opened().route([case("秀英区海秀镇我家煤气泄漏了味道很大快来人")], now=NOW)[0]
    assert routing.disposition is Disposition.EMERGENCY


def test_a_district_matter_without_a_place_asks_for_it() -> None:
    routing = opened().route([case("楼下的烧烤摊占道经营，油烟很大，希望城管来管")], now=NOW)[0]
    assert routing.disposition is Disposition.ASK
    assert any("地点" in missing for missing in routing.missing)


def test_an_address_decides_the_place() -> None:
    text = "楼下的烧烤摊占道经营，油烟很大，希望城管来管"
    routing = opened().route([case(text, address={"district": "美兰区"})], now=NOW)[0]
    assert "美兰区" in routing.suggestions[0].unit.region


@pytest.mark.parametrize(
    "text",
    [
        "樓下有人擺攤賣燒烤，油煙很大，龍華區金貿街道",  # traditional
        "楼下有人摆摊卖烧烤😡😡油烟很大，龙华区金贸街道",  # emoji
        "楼下有人摆摊卖烧烤，从１８点摆到２点，龙华区金贸街道",  # full width
    ],
)
def test_unusual_writing_is_read(text: str) -> None:
    routing = opened().route([case(text)], now=NOW)[0]
    assert routing.suggestions[0].unit.function == "城管"


def test_turns_are_read() -> None:
    turns = (
        Turn(speaker="agent", text="您好，请讲。"),
        Turn(speaker="citizen", text=STALL),
        Turn(speaker="agent", text="好的，已经记录。"),
    )
    routing = opened().route([Case(case_id="T", transcript=turns, address=Address(district="龙华区"))], now=NOW)[0]
    assert routing.suggestions[0].unit.function == "城管"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (" \n", ErrorKind.TRANSCRIPT_EMPTY),
        ("市民：", ErrorKind.TRANSCRIPT_EMPTY),
        ("路" * (MAX_TRANSCRIPT_CHARS + 1), ErrorKind.TRANSCRIPT_TOO_LONG),
    ],
)
def test_blank_and_endless_transcripts_are_refused(text: str, kind: ErrorKind) -> None:
    with pytest.raises(DispatchError) as raised:
        opened().route([case(text)])
    assert raised.value.kind is kind
    assert raised.value.field == "transcript"


def test_the_longest_allowed_transcript_is_answered() -> None:
    routing = opened().route([case("路灯坏了。" * (MAX_TRANSCRIPT_CHARS // 5))], now=NOW)[0]
    assert routing.suggestions


def test_the_model_view_holds_probabilities_in_order() -> None:
    view = opened().route([case(STALL)], now=NOW)[0].model
    for head in (view.function, view.category, view.level, view.kind):
        values = [value for _, value in head]
        assert values == sorted(values, reverse=True)
        assert 0 < sum(values) <= 1 + 1e-6
    assert len(view.function) == len(view.category) == 5
    assert np.isclose(sum(value for _, value in view.level), 1, atol=1e-4)


def test_no_cases_give_no_routings() -> None:
    assert opened().route([]) == []


def test_opening_loads_no_torch_http_or_sql() -> None:
    code = (
        "import sys; from dispatch_model.router import Router; Router.open();"
        "bad = {'torch', 'transformers', 'datasets', 'fastapi', 'sqlalchemy', 'sqlite3'} & set(sys.modules);"
        "sys.exit(str(bad) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_another_city_is_not_told_what_haikou_declines_but_danger_is_danger() -> None:
    text = "家里煤气泄漏了，味道很大，快来人"
    assert opened().route([case(text, city="宁波市")], now=NOW)[0].disposition is Disposition.EMERGENCY
    asked = opened().route([case("小区的路灯坏了一个星期没人修", city="宁波市")], now=NOW)[0]
    assert not any("地点" in missing for missing in asked.missing)


def test_other_rules_make_another_router_and_leave_this_one() -> None:
    router = opened()
    header, *rows = (files("configs") / "haikou" / "access_list.csv").read_text(encoding="utf-8").splitlines()
    only = next(row for row in rows if ",镇街,收回," in row)
    closed = AccessList.load(Upload("x.csv", f"{header}\n{only}\n".encode()), router.maps, router.city)
    other = router.with_rules(access_list=closed)
    other.compile(NOW.date())
    texts = [STALL, "琼山区府城街道邻居楼道堆放杂物不清理，想请社区来劝一劝", "美兰区海甸街道老人高龄津贴找谁登记"]
    below = {"镇街", "村居"}
    before, after = (one.route([case(text) for text in texts], now=NOW) for one in (router, other))
    assert any(below & {one.unit.level for one in routing.suggestions} for routing in before)
    assert not any(below & {one.unit.level for one in routing.suggestions} for routing in after)
    assert {routing.versions.access_list for routing in after} == {closed.version}
    assert [one.model for one in before] == [one.model for one in after]
    assert router.versions == before[0].versions
    assert other.encoder is router.encoder


def test_triggers_of_other_rules_fire_in_every_city() -> None:
    router = opened()
    header = "id,disposition,pattern,unless,channel,text,basis"
    row = "T-1,emergency,社保卡,,110,疑似险情,《示例法》"
    triggers = Triggers.load(Upload("x.csv", f"{header}\n{row}\n".encode()))
    other = router.with_rules(triggers=triggers)
    said = "我想问一下龙华区金贸街道哪里可以补办社保卡"
    for city in (None, "宁波市"):
        assert other.route([case(said, city=city)], now=NOW)[0].disposition is Disposition.EMERGENCY
        assert router.route([case(said, city=city)], now=NOW)[0].disposition is not Disposition.EMERGENCY
    assert set(other.rule_sets) == set(RuleKind)
