import time

import pytest

from dispatch_model import transcript
from dispatch_model.cases import MAX_TRANSCRIPT_CHARS, Case, Turn
from dispatch_model.errors import DispatchError, ErrorKind


def _citizen(text: str) -> Turn:
    return Turn(speaker="citizen", text=text)


def _agent(text: str) -> Turn:
    return Turn(speaker="agent", text=text)


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("路燈壞了，請派人維修", "路灯坏了，请派人维修"),
        ("１２３４５熱線ＡＢＣ", "12345热线ABC"),
        ("电表走得快！！怎么办？", "电表走得快！！怎么办？"),
        ("面积８０㎡", "面积80m2"),
        ("①漏水②停电", "①漏水②停电"),
        ("路灯\u200b坏\u202e了\ufeff", "路灯坏了"),
        ("路灯\x00坏\x07了", "路灯坏了"),
        ("路灯坏了😡🙏请处理", "路灯坏了 请处理"),
        ("  路灯\n\n坏了\t 三天 ", "路灯 坏了 三天"),
        ("路 灯 坏 了 三 天", "路灯坏了三天"),
        ("我 要投诉", "我 要投诉"),
        ("孤立代理\ud83d符", "孤立代理符"),
        ("\u3000\u3000井盖丢了", "井盖丢了"),
        ("😡😡", ""),
        ("", ""),
    ],
)
def test_normalise(raw: str, clean: str) -> None:
    assert transcript.normalise(raw) == clean


@pytest.mark.parametrize("text", ["撞坏墙体要赔偿", "著名景点门票", "阿婆乾着急", "后面的里程表", "打碎了玻璃"])
def test_simplified_text_is_not_converted(text: str) -> None:
    assert transcript.normalise(text) == text


def test_normalise_is_idempotent() -> None:
    once = transcript.normalise("ＡＢ 路燈 壞 了 呀 呀😡 ｶﾞ\u00ad①")
    assert transcript.normalise(once) == once


@pytest.mark.parametrize(
    ("agent", "citizen"), [("坐席", "市民"), ("话务员", "来电人"), ("客服", "用户"), ("坐席", "群众")]
)
@pytest.mark.parametrize("colon", [":", "："])
def test_labelled_text_becomes_turns(agent: str, citizen: str, colon: str) -> None:
    turns = transcript.parse(f"{agent}{colon}您好请讲 {citizen}{colon}楼下的路灯不亮 {agent}{colon}好的")
    assert turns == (_agent("您好请讲"), _citizen("楼下的路灯不亮"), _agent("好的"))


def test_labels_may_carry_numbers_brackets_and_no_spaces() -> None:
    turns = transcript.parse("【坐席】:您好市民A：停水两天了坐席1023:哪个小区")
    assert turns == (_agent("您好"), _citizen("停水两天了"), _agent("哪个小区"))


def test_a_single_leading_label_is_dropped() -> None:
    assert transcript.parse("市民：小区停水") == (_citizen("小区停水"),)


def test_words_before_the_first_label_are_kept() -> None:
    turns = transcript.parse("通话摘要 坐席：您好 市民：路面塌了 坐席：在哪")
    assert turns[0] == _citizen("通话摘要")
    assert [turn.speaker for turn in turns] == ["citizen", "agent", "citizen", "agent"]


@pytest.mark.parametrize(
    "text",
    ["市民来电反映：小区停水", "我问店家，客服：概不退款。请协调", "他们让我找用户: 中心", "投诉时间:昨天 地点:海边"],
)
def test_quoted_speech_in_a_letter_is_no_dialogue(text: str) -> None:
    assert transcript.parse(text) == (_citizen(transcript.normalise(text)),)


def test_turns_are_normalised_and_blank_ones_dropped() -> None:
    turns = transcript.parse([_agent("您好"), _citizen(" \u200b"), _citizen("路燈壞了")])
    assert turns == (_agent("您好"), _citizen("路灯坏了"))


def test_blank_text_has_no_turns() -> None:
    assert transcript.parse(" \n😡") == ()


def test_as_text_names_speakers_only_in_a_dialogue() -> None:
    assert transcript.as_text((_citizen("停水"), _citizen("三天了"))) == "停水 三天了"
    assert transcript.as_text((_agent("您好"), _citizen("停水"))) == "坐席：您好 市民：停水"
    assert transcript.as_text(()) == ""


def test_as_text_parses_back() -> None:
    turns = (_agent("您好请讲"), _citizen("停水两天"), _agent("哪里"), _citizen("龙华区"))
    assert transcript.parse(transcript.as_text(turns)) == turns


def test_model_text_of_one_text_is_unchanged() -> None:
    text = "你好，我要反映路灯不亮，谢谢"
    assert transcript.model_text(transcript.parse(text)) == text


def test_model_text_puts_the_restatement_first_and_drops_fillers() -> None:
    turns = (
        _agent("您好请问有什么可以帮您"),
        _citizen("喂你好"),
        _citizen("哎你好，就是我家楼下有人半夜卖烧烤"),
        _agent("嗯"),
        _citizen("嗯嗯对的"),
        _agent("好的，您的诉求是要求取缔楼下的夜间烧烤摊对吗"),
        _citizen("对"),
        _agent("请问您贵姓"),
        _citizen("姓唐，电话就打这个"),
        _agent("感谢您的来电再见"),
    )
    assert transcript.model_text(turns) == "您的诉求是要求取缔楼下的夜间烧烤摊对吗 我家楼下有人半夜卖烧烤"


def test_model_text_keeps_an_agents_echo_with_content() -> None:
    turns = (_citizen("在那个什么广场"), _agent("南苑路的望月广场西门旁边"), _citizen("对，井盖没了"))
    assert transcript.model_text(turns) == "在那个什么广场 南苑路的望月广场西门旁边 井盖没了"


def test_model_text_drops_a_guess_of_the_agent_that_the_citizen_denies() -> None:
    turns = (
        _citizen("我想说一下楼下那家店"),
        _agent("您是要投诉店里的饭菜不干净对吗"),
        _citizen("哎不是不是，是他把桌子摆到人行道上"),
        _agent("您是要求把人行道上的桌子清走对吗"),
        _citizen("对"),
    )
    said = transcript.model_text(turns)
    assert said == "您是要求把人行道上的桌子清走对吗 我想说一下楼下那家店 哎不是不是，是他把桌子摆到人行道上".replace(
        "哎", ""
    )


def test_model_text_puts_the_fullest_restatement_first() -> None:
    turns = (
        _citizen("路口那个井盖"),
        _agent("您说的是哪个路口，是吗"),
        _citizen("嗯南边的"),
        _agent("您反映南边路口井盖缺失，要求尽快补上，是吗"),
        _citizen("是的"),
    )
    assert transcript.model_text(turns).startswith("您反映南边路口井盖缺失")


def test_model_text_of_a_long_call_keeps_what_matters_in_the_order_it_was_said() -> None:
    talk = tuple(
        _citizen(f"前天下雨我去了第{number}趟菜场，路上遇到邻居聊了一会天") for number in "甲乙丙丁戊己庚辛壬癸子丑寅卯"
    )
    early, late = "我主要是反映小区的电梯老是停", "希望叫你们派人来检修一下电梯"
    said = transcript.model_text((_citizen(early), *talk, _citizen(late)))
    assert said.startswith(early)
    assert said.endswith(late)
    assert len(said) < 350


def test_model_text_of_a_short_call_drops_nothing_that_was_told() -> None:
    told = ("楼上漏水", "在海甸岛", "三个月了")
    assert transcript.model_text(tuple(map(_citizen, told))) == " ".join(told)


def test_model_text_of_a_call_without_content_is_the_call() -> None:
    turns = (_agent("您好"), _citizen("喂"))
    assert transcript.model_text(turns) == "您好 喂"


def test_model_text_of_nothing_is_empty() -> None:
    assert transcript.model_text(()) == ""


@pytest.mark.parametrize(
    "text",
    [
        "喂喂听得到吗",
        "喂？你好，能听到我说话吗？",
        "你好",
        "喂喂喂 信号不好听不清楚",
        "我要投诉",
        "我想反映一个问题",
        "您好请问有人吗",
        "打错了不好意思",
        "没事了谢谢",
        "麻烦快一点",
        "。。。！？",
        "12345",
        "[电话]",
        "[姓名]，你好",
        "Hello",
        "",
    ],
)
def test_contentless(text: str) -> None:
    assert transcript.is_contentless(text)


@pytest.mark.parametrize(
    "text",
    ["停水", "着火了", "救命", "路灯坏了", "社保", "有人打架", "我要投诉城管", "没有水", "电话打不通", "喂，漏气了"],
)
def test_short_matters_are_content(text: str) -> None:
    assert not transcript.is_contentless(text)


@pytest.mark.parametrize(
    "text",
    [
        "喂",
        "谢谢",
        "坐席：您好，请问有什么可以帮您？",
        "坐席：您好，请问有什么可以帮您？市民：喂喂",
        "坐席：您好，青岭12345热线，很高兴为您服务。市民：你好。坐席：请讲。市民：听得到吗？坐席：感谢来电，再见。",
    ],
)
def test_greetings_of_both_sides_say_nothing(text: str) -> None:
    assert transcript.says_nothing(transcript.parse(text))


@pytest.mark.parametrize(
    "text",
    [
        "坐席：您好，请讲。市民：停水",
        "坐席：请问您是反映路灯不亮的问题吗？市民：对的",  # the matter is in the agent's words
        "坐席：路灯不亮",
    ],
)
def test_a_matter_on_either_side_says_something(text: str) -> None:
    assert not transcript.says_nothing(transcript.parse(text))


def test_check_gives_the_turns_of_what_fits() -> None:
    long = "水" * MAX_TRANSCRIPT_CHARS
    assert transcript.check(Case(case_id="1", transcript=long)) == (_citizen(long),)
    assert transcript.check(Case(case_id="1", transcript="喂")) == (_citizen("喂"),)


@pytest.mark.parametrize(
    "blank", ["", " \n\t", "\u200b\ufeff", "😡", "❶🄋", "市民：", "坐席： 市民：", (), (_citizen(" "),)]
)
def test_check_refuses_a_blank_transcript(blank: str | tuple[Turn, ...]) -> None:
    with pytest.raises(DispatchError, match="为空白") as caught:
        transcript.check(Case(case_id="A7", transcript=blank))
    assert caught.value.kind is ErrorKind.TRANSCRIPT_EMPTY
    assert caught.value.field == "transcript"
    assert "A7" in caught.value.message


@pytest.mark.parametrize("long", ["水" * 20_001, (_agent("水" * 10_000), _citizen("水" * 10_001))])
def test_check_refuses_a_long_transcript(long: str | tuple[Turn, ...]) -> None:
    with pytest.raises(DispatchError, match="20001 字，至多 20000 字") as caught:
        transcript.check(Case(case_id="1", transcript=long))
    assert caught.value.kind is ErrorKind.TRANSCRIPT_TOO_LONG
    assert caught.value.value == "20001"


@pytest.mark.parametrize("unit", ["喂", "嗯啊 ", "你好，", "坐席:", "我要", "[", " ", "a@", "市民：是的"])
def test_long_odd_input_costs_linear_time(unit: str) -> None:
    text = unit * (MAX_TRANSCRIPT_CHARS // len(unit))
    started = time.process_time()
    turns = transcript.parse(text)
    transcript.model_text(turns)
    transcript.is_contentless(text)
    assert time.process_time() - started < 2
