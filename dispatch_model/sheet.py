"""A rule sheet: a table of an office whose cells are read as labels, codes and dates.

Access list, catalogue and triggers are read through here. Every problem is noted with file,
row, column, value and what was allowed, and all of them are raised together.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from dispatch_model import table
from dispatch_model.errors import ErrorKind
from dispatch_model.table import MULTI_VALUE, Problems, Row, Source

_SHOWN = 12


def version_of(declared: Iterable[str], contents: Iterable[str]) -> str:
    """Version of a rule set: the highest declared version and a hash that ignores row order."""
    digest = hashlib.sha256("\n".join(sorted(contents)).encode()).hexdigest()[:8]
    return "-".join(part for part in (max(declared, default=""), digest) if part)


def _listing(allowed: Iterable[str]) -> str:
    words = [word or "（空）" for word in allowed]
    shown = "、".join(words[:_SHOWN])
    return f"{shown} 等 {len(words)} 个" if len(words) > _SHOWN else shown


class Sheet:
    """The rows of one rule file and the problems its readers found.

    :param source: a CSV file, UTF-8 with or without byte order mark.
    :param columns: the columns it must have, in any order.
    """

    def __init__(self, source: Source, columns: Sequence[str]) -> None:
        self.rows = table.read(source, source.name, columns, ErrorKind.INVALID_RULES)
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
        """A cell of zero or more of `allowed`, joined by `|`."""
        values = row.many(column)
        for value in values:
            if value not in allowed:
                told = f"不在允许的取值之内，应为：{_listing(allowed)}；多个用 {MULTI_VALUE} 分隔"
                self.problems.add(row, column, value, told, allowed)
        return values

    def category(self, row: Row, column: str, codes: Mapping[str, object]) -> str:
        """A cell that must be a known 2-, 4- or 6-digit category code."""
        value = row[column]
        if value not in codes:
            # Excel drops the leading zero of a code; name that before anything merely similar
            restored = f"0{value}"
            candidates = (restored,) if restored in codes else codes
            told = "不是诉求类别代码，应为 DB44/T 2479-2024 的 2、4 或 6 位代码"
            self.problem(row, column, told, candidates)
        return value

    def day(self, row: Row, column: str) -> date | None:
        """A cell that is empty or a date, `2026-05-01` or `2026/5/1`."""
        value = row[column]
        if not value:
            return None
        try:
            year, month, day = value.replace("/", "-").split("-")
            return date(int(year), int(month), int(day))
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
