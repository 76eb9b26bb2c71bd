import csv
import time
from pathlib import Path

import pytest

from dispatch_model.cases import Disposition
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.triggers import COLUMNS, Triggers

SHIPPED = Path(__file__).parent.parent / "configs" / "haikou" / "triggers.csv"


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


def test_only_the_wanted_dispositions_fire(tmp_path: Path) -> None:
    triggers = load(tmp_path, {}, {"disposition": "decline"})
    assert [found.trigger.id for found in triggers.fire("着火", (Disposition.DECLINE,))] == ["T-2"]


def test_the_version_follows_the_content(tmp_path: Path) -> None:
    assert load(tmp_path, {}).version == load(tmp_path, {}).version
    assert load(tmp_path, {}).version != load(tmp_path, {"unless": "上次"}).version


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"disposition": "auto"}, "disposition 列：“auto”不在允许的取值之内，应为：emergency、decline、ask"),
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


def dispositions(text: str) -> set[str]:
    return {found.trigger.disposition.value for found in Triggers.load(SHIPPED).fire(text)}


@pytest.mark.parametrize(
    "text",
    [
        "隔壁楼着火了你们快来",
        "楼上招火了浓烟很大",  # a slip of hearing
        "上次着火还没赔，现在又着火了",
        "我在厨房闻到很重的煤气味",
        "厨房媒气泄漏了",
        "挖机把路边水管挖破了水喷得老高",
        "变压器冒火花了",
        "电线掉下来垂在人行道上",
        "整个小区突然停电了",
        "有人爬上塔吊要跳楼",
        "我和孩子被困在电梯里出不来",
        "现在楼下有人拿着刀要砍人",
        "我家老人早上出门走失了",
        "工人在工地晕倒了",
    ],
)
def test_danger_that_is_happening_is_an_emergency(text: str) -> None:
    assert dispositions(text) == {"emergency"}


@pytest.mark.parametrize(
    "text",
    [
        "上次着火后一直没赔偿",
        "消防通道被占用，担心着火出不来",
        "去年水管爆裂把地板泡坏了，要求赔偿",
        "小区电梯经常困人，要求更换",
        "咨询漏电保护器由谁更换",
        "车胎漏气了，附近哪里能补",
        "整个小区每天晚上都停电，要求检修线路",
        "危房随时可能倒塌，什么时候能改造",
        "咨询加装电梯的补贴",
        "路边商铺占道摆桌子",
        "希望在河边加装护栏防止有人落水",
    ],
)
def test_danger_that_is_past_feared_or_regular_is_none(text: str) -> None:
    assert dispositions(text) == set()


@pytest.mark.parametrize(
    "text",
    [
        "法院已经判决了对方不执行",
        "已经申请仲裁，对裁决书不服",
        "行政复议决定下来了，不服复议结果",
        "举报镇长收受好处费",
        "我在三亚被宰客了",
        "军车违停堵住了我家门口",
    ],
)
def test_what_belongs_elsewhere_is_declined(text: str) -> None:
    assert dispositions(text) == {"decline"}


@pytest.mark.parametrize(
    "text", ["想起诉开发商，怎么申请法律援助", "从三亚坐动车到海口怎么买票", "医生收红包", "军训期间学生中暑"]
)
def test_what_only_sounds_like_it_is_not_declined(text: str) -> None:
    assert "decline" not in dispositions(text)


@pytest.mark.parametrize("text", ["喂喂听得到吗", "喂，你好，听得到吗？", "不好意思拨错了"])
def test_a_call_without_content_is_asked_back(text: str) -> None:
    assert dispositions(text) == {"ask"}


def test_a_greeting_before_the_matter_is_not_asked_back() -> None:
    assert dispositions("喂你好，我这边路灯坏了") == set()


@pytest.mark.parametrize("unit", ["喂", "房屋", "楼下很吵，", "被困在", "有人"])
def test_the_longest_transcript_is_searched_in_well_under_a_second(unit: str) -> None:
    triggers = Triggers.load(SHIPPED)
    start = time.perf_counter()
    triggers.fire(unit * (20_000 // len(unit)))
    assert time.perf_counter() - start < 1
