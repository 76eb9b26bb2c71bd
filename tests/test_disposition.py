from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch_model.cases import Disposition
from dispatch_model.disposition import CONTENT, ORDER, PLACE, Candidate, Outcome, Thresholds, decide
from dispatch_model.triggers import HINT, Trigger, Triggers

CLEAR = (Candidate("城管", "镇街", 0.8), Candidate("公安", "区", 0.1))


def trigger(id: str, disposition: Disposition, pattern: str, channel: str, unless: str = "") -> Trigger:
    return Trigger(id, disposition, pattern, unless, channel, f"疑似{pattern}", "依据")


TRIGGERS = Triggers(
    [
        trigger("E", Disposition.EMERGENCY, "着火", "119", "上次"),
        trigger("D", Disposition.DECLINE, "判决书", "人民法院"),
        trigger("A", Disposition.ASK, "打错", CONTENT),
        trigger("S", Disposition.ASK, "催单", f"{ORDER}或工号"),
        Trigger("H", HINT, "流血", "", "120", "有危险的话", "依据"),
    ]
)


def outcome(
    text: str = "有摊贩占道",
    candidates: tuple[Candidate, ...] = CLEAR,
    place_known: bool = True,
    contentless: bool = False,
    thresholds: Thresholds | None = None,
    flags: Mapping[str, float] | None = None,
) -> Outcome:
    return decide(
        flags or {},
        candidates,
        place_known=place_known,
        text=text,
        triggers=TRIGGERS,
        thresholds=thresholds or Thresholds(),
        contentless=contentless,
    )


def test_a_clear_case_is_suggested_and_never_dispatched_by_default() -> None:
    sure = (Candidate("城管", "区", 1.0),)
    assert outcome(candidates=sure).disposition is Disposition.SUGGEST
    assert outcome().reason == "首选城管·镇街（80%），供坐席确认"


def test_a_case_above_the_threshold_of_the_bundle_is_dispatched() -> None:
    thresholds = Thresholds(auto={"城管": 0.8})
    found = outcome(thresholds=thresholds)
    assert found.disposition is Disposition.AUTO
    assert found.reason == "首选单位概率 80%，达到城管的自动派发门槛 80%"
    less = (Candidate("城管", "镇街", 0.79),)
    assert outcome(candidates=less, thresholds=thresholds).disposition is Disposition.SUGGEST


def test_a_function_without_a_threshold_is_never_dispatched_unseen() -> None:
    others = Thresholds(auto={"公安": 0.0, "住建": 0.0})
    sure = (Candidate("城管", "区", 1.0),)
    assert outcome(candidates=sure, thresholds=others).disposition is Disposition.SUGGEST


def test_an_emergency_names_channel_rule_and_place_in_the_text() -> None:
    found = outcome("楼下着火了，判决书也没用")
    assert found.disposition is Disposition.EMERGENCY
    assert found.reason == "疑似着火；立即转 119，同时派单跟进"
    assert [(reason.rule_id, reason.source, reason.text) for reason in found.reasons] == [
        ("E", "trigger", "疑似着火（依据）")
    ]
    assert (found.reasons[0].spans[0].start, found.reasons[0].spans[0].end) == (2, 4)


def test_a_channel_that_two_triggers_name_is_told_once() -> None:
    both = Triggers(
        [
            trigger("E", Disposition.EMERGENCY, "着火", "119"),
            trigger("F", Disposition.EMERGENCY, "救命", "110、119、120"),
        ]
    )
    found = decide({}, CLEAR, place_known=True, text="着火了救命", triggers=both, thresholds=Thresholds())
    assert found.reason == "疑似着火；立即转 119、110、120，同时派单跟进"


@pytest.mark.parametrize(
    ("flag", "disposition"),
    [("urgent", Disposition.EMERGENCY), ("refuse", Disposition.DECLINE), ("vague", Disposition.ASK)],
)
def test_a_flag_of_the_model_counts_from_its_threshold_on(flag: str, disposition: Disposition) -> None:
    assert outcome(flags={flag: 0.5}).disposition is disposition
    assert outcome(flags={flag: 0.49}).disposition is Disposition.SUGGEST
    raised = Thresholds(**{flag: 0.6})  # type: ignore[arg-type]
    assert outcome(flags={flag: 0.5}, thresholds=raised).disposition is Disposition.SUGGEST


def test_a_word_of_danger_and_a_suspicious_model_make_an_emergency_together() -> None:
    assert outcome("头上流血").disposition is Disposition.SUGGEST
    assert outcome(flags={"urgent": 0.1}).disposition is Disposition.SUGGEST
    found = outcome("头上流血", flags={"urgent": 0.1})
    assert found.disposition is Disposition.EMERGENCY
    assert found.reason.startswith("说到“流血”，模型判断涉及人身财产安全（10%）；请立即核实")
    assert [reason.rule_id for reason in found.reasons] == ["H"]


def test_the_model_needs_to_be_certain_of_a_danger_that_the_text_denies() -> None:
    past = "上次着火没有赔偿"
    low = Thresholds(urgent=0.2)
    assert outcome("没有赔偿", flags={"urgent": 0.3}, thresholds=low).disposition is Disposition.EMERGENCY
    assert outcome(past, flags={"urgent": 0.3}, thresholds=low).disposition is Disposition.SUGGEST
    assert outcome(past, flags={"urgent": 0.5}, thresholds=low).disposition is Disposition.EMERGENCY


@pytest.mark.parametrize(
    ("found", "missing"),
    [
        (outcome("催单", place_known=False), (f"{ORDER}或工号",)),  # no place is needed to find an order
        (outcome(flags={"status": 0.5}, place_known=False), (ORDER,)),
        (outcome("催单", flags={"status": 0.9}), (f"{ORDER}或工号",)),
    ],
)
def test_who_chases_an_order_is_asked_for_its_number(found: Outcome, missing: tuple[str, ...]) -> None:
    assert (found.disposition, found.missing) == (Disposition.ASK, missing)


def test_two_matters_in_one_case_are_told_and_never_dispatched_unseen() -> None:
    found = outcome(flags={"multi": 0.6}, thresholds=Thresholds(auto={"城管": 0.5}))
    assert found.disposition is Disposition.SUGGEST
    assert [reason.text for reason in found.reasons] == [
        "可能是两件以上不同主责的事（60%）；请核实，必要时拆成几件分别派单"
    ]


@pytest.mark.parametrize("flag", ["urgent", "refuse"])
def test_a_greeting_is_asked_whatever_the_flags_say(flag: str) -> None:
    found = outcome("谢谢，判决书", flags={flag: 0.99}, contentless=True)
    assert (found.disposition, found.missing) == (Disposition.ASK, (CONTENT,))
    assert outcome("着火", contentless=True).disposition is Disposition.EMERGENCY


def test_what_is_declined_names_the_right_channel() -> None:
    found = outcome("判决书下来了")
    assert found.disposition is Disposition.DECLINE
    assert found.reason == "疑似判决书；请告知市民通过 人民法院 办理"


@pytest.mark.parametrize(
    ("found", "missing"),
    [
        (outcome(contentless=True), (CONTENT,)),
        (outcome(candidates=()), (CONTENT,)),
        (outcome("打错了", flags={"vague": 0.9}), (CONTENT,)),
        (outcome(place_known=False), (PLACE,)),
        (outcome("打错了", place_known=False), (CONTENT, PLACE)),
    ],
)
def test_what_is_missing_is_named(found: Outcome, missing: tuple[str, ...]) -> None:
    assert found.disposition is Disposition.ASK
    assert found.missing == missing
    assert found.reason.endswith(f"请补充：{'、'.join(missing)}")


def test_what_a_unit_cannot_be_named_without_is_asked_for() -> None:
    nameless = (Candidate("城管", "镇街", 0.9, named=False, lacks="事发地点所在的镇街"),)
    found = outcome(candidates=nameless, thresholds=Thresholds(auto={"城管": 0.5}))
    assert (found.disposition, found.missing) == (Disposition.ASK, ("事发地点所在的镇街",))
    assert outcome(candidates=nameless, place_known=False).missing == (PLACE,)


def test_nothing_is_dispatched_without_a_unit() -> None:
    elsewhere = (Candidate("城管", "区", 1.0, named=False),)
    assert outcome(candidates=elsewhere, thresholds=Thresholds(auto={"城管": 0.5})).disposition is Disposition.SUGGEST


def test_a_matter_of_the_city_needs_no_place() -> None:
    city = (Candidate("税务", "市", 0.8),)
    assert outcome(candidates=city, place_known=False).disposition is Disposition.SUGGEST


@pytest.mark.parametrize(
    ("first", "second", "disposition"),
    [
        (Candidate("城管", "区", 0.4), Candidate("公安", "区", 0.3), Disposition.CONSULT),
        (Candidate("城管", "区", 0.4), Candidate("城管", "镇街", 0.3), Disposition.SUGGEST),  # one function
        (Candidate("城管", "区", 0.5), Candidate("公安", "区", 0.45), Disposition.SUGGEST),  # clear enough
        (Candidate("城管", "区", 0.4), Candidate("公安", "区", 0.2), Disposition.SUGGEST),  # far enough ahead
    ],
)
def test_two_functions_neither_of_which_is_clear_consult(
    first: Candidate, second: Candidate, disposition: Disposition
) -> None:
    assert outcome(candidates=(first, second)).disposition is disposition


def test_consultation_names_lead_and_helper() -> None:
    lead = Candidate("城管", "区", 0.4, unit="海滨区城管局", co_handlers=("住建", "公安"))
    found = outcome(candidates=(lead, Candidate("公安", "市", 0.3)))
    assert found.reason == (
        "城管与公安职能不同且都不明确；建议会商：主办候选 海滨区城管局（城管·区，40%），"
        "协办候选 公安（市，30%），目录所列协办职能 住建"
    )


probability = st.floats(0, 1)


@given(
    flags=st.dictionaries(st.sampled_from(("urgent", "refuse", "vague", "multi", "status")), probability),
    candidates=st.lists(st.builds(Candidate, st.sampled_from("甲乙"), st.sampled_from(("市", "区")), probability)),
    place_known=st.booleans(),
    text=st.sampled_from(("", "着火", "判决书", "打错", "占道")),
)
def test_every_case_gets_a_disposition_with_a_reason(
    flags: dict[str, float], candidates: list[Candidate], place_known: bool, text: str
) -> None:
    found = outcome(text, tuple(candidates), place_known, flags=flags)
    assert found.reason
    assert bool(found.missing) == (found.disposition is Disposition.ASK)
    assert (found.disposition is Disposition.EMERGENCY) == (text == "着火" or flags.get("urgent", 0) >= 0.5)
