import time
from typing import Any, Literal

import pytest

from dispatch_model.cases import Case, Reason, Routing, Span
from serving.console.transcript_view import Segment, SpokenTurn, spoken_turns, summary_of
from tests.canned import SUGGESTION, CannedRouter


def routing(text: str, **changes: Any) -> Routing:
    answer = CannedRouter().route([Case(case_id="1", transcript="路灯不亮")])[0]
    return answer.model_copy(update={"suggestions": (), **changes, "transcript": text})


def reason(source: Literal["model", "place", "trigger"], text: str, *spans: tuple[int, int]) -> Reason:
    return Reason(source=source, text=text, spans=tuple(Span(start=start, end=end) for start, end in spans))


def test_a_text_without_speakers_is_one_turn() -> None:
    assert spoken_turns(routing("路灯不亮")) == (SpokenTurn("", "", (Segment("路灯不亮"),)),)


def test_both_speakers_get_their_turns() -> None:
    turns = spoken_turns(routing("坐席：您好，请讲。 市民：路灯不亮 三天了。 坐席：好的。"))
    assert [(turn.speaker, turn.name, turn.text) for turn in turns] == [
        ("agent", "坐席", "您好，请讲。"),
        ("citizen", "市民", "路灯不亮 三天了。"),
        ("agent", "坐席", "好的。"),
    ]


@pytest.mark.parametrize("text", ["有位 市民：您好 这样写", "市民：只有一方的话"])
def test_a_label_that_is_said_is_no_turn(text: str) -> None:
    assert [turn.text for turn in spoken_turns(routing(text))] == [text]


def test_words_say_what_they_argue_for() -> None:
    cue = reason("model", "「占道」指向城管（模型 0.90）", (2, 4))
    place = reason("place", "地点：龙华区", (6, 9))
    second = SUGGESTION.model_copy(update={"rank": 2, "reasons": (cue,)})
    first = SUGGESTION.model_copy(update={"reasons": (cue, place)})
    (turn,) = spoken_turns(routing("摊贩占道，在龙华区", suggestions=(first, second)))
    assert turn.segments == (
        Segment("摊贩"),
        Segment("占道", "cue model", "建议 1、2：「占道」指向城管（模型 0.90）", (1, 2)),
        Segment("，在"),
        Segment("龙华区", "cue place", "建议 1：地点：龙华区", (1,)),
    )


def test_of_two_reasons_for_the_same_words_the_stronger_gives_the_look() -> None:
    weak, strong = reason("model", "「冒烟」指向消防", (0, 4)), reason("trigger", "疑似火情", (2, 4))
    (turn,) = spoken_turns(routing("楼上冒烟了", reasons=(weak, strong)))
    assert [(one.text, one.cls, one.title) for one in turn.segments] == [
        ("楼上", "cue model", "「冒烟」指向消防"),
        ("冒烟", "cue trigger", "「冒烟」指向消防\n疑似火情"),
        ("了", "", ""),
    ]


def test_masked_data_are_tags_pointed_at_or_not() -> None:
    pointed = reason("place", "地点", (4, 8))
    (turn,) = spoken_turns(routing("[电话][门牌]好", reasons=(pointed,)))
    assert [(one.text, one.cls) for one in turn.segments] == [
        ("[电话]", "tag"),
        ("[门牌]", "tag cue place"),
        ("好", ""),
    ]


def test_spans_of_another_text_do_no_harm() -> None:
    beyond = reason("model", "x", (2, 90), (50, 60), (3, 3))
    (turn,) = spoken_turns(routing("路灯不亮", reasons=(beyond,)))
    assert [(one.text, one.cls) for one in turn.segments] == [("路灯", ""), ("不亮", "cue model")]


def test_marks_that_turn_the_text_are_visible_in_words_and_titles() -> None:
    hostile = reason("model", "「\u202e」", (1, 2))
    (turn,) = spoken_turns(routing("a\u202eb", reasons=(hostile,)))
    assert [(one.text, one.title) for one in turn.segments] == [("a", ""), ("\ufffd", "「\ufffd」"), ("b", "")]


def test_an_erased_transcript_has_no_turns() -> None:
    assert spoken_turns(routing("")) == ()


def test_twenty_thousand_characters_are_shown_at_once() -> None:
    text = ("坐席：您说。 市民：电话[电话]，在龙华区。 " * 900)[:20_000].strip()
    cues = reason("model", "x", *((at, at + 2) for at in range(0, 2000, 40)))
    began = time.perf_counter()
    turns = spoken_turns(routing(text, reasons=(cues,)))
    assert time.perf_counter() - began < 0.5
    assert sum(len(turn.text) for turn in turns) > 12_000


def test_a_summary_is_short_and_leaves_out_greetings() -> None:
    call = "坐席：您好，12345热线，请问有什么可以帮您？ 市民：你好，金贸街道的路灯不亮已经三天了。 坐席：好的，再见。"
    assert summary_of(call) == "金贸街道的路灯不亮已经三天了。"
    assert summary_of("路灯" * 50) == "路灯" * 29 + "路…"
    assert summary_of("") == ""
