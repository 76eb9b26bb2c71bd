import csv
import time
from pathlib import Path

import pytest

from dispatch_model.cases import Disposition
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.table import Upload
from dispatch_model.triggers import COLUMNS, HEAD, LETTER, Triggers

SHIPPED = Path(__file__).parent.parent / "configs" / "haikou" / "triggers.csv"
# Invented: a text, and the disposition it calls for or must never get. The rules were written beside the examples;
# what is held out was written after them and is never looked at when they change.
SAID, HELD_OUT = (Path(__file__).with_name(f"said_{name}.csv") for name in ("examples", "held_out"))
NOW = {"id": "正在发生", "disposition": "define", "pattern": "现在|快来"}


def load(tmp_path: Path, *rows: dict[str, str]) -> Triggers:
    path = tmp_path / "triggers.csv"
    plain = {"disposition": "emergency", "pattern": "着火", "channel": "119", "text": "疑似火情", "basis": "依据"}
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        writer.writerows({"id": f"T-{number}", **plain, **given} for number, given in enumerate(rows, start=1))
    return Triggers.load(path)


def test_a_trigger_reports_where_it_fired(tmp_path: Path) -> None:
    fired = load(tmp_path, {}).fire("隔壁着火了")
    assert [(found.trigger.id, found.start, found.end) for found in fired] == [("T-1", 2, 4)]


def test_a_match_in_a_negative_context_is_passed_over_for_the_next(tmp_path: Path) -> None:
    triggers = load(tmp_path, {"unless": "上次"})
    text = "上次着火没人管。楼下又着火了"
    assert [(found.start, found.end) for found in triggers.fire(text)] == [(11, 13)]


def test_the_negative_context_ends_with_the_sentence_and_with_distance(tmp_path: Path) -> None:
    triggers = load(tmp_path, {"unless": "赔偿"})
    assert not triggers.fire("着火了没有赔偿")
    assert triggers.fire("着火了。没有赔偿")
    assert triggers.fire("着火了" + "快来人" * 9 + "没有赔偿")


def test_a_name_stands_for_its_pattern_wherever_the_definition_is(tmp_path: Path) -> None:
    definitions = [
        {"id": "火", "disposition": "define", "pattern": "着火|{烟}"},
        {"id": "烟", "disposition": "define", "pattern": "冒烟{1,2}"},
    ]
    triggers = load(tmp_path, {"pattern": "楼.{0,4}{火}", "unless": "{烟}"}, *definitions)
    assert [(found.start, found.end) for found in triggers.fire("楼上着火")] == [(0, 4)]
    assert not triggers.fire("楼上冒烟烟")
    assert (
        triggers.version
        != load(
            tmp_path,
            {"pattern": "楼.{0,4}{火}", "unless": "{烟}"},
            definitions[0],
            NOW,
            {**definitions[1], "pattern": "冒黑烟"},
        ).version
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"pattern": "{大火}"}, "pattern 列：“{大火}”其中 {大火} 没有定义，请加一行 disposition 为 define"),
        ({"unless": "{已过}"}, "unless 列：“{已过}”其中 {已过} 没有定义"),
        ({"pattern": "{已过去了}"}, "（是否想写：已过去？）"),
        ({"id": "甲", "disposition": "define", "pattern": "{甲}"}, "其中 {甲} 引用了自己"),
        ({"id": "2 号", "disposition": "define"}, "id 列：“2 号”不能作为名称引用"),
        ({"id": "甲", "disposition": "define", "unless": "乙"}, "unless 列：“乙”对 define 行不起作用"),
        ({"id": "甲", "disposition": "define", "pattern": ""}, "pattern 列：为空，此列必填"),
    ],
)
def test_a_name_that_leads_nowhere_is_refused(tmp_path: Path, given: dict[str, str], told: str) -> None:
    with pytest.raises(DispatchError) as caught:
        load(tmp_path, {"id": "已过去", "disposition": "define", "pattern": "上次"}, given)
    assert caught.value.message.startswith("triggers.csv 第 3 行 ")
    assert told in caught.value.message


def test_two_names_that_stand_for_each_other_are_refused(tmp_path: Path) -> None:
    circle = [
        {"id": "甲", "disposition": "define", "pattern": "{乙}"},
        {"id": "乙", "disposition": "define", "pattern": "{甲}"},
    ]
    with pytest.raises(DispatchError, match="引用了自己"):
        load(tmp_path, *circle)


@pytest.mark.parametrize(
    ("text", "fires"),
    [
        ("着火" + "很久" * LETTER, True),  # at the beginning of a letter
        ("很久" * LETTER + "着火", False),
        ("很久" * LETTER + "，现在着火", True),
        ("很久" * (HEAD // 2 + 1) + "着火", True),  # too short to be a letter
        ("坐席：您好 市民：" + "很久" * LETTER + "着火", True),  # a call is no letter
    ],
)
def test_what_a_letter_mentions_in_passing_sets_nothing_off(tmp_path: Path, text: str, fires: bool) -> None:
    assert bool(load(tmp_path, {}, NOW).fire(text)) is fires


def test_a_hint_sets_nothing_off_alone(tmp_path: Path) -> None:
    triggers = load(tmp_path, {}, {"disposition": "hint", "pattern": "流血", "unless": "上次"})
    assert not triggers.fire("一直流血")
    assert [(found.trigger.id, found.start) for found in triggers.hints("一直流血")] == [("T-2", 2)]
    assert not triggers.hints("上次流血")


def test_a_danger_is_denied_where_every_mention_of_it_is(tmp_path: Path) -> None:
    triggers = load(tmp_path, {"unless": "上次"}, {"disposition": "decline", "pattern": "法院", "unless": "门口"})
    assert triggers.denies("上次着火")
    assert not triggers.denies("上次着火。又着火")
    assert not triggers.denies("法院门口")
    assert not triggers.denies("占道")


def test_a_part_keeps_definitions_and_hints(tmp_path: Path) -> None:
    rows = [{"pattern": "{正在发生}着火"}, {"disposition": "decline"}, {"disposition": "hint"}, NOW]
    triggers = load(tmp_path, *rows)
    assert [row.id for row in triggers.only(Disposition.EMERGENCY).rows] == ["T-1", "T-3", "正在发生"]
    assert [row.id for row in triggers.only(Disposition.DECLINE).rows] == ["T-2", "正在发生"]
    assert triggers.only(Disposition.EMERGENCY).fire("现在着火")


def test_only_the_wanted_dispositions_fire(tmp_path: Path) -> None:
    triggers = load(tmp_path, {}, {"disposition": "decline"})
    assert [found.trigger.id for found in triggers.fire("着火", (Disposition.DECLINE,))] == ["T-2"]


def test_the_version_follows_the_content(tmp_path: Path) -> None:
    assert load(tmp_path, {}).version == load(tmp_path, {}).version
    assert load(tmp_path, {}).version != load(tmp_path, {"unless": "上次"}).version


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"disposition": "auto"},
            "disposition 列：“auto”不在允许的取值之内，应为：emergency、decline、ask、hint、define",
        ),
        ({"pattern": "着火("}, "pattern 列：“着火(”不是正则表达式"),
        ({"unless": "[上次"}, "unless 列：“[上次”不是正则表达式"),
        ({"pattern": "着?"}, "pattern 列：“着?”能匹配空文本"),
        ({"pattern": ""}, "pattern 列：为空，此列必填"),
        ({"channel": ""}, "channel 列：为空，此列必填"),
        ({"id": "T-1"}, "id 列：“T-1”与第 2 行重复"),
    ],
)
def test_a_bad_cell_is_refused_with_row_column_value_and_what_was_allowed(
    tmp_path: Path, given: dict[str, str], told: str
) -> None:
    with pytest.raises(DispatchError) as caught:
        load(tmp_path, {}, given)
    assert caught.value.kind is ErrorKind.INVALID_RULES
    assert caught.value.message.startswith("triggers.csv 第 3 行 ")
    assert told in caught.value.message


def said(column: str, disposition: str, path: Path = SAID) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return [row["text"] for row in csv.DictReader(file) if row[column] == disposition]


def fired(text: str) -> set[str]:
    return {str(found.trigger.disposition) for found in Triggers.load(SHIPPED).fire(text)}


@pytest.mark.parametrize("disposition", ["emergency", "decline", "ask"])
def test_the_shipped_triggers_fire_on_what_calls_for_them_and_on_nothing_that_only_sounds_like_it(
    disposition: str,
) -> None:
    shipped, wanted = Triggers.load(SHIPPED), (Disposition(disposition),)
    assert [text for text in said("disposition", disposition) if not shipped.fire(text, wanted)] == []
    assert [text for text in said("never", disposition) if shipped.fire(text, wanted)] == []


def test_most_dangers_are_found_in_words_nobody_wrote_a_rule_for() -> None:
    shipped, wanted = Triggers.load(SHIPPED), (Disposition.EMERGENCY,)
    dangers, harmless = said("disposition", "emergency", HELD_OUT), said("never", "emergency", HELD_OUT)
    assert sum(bool(shipped.fire(text, wanted)) for text in dangers) / len(dangers) > 0.5
    assert sum(bool(shipped.fire(text, wanted)) for text in harmless) / len(harmless) < 0.05


def test_the_examples_are_enough_to_mean_something() -> None:
    assert [len(said("disposition", each)) for each in ("emergency", "decline", "ask")] >= [280, 30, 15]
    assert [len(said("never", each)) for each in ("emergency", "decline", "ask")] >= [270, 25, 14]


@pytest.mark.parametrize(
    ("text", "channel"),
    [
        ("厨房燃气管在漏气", "燃气抢修"),
        ("主水管爆了", "供水抢修"),
        ("变压器爆炸了一片漆黑", "供电抢修"),
        ("有人拿着刀在砍人", "110"),
        ("仓库起火了", "119"),
        ("有个老人晕倒没有呼吸了", "120"),
        ("货车把行人撞飞了，司机受伤", "122"),
        ("对判决不服", "12368"),
        ("不服复议决定", "行政复议"),
        ("举报镇长收受好处费", "12388"),
        ("军车违停堵住了我家门口", "军队"),
        ("我在三亚被宰客了", "12345"),
        ("检察院作出不起诉决定我不服", "12309"),
        ("欠条写了不还钱怎么办", "12348"),
        ("已经答复过了我还是不满意要再投诉，没有新的证据", "复查"),
        ("喂喂听得到吗", "诉求内容"),
        ("查询一下我的工单办理进度", "原工单号"),
        ("我也说不清在什么位置", "事发地点"),
    ],
)
def test_the_channel_fits_the_matter(text: str, channel: str) -> None:
    assert channel in "、".join(found.trigger.channel for found in Triggers.load(SHIPPED).fire(text))


def test_a_fire_is_declined_by_no_court() -> None:
    assert fired("法院对面的商铺着火了") == {"emergency"}


def test_an_office_keeps_each_phrase_in_one_place() -> None:
    rows = Triggers.load(SHIPPED).rows
    names = [row.id for row in rows if row.disposition == "define"]
    assert "正在发生" in names
    used = "".join(row.pattern + row.unless for row in rows)
    assert [name for name in names if f"{{{name}}}" not in used] == []
    assert max(len(row.unless) for row in rows) < 400


def test_the_shipped_triggers_load_from_what_was_sent() -> None:
    content = SHIPPED.read_bytes()
    assert Triggers.load(Upload("x.csv", b"\xef\xbb\xbf" + content)).version == Triggers.load(SHIPPED).version


@pytest.mark.parametrize("unit", ["喂", "房屋", "楼下很吵，", "被困在", "有人"])
def test_the_longest_transcript_is_searched_in_well_under_a_second(unit: str) -> None:
    triggers = Triggers.load(SHIPPED)
    start = time.perf_counter()
    text = unit * (20_000 // len(unit))
    triggers.fire(text)
    triggers.hints(text)
    triggers.denies(text)
    assert time.perf_counter() - start < 1
