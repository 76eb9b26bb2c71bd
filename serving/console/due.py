"""A deadline in the words of an office: which day, and how many working days are left."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from dispatch_model.calendar import PUBLIC, Calendar
from dispatch_model.cases import CHINA_TIME

_WEEKDAYS = "一二三四五六日"
_YEAR = 366  # days
_SOON = 1  # working day left


@dataclass(frozen=True)
class Due:
    """A deadline in words.

    :param text: such as "5月11日（周一）18:00".
    :param left: such as "还剩 3 个工作日", "今日到期", "已超期 2 个工作日".
    :param tone: "" while there is time, "warn" on the last working days, "bad" when it has passed.
    """

    at: datetime
    text: str
    left: str
    tone: str = ""

    @classmethod
    def of(cls, at: datetime, now: datetime, calendar: Calendar = PUBLIC) -> "Due":
        """The deadline `at` as seen from `now`; both with zone."""
        at, now = at.astimezone(CHINA_TIME), now.astimezone(CHINA_TIME)
        year = f"{at.year}年" if at.year != now.year else ""
        text = f"{year}{at.month}月{at.day}日（周{_WEEKDAYS[at.weekday()]}）{at:%H:%M}"
        return cls(at, text, *_left(at, now, calendar))


def _left(at: datetime, now: datetime, calendar: Calendar) -> tuple[str, str]:
    if at < now:
        days = _working_days(at.date(), now.date(), calendar)
        return f"已超期 {days} 个工作日" if days else "已超期", "bad"
    if at.date() == now.date():
        return "今日到期", "warn"
    days = _working_days(now.date(), at.date(), calendar)
    return (f"还剩 {days} 个工作日" if days else "还剩不足 1 个工作日"), "warn" if days <= _SOON else ""


def _working_days(after: date, until: date, calendar: Calendar) -> int:
    """How many there are from the day after `after` to `until`."""
    days = (until - after).days
    if days > _YEAR:  # near enough
        return days * 5 // 7
    return sum(calendar.is_working_day(after + timedelta(days=day)) for day in range(1, days + 1))
