import random

import pytest

from dispatch_model.transcript import parse
from training.noise import SHARES, Slip, distance, error_rate, heard, mixed, spoken

TEXTS = [
    "小区门口的路灯坏了三天，晚上老人出门看不见，请尽快派人修理。",
    "来电人反映某某路18号楼下的烧烤店每晚营业到2点，油烟和噪声都很大，已经投诉过3次，希望有人上门检查。",
    "楼上住户私自改动承重墙，物业不管，业主群里也没有人答复，想问应当向哪个部门反映，需要准备什么材料。",
    "公交车站的站牌被撞歪了，联系电话[电话]，请核实。",
]
CALL = "坐席：您好，请讲。市民：我们村里的垃圾没人清运，味道很大。坐席：在哪个村？市民：在镇上往东走两公里。"


def slow_distance(first: str, second: str) -> int:
    row = list(range(len(second) + 1))
    for one in first:
        before, row[0] = row[0], row[0] + 1
        for place, other in enumerate(second, start=1):
            cost = before if one == other else before + 1
            before, row[place] = row[place], min(cost, row[place] + 1, row[place - 1] + 1)
    return row[-1]


def test_the_edit_distance_is_levenshteins() -> None:
    rng = random.Random(3)
    for _ in range(400):
        first, second = ("".join(rng.choices("甲乙丙丁", k=rng.randrange(0, 90))) for _ in range(2))
        assert distance(first, second) == slow_distance(first, second)


@pytest.mark.parametrize("rate", [0.02, 0.05, 0.1, 0.2, 0.3])
def test_the_error_rate_is_the_one_asked_for(rate: float) -> None:
    clean = TEXTS * 50
    noisy = [heard(text, rate, random.Random(seed)) for seed, text in enumerate(clean)]
    assert error_rate(clean, noisy) == pytest.approx(rate, abs=0.01)


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.2])
def test_every_long_text_has_the_rate_by_itself(rate: float) -> None:
    text = "".join(text for text in TEXTS if "[" not in text) * 2
    for seed in range(20):
        assert error_rate([text], [heard(text, rate, random.Random(seed))]) == pytest.approx(rate, abs=0.01)


@pytest.mark.parametrize("slip", [Slip.SOUND, Slip.DROPPED, Slip.REPEATED, Slip.FILLER])
def test_each_kind_alone_reaches_the_rate(slip: Slip) -> None:
    clean = TEXTS * 30
    noisy = [heard(text, 0.1, random.Random(seed), (slip,)) for seed, text in enumerate(clean)]
    assert error_rate(clean, noisy) == pytest.approx(0.1, abs=0.01)


def test_kinds_do_what_they_say() -> None:
    text = spoken(TEXTS[2])
    told = {slip: spoken(heard(text, 0.1, random.Random(5), (slip,))) for slip in SHARES}
    assert len(told[Slip.SOUND]) == len(text)
    assert len(told[Slip.DROPPED]) < len(text)
    assert len(told[Slip.REPEATED]) > len(text)
    assert set(told[Slip.REPEATED]) == set(text)
    assert len(told[Slip.FILLER]) > len(text)
    assert told[Slip.DIGITS] == text  # it has none


@pytest.mark.parametrize(
    ("digits", "said"),
    [("30", {"三十", "三零"}), ("12", {"十二", "一二"}), ("105", {"一百零五", "一零五", "幺零五"})],
)
def test_digits_are_spoken(digits: str, said: set[str]) -> None:
    text = f"我住在这个小区{digits}栋已经很多年了"
    found = {spoken(heard(text, 0.3, random.Random(seed), (Slip.DIGITS,))) for seed in range(60)} - {text}
    assert found == {text.replace(digits, one) for one in said}


def test_the_seed_decides() -> None:
    once, again, other = (heard(TEXTS[1], 0.2, random.Random(seed)) for seed in (1, 1, 2))
    assert once == again
    assert once != other


def test_no_error_leaves_the_text_alone() -> None:
    assert heard(TEXTS[0], 0.0, random.Random(1)) == TEXTS[0]


def test_tags_survive() -> None:
    assert all("[电话]" in heard(TEXTS[3], 0.4, random.Random(seed)) for seed in range(30))


def test_about_half_of_the_texts_lose_all_punctuation() -> None:
    bare = sum(not set("，。") & set(heard(TEXTS[1], 0.05, random.Random(seed))) for seed in range(200))
    assert 80 <= bare <= 130


def test_speakers_merge_but_the_first_is_noticed() -> None:
    turns = [len(parse(heard(CALL, 0.05, random.Random(seed)))) for seed in range(40)]
    assert min(turns) < 4 == len(parse(CALL)) == max(turns)
    assert all(heard(CALL, 0.05, random.Random(seed)).startswith("坐席：") for seed in range(40))


@pytest.mark.parametrize("text", ["", " ", "，。", "[电话]", "abc", "喂"])
def test_little_or_nothing_is_no_trouble(text: str) -> None:
    assert isinstance(heard(text, 0.5, random.Random(1)), str)


def test_training_texts_are_noisy_in_the_share_asked_for() -> None:
    clean = [f"第{number}件：{TEXTS[number % 3]}" for number in range(300)]
    noisy = mixed(clean, 0.4, seed=1)
    assert 0.3 < sum(one != other for one, other in zip(clean, noisy, strict=True)) / 300 < 0.5
    assert noisy == mixed(clean, 0.4, seed=1) != mixed(clean, 0.4, seed=2)
