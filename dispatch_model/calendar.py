"""Working days in China: public holidays and make-up workdays, as data that an office can override.

The package `chinesecalendar` knows the years the State Council has announced; `holidays.csv` of a city
(date, working 是/否, note) goes before it. Any other day is counted by its weekday.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import chinese_calendar

from dispatch_model.cases import CHINA_TIME, YEARS
from dispatch_model.sheet import Sheet, version_of
from dispatch_model.table import Source

COLUMNS = ("date", "working", "note")
FILE = "holidays.csv"
CLOSING_TIME = time(18)  # a deadline in days ends with the office hours of its last day
_WORKING = {"是": True, "否": False}
_SATURDAY = 5


def known_until() -> date:
    """The last day whose holidays and make-up workdays are announced; later days are counted by weekday."""
    return date(max(day.year for day in chinese_calendar.holidays), 12, 31)


@dataclass(frozen=True)
class Calendar:
    """The calendar of one city.

    :param overrides: day → whether offices work, for days that differ from the public calendar.
    """

    overrides: Mapping[date, bool] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def load(cls, source: Source) -> "Calendar":
        """Read and validate a table of exceptions; all problems are raised together.

        :raises DispatchError: INVALID_RULES naming row, column and value.
        """
        sheet = Sheet(source, COLUMNS)
        overrides: dict[date, bool] = {}
        first: dict[date, int] = {}
        for row in sheet.rows:
            sheet.text(row, "date")
            working = sheet.choice(row, "working", tuple(_WORKING))
            day = sheet.day(row, "date")
            if day is None:
                continue
            if day in first:
                sheet.problem(row, "date", f"与第 {first[day]} 行是同一天，请只留一行")
            elif day.year not in YEARS:
                sheet.problem(row, "date", f"年份不在 {YEARS.start} 到 {YEARS.stop - 1} 之间")
            first.setdefault(day, row.number)
            overrides[day] = _WORKING.get(working, False)
        sheet.check()
        return cls(MappingProxyType(overrides))

    @classmethod
    def of(cls, folder: Path) -> "Calendar":
        """The calendar of a city's configs; without `holidays.csv` the public one."""
        file = folder / FILE
        return cls.load(file) if file.is_file() else cls()

    @property
    def version(self) -> str:
        """Hash of the exceptions; their order means nothing."""
        return version_of((), (f"{day.isoformat()} {working}" for day, working in self.overrides.items()))

    def is_working_day(self, day: date) -> bool:
        """Whether offices work on `day`."""
        return self.overrides[day] if day in self.overrides else _is_public_working_day(day)

    def due_at(self, received_at: datetime, days: int) -> datetime:
        """Closing time, in China, of the `days`-th working day after the day of receipt.

        0 is that day itself, or where nobody works on it the next day on which somebody does.

        :param received_at: a time without zone is taken as China time.
        """
        local = received_at if received_at.tzinfo else received_at.replace(tzinfo=CHINA_TIME)
        day = local.astimezone(CHINA_TIME).date()
        while days == 0 and not self.is_working_day(day):
            day += timedelta(days=1)
        while days > 0:
            day += timedelta(days=1)
            days -= self.is_working_day(day)
        return datetime.combine(day, CLOSING_TIME, CHINA_TIME)


PUBLIC = Calendar()


@lru_cache(maxsize=4096)
def _is_public_working_day(day: date) -> bool:
    """By the public calendar; Monday to Friday in years it does not (yet) know."""
    try:
        return bool(chinese_calendar.is_workday(day))
    except NotImplementedError:
        return day.weekday() < _SATURDAY
