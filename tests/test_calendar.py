from datetime import UTC, date, datetime
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch_model.calendar import CLOSING_TIME, FILE, PUBLIC, Calendar, known_until
from dispatch_model.errors import DispatchError, ErrorKind

SHIPPED = Path(__file__).parent.parent / "configs" / "haikou"


def load(tmp_path: Path, *lines: str) -> Calendar:
    (tmp_path / FILE).write_text("\n".join(["date,working,note", *lines]) + "\n", encoding="utf-8")
    return Calendar.of(tmp_path)


@pytest.mark.parametrize(
    ("day", "working"),
    [
        ("2026-03-02", True),
        ("2026-03-07", False),  # a Saturday
        ("2026-10-01", False),  # National Day
        ("2026-10-10", True),  # a Saturday worked in exchange
        ("1999-10-01", True),  # before the package begins: by weekday
        ("2031-10-01", True),  # not announced yet: by weekday
        ("2031-10-04", False),
    ],
)
def test_the_public_calendar(day: str, working: bool) -> None:
    assert PUBLIC.is_working_day(date.fromisoformat(day)) is working


def test_years_are_known_to_their_end() -> None:
    end = known_until()
    assert (end.month, end.day) == (12, 31)
    assert end.year >= 2026


def test_an_office_overrides_single_days(tmp_path: Path) -> None:
    calendar = load(tmp_path, "2026-03-03,否,本市纪念日", "2026/3/7,是,补班")
    assert [calendar.is_working_day(date(2026, 3, day)) for day in (2, 3, 7)] == [True, False, True]
    assert calendar.due_at(datetime(2026, 3, 2, 9), 1) == datetime.fromisoformat("2026-03-04T18:00+08:00")


def test_without_a_table_the_public_calendar_counts(tmp_path: Path) -> None:
    assert Calendar.of(tmp_path) == PUBLIC


def test_the_version_follows_the_days_not_their_order(tmp_path: Path) -> None:
    lines = ("2026-03-03,否,甲", "2026-03-07,是,乙")
    assert load(tmp_path, *lines).version == load(tmp_path, *reversed(lines)).version
    assert load(tmp_path, *lines).version != load(tmp_path, lines[0]).version


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("2026-13-01,否,", "date 列：“2026-13-01”不是日期"),
        (",否,", "date 列：为空，此列必填"),
        ("2026-03-03,休息,", "working 列：“休息”不在允许的取值之内，应为：是、否"),
        ("2026-03-02,是,", "date 列：“2026-03-02”与第 2 行是同一天"),
        ("1066-03-02,是,", "date 列：“1066-03-02”年份不在 1990 到 2100 之间"),
    ],
)
def test_a_bad_cell_is_refused_with_row_column_and_value(tmp_path: Path, line: str, told: str) -> None:
    with pytest.raises(DispatchError) as caught:
        load(tmp_path, "2026-03-02,否,", line)
    assert caught.value.kind is ErrorKind.INVALID_RULES
    assert caught.value.message.startswith("holidays.csv 第 3 行 ")
    assert told in caught.value.message


@given(
    received=st.datetimes(datetime(2005, 1, 1), datetime(2040, 1, 1)),
    days=st.integers(0, 60),
    closed=st.sets(st.dates(date(2005, 1, 1), date(2040, 1, 1)), max_size=8),
)
def test_a_deadline_is_a_working_day_with_as_many_working_days_before_it(
    received: datetime, days: int, closed: set[date]
) -> None:
    calendar = Calendar(MappingProxyType(dict.fromkeys(closed, False)))
    due = calendar.due_at(received, days)
    assert due.timetz().replace(tzinfo=None) == CLOSING_TIME
    assert calendar.is_working_day(due.date())
    passed = (date.fromordinal(day) for day in range(received.toordinal() + 1, due.toordinal() + 1))
    worked = sum(calendar.is_working_day(day) for day in passed)
    assert worked == (days or int(not calendar.is_working_day(received.date())))


def test_a_time_elsewhere_counts_from_its_day_in_china() -> None:
    assert PUBLIC.due_at(datetime(2026, 3, 2, 17, tzinfo=UTC), 0).day == 3


def test_the_shipped_exceptions_are_days_off_beyond_what_the_package_knows() -> None:
    calendar = Calendar.of(SHIPPED)
    assert calendar.overrides
    assert not any(calendar.overrides.values())
    assert min(calendar.overrides) > known_until() or known_until().year >= 2027
    assert not calendar.is_working_day(date(2027, 2, 8))
