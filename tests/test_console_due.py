from datetime import date, datetime

import pytest

from dispatch_model.calendar import Calendar
from dispatch_model.cases import CHINA_TIME
from serving.console.due import Due

AT = datetime(2026, 11, 27, 18, tzinfo=CHINA_TIME)  # a Friday


@pytest.mark.parametrize(
    ("now", "left", "tone"),
    [
        ((2026, 11, 23, 9), "还剩 4 个工作日", ""),
        ((2026, 11, 26, 9), "还剩 1 个工作日", "warn"),
        ((2026, 11, 27, 9), "今日到期", "warn"),
        ((2026, 11, 27, 18, 1), "已超期", "bad"),
        ((2026, 11, 29, 9), "已超期", "bad"),
        ((2026, 12, 1, 9), "已超期 2 个工作日", "bad"),
        ((2029, 11, 27, 9), "已超期 782 个工作日", "bad"),
    ],
)
def test_working_days_are_counted(now: tuple[int, ...], left: str, tone: str) -> None:
    found = Due.of(AT, datetime(*now, tzinfo=CHINA_TIME))  # type: ignore[misc, arg-type]
    assert (found.left, found.tone) == (left, tone)


def test_the_day_is_named_as_people_say_it() -> None:
    assert Due.of(AT, AT).text == "11月27日（周五）18:00"
    assert Due.of(AT, AT.replace(year=2025)).text == "2026年11月27日（周五）18:00"


def test_holidays_of_the_city_do_not_count() -> None:
    closed = Calendar({date(2026, 11, day): False for day in (24, 25)})
    assert Due.of(AT, AT.replace(day=23), closed).left == "还剩 2 个工作日"


def test_a_deadline_before_the_next_working_day_says_so() -> None:
    sunday = AT.replace(day=29)
    assert Due.of(sunday, AT.replace(day=28)).left == "还剩不足 1 个工作日"
