import pytest

from dispatch_model.room_numbers import find


def found(text: str) -> set[str]:
    """The rooms; of finds of several rules at one place, the longest."""
    spans = sorted(find(text))
    longest = [one for one in spans if not any(a <= one[0] and one[1] <= b for a, b in spans if (a, b) != one)]
    return {text[start:end] for start, end in longest}


@pytest.mark.parametrize(
    ("text", "rooms"),
    [
        ("3栋2单元501室", {"2单元501室"}),
        ("9栋3008和2405都漏水", {"3008", "2405"}),
        ("三栋二单元五零二", {"二单元五零二"}),
        ("楼上1901天天拖椅子", {"1901"}),
        ("6楼603", {"603"}),
        ("翠湖苑B4-509", {"509"}),
        ("五源河3栋2-1203", {"2-1203"}),
        ("21#1306，", {"1306"}),
        ("3307的业主", {"3307"}),
        ("和谐园704号业主", {"704号"}),
        ("3座1906房间渗水", {"1906房间"}),
    ],
)
def test_a_room_is_found(text: str, rooms: set[str]) -> None:
    assert found(text) == rooms


@pytest.mark.parametrize(
    "text",
    [
        "3栋120户都停电",
        "8栋600多户业主",
        "一横路122号的住户",
        "迎春路109号住户",
        "全小区1203户业主",
        "共1203名业主",
        "12345业主热线",
        "隔壁的123酒吧",
        "加装电梯3000台",
        "8楼820公司",
        "花园18-25号楼",
        "住了1203天",
        "一栋一二三单元停水",
    ],
)
def test_counts_houses_and_shops_stay(text: str) -> None:
    assert found(text) == set()
