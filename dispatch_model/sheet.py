"""A rule sheet: a table of an office whose cells are read as labels, codes and dates.

Access list, catalogue and triggers are read through here. Every problem is noted with file,
row, column, value and what was allowed, and all of them are raised together.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date

from dispatch_model import table
from dispatch_model.errors import ErrorKind
from dispatch_model.headers import CODED, tidy
from dispatch_model.table import MULTI_VALUE, Problems, Row, Source
from dispatch_model.worksheet import as_day

_SHOWN = 12
_NO_CATEGORY = "不是诉求类别代码，应为 DB44/T 2479-2024 的 2、4 或 6 位代码"
_SERIAL_DIGITS = 5  # of the days of 1927 to 2173
_SEPARATORS = re.compile(r"[|,;、/\s]+")  # 、and line breaks are what offices type; NFKC has made ，；｜ plain
_DAY = re.compile(
    r"(\d{4})(?:([-/.])(\d{1,2})\2(\d{1,2})|年(\d{1,2})月(\d{1,2})日|(\d{2})(\d{2}))(?:[ T]0?0:00(?::00)?)?"
)


def version_of(declared: Iterable[str], contents: Iterable[str]) -> str:
    """Version of a rule set: the highest declared version and a hash that ignores row order."""
    digest = hashlib.sha256("\n".join(sorted(contents)).encode()).hexdigest()[:8]
    return "-".join(part for part in (max(declared, default=""), digest) if part)


def _listing(allowed: Iterable[str]) -> str:
    words = [word or "（空）" for word in allowed]
    shown = "、".join(words[:_SHOWN])
    return f"{shown} 等 {len(words)} 个" if len(words) > _SHOWN else shown


def _tidied(row: Row) -> Row:
    return replace(row, cells={column: tidy(cell) if column in CODED else cell for column, cell in row.cells.items()})


def _day(value: str) -> date:
    """A date as offices write it.

    :raises ValueError: it is none.
    """
    if len(value) == _SERIAL_DIGITS and value.isdecimal() and (serial := as_day(int(value))):
        return serial
    found = _DAY.fullmatch(value)
    if not found:
        raise ValueError(value)
    year, _, *parts = found.groups()
    month, day = (int(part) for part in parts if part)
    return date(int(year), month, day)


class Sheet:
    """The rows of one rule file and the problems its readers found.

    In columns of codes full-width characters and unseen ones are made plain; other text stays as it is.

    :param source: a CSV file, UTF-8 with or without byte order mark, or an xlsx.
    :param columns: the columns it must have, in any order.
    """

    def __init__(self, source: Source, columns: Sequence[str]) -> None:
        self.rows = [_tidied(row) for row in table.read(source, source.name, columns, ErrorKind.INVALID_RULES)]
        self.problems = Problems(source.name, ErrorKind.INVALID_RULES)

    def problem(self, row: Row, column: str, sentence: str, allowed: Iterable[str] = ()) -> None:
        """Note a problem of one cell; `allowed` adds a hint with the nearest words."""
        self.problems.add(row, column, row[column], sentence, allowed)

    def check(self) -> None:
        """Raise one INVALID_RULES error over every problem noted so far, if any."""
        self.problems.raise_any()

    def text(self, row: Row, column: str) -> str:
        """A cell that must not be empty."""
        if not row[column]:
            self.problem(row, column, "为空，此列必填")
        return row[column]

    def choice(self, row: Row, column: str, allowed: Sequence[str]) -> str:
        """A cell that must be one of `allowed`."""
        if row[column] not in allowed:
            told = "为空" if not row[column] else "不在允许的取值之内"
            self.problem(row, column, f"{told}，应为：{_listing(allowed)}", allowed)
        return row[column]

    def choices(self, row: Row, column: str, allowed: Sequence[str]) -> tuple[str, ...]:
        """A cell of zero or more of `allowed`, joined by `|` or what offices type instead: 、，；/ or blanks."""
        values = tuple(part for part in _SEPARATORS.split(row[column]) if part)
        for value in values:
            if value not in allowed:
                told = f"不在允许的取值之内，应为：{_listing(allowed)}；多个用 {MULTI_VALUE} 分隔"
                self.problems.add(row, column, value, told, allowed)
        return values

    def category(self, row: Row, column: str, codes: Mapping[str, object]) -> str:
        """A cell that must be a known 2-, 4- or 6-digit category code."""
        value = row[column]
        if value in codes:
            return value
        # a spreadsheet drops the leading zero of a code; with a digit missing at the end too, it could be either
        restored = f"0{value}"
        if restored not in codes:
            self.problem(row, column, _NO_CATEGORY, _siblings(value, codes))
        elif any(code.startswith(value) for code in codes):
            self.problem(row, column, _NO_CATEGORY, (restored,))
        return restored

    def day(self, row: Row, column: str) -> date | None:
        """A cell that is empty or a date: 2026-05-01, 2026/5/1, 2026.5.1, 2026年5月1日, or its serial number."""
        value = row[column]
        if not value:
            return None
        try:
            return _day(value)
        except ValueError:
            self.problem(row, column, "不是日期，应写作 2026-05-01，不限则留空")
            return None

    def count(self, row: Row, column: str, most: int) -> int | None:
        """A cell that is empty or a whole number from 0 to `most`."""
        value = row[column]
        if not value:
            return None
        if not (value.isascii() and value.isdigit()) or int(value) > most:
            self.problem(row, column, f"不是 0 到 {most} 的整数，不适用则留空")
            return None
        return int(value)

    def unique(self, column: str) -> None:
        """Note every repeated value of `column`."""
        first: dict[str, int] = {}
        for row in self.rows:
            seen = first.setdefault(row[column], row.number)
            if row[column] and seen != row.number:
                self.problem(row, column, f"与第 {seen} 行重复，编号必须唯一")


def _siblings(value: str, codes: Iterable[str]) -> list[str]:
    """Codes under the longest 4- or 2-digit prefix that `value` shares with any; all of them where it shares none."""
    codes = list(codes)
    shared = ([code for code in codes if code.startswith(value[:size])] for size in (4, 2))
    return next(filter(None, shared), codes)
