import pytest

from dispatch_model.spoken_numbers import find


def found(text: str) -> list[tuple[str, str]]:
    return [(text[start:end], tag) for start, end, tag in find(text)]


@pytest.mark.parametrize(
    ("text", "number", "tag"),
    [
        ("电话幺三八零零零零一二三四", "幺三八零零零零一二三四", "[电话]"),
        ("幺三八，零零零零，一二三四", "幺三八，零零零零，一二三四", "[电话]"),
        ("幺三八嗯零零零零幺二三四", "幺三八嗯零零零零幺二三四", "[电话]"),
        ("幺三八四个零幺二三四", "幺三八四个零幺二三四", "[电话]"),
        ("老板电话幺三八零零零零一二三四一直关机", "幺三八零零零零一二三四", "[电话]"),
        ("座机零八九八 六六幺二三四五六", "零八九八 六六幺二三四五六", "[电话]"),
        ("座机六六幺二三四五六", "六六幺二三四五六", "[电话]"),
        ("四六零幺零零幺九九零零幺零幺幺二三叉", "四六零幺零零幺九九零零幺零幺幺二三叉", "[身份证]"),
        ("幺38 0000 1234，谢谢", "幺38 0000 1234", "[电话]"),
    ],
)
def test_a_number_said_digit_by_digit(text: str, number: str, tag: str) -> None:
    assert found(text) == [(number, tag)]


@pytest.mark.parametrize(
    "text",
    [
        "一三五单号限行",
        "一二三四五六七层",
        "二零二四年一月一号",
        "19、812、501、213路",
        "工单号幺三八零零零零一二三四",
        "13800001234",
    ],
)
def test_dates_floors_and_orders_stay(text: str) -> None:
    assert found(text) == []


def test_another_number_may_stand_before() -> None:
    assert found("五零二，幺三八零零零零一二三四") == [("幺三八零零零零一二三四", "[电话]")]
