"""Triggers: words that call for a disposition of their own, such as 漏气 or 法院已判决.

Rows are data, so that an office can add a phrase. `unless` is looked for around each match, which
tells "着火了" from "上次着火后一直没赔偿".
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dispatch_model.cases import Disposition
from dispatch_model.sheet import Sheet, version_of
from dispatch_model.table import Row, Source

COLUMNS = ("id", "disposition", "pattern", "unless", "channel", "text", "basis")
DISPOSITIONS = (Disposition.EMERGENCY.value, Disposition.DECLINE.value, Disposition.ASK.value)
CONTEXT = 24  # characters on either side that `unless` can see, never past the end of a sentence
_SENTENCE_END = re.compile(r"[。！？!?；;\n]")
_NOTHING = re.compile(r"(?!)")


@dataclass(frozen=True)
class Trigger:
    """One row. `channel`: where it goes instead (转办渠道); for `ask`, what is missing."""

    id: str
    disposition: Disposition
    pattern: re.Pattern[str]
    unless: re.Pattern[str]
    channel: str
    text: str
    basis: str
    row: int = 0

    def find(self, text: str) -> tuple[int, int] | None:
        """Where the trigger fires first in `text`, or None."""
        for match in self.pattern.finditer(text):
            if not self.unless.search(_around(text, match.start(), match.end())):
                return match.span()
        return None


@dataclass(frozen=True)
class Fired:
    """A trigger and the characters [start, end) that set it off."""

    trigger: Trigger
    start: int
    end: int


class Triggers:
    """All triggers of one city, in file order."""

    def __init__(self, rows: Iterable[Trigger]) -> None:
        self.rows = tuple(rows)
        self.version = version_of((), map(_content, self.rows))

    @classmethod
    def load(cls, source: Source) -> "Triggers":
        """Read and validate a CSV; all problems are raised together."""
        sheet = Sheet(source, COLUMNS)
        sheet.unique("id")
        rows = [_parse(sheet, source) for source in sheet.rows]
        sheet.check()
        return cls(rows)

    def fire(self, text: str, dispositions: Sequence[Disposition] = tuple(Disposition)) -> tuple[Fired, ...]:
        """Every trigger of the given dispositions that `text` sets off, in file order."""
        found = [(row, span) for row in self.rows if (span := row.find(text))]
        return tuple(Fired(row, *span) for row, span in found if row.disposition in dispositions)


def _around(text: str, start: int, end: int) -> str:
    """What stands near text[start:end] in the same sentence."""
    before = _SENTENCE_END.split(text[max(0, start - CONTEXT) : start])[-1]
    after = _SENTENCE_END.split(text[end : end + CONTEXT], maxsplit=1)[0]
    return before + text[start:end] + after


def _content(row: Trigger) -> str:
    parts = (row.id, row.disposition, row.pattern.pattern, row.unless.pattern, row.channel, row.text, row.basis)
    return "\t".join(parts)


def _regex(sheet: Sheet, source: Row, column: str) -> re.Pattern[str]:
    """A cell as a compiled pattern; an empty one matches nothing."""
    if not source[column]:
        return _NOTHING
    try:
        pattern = re.compile(source[column])
    except re.error as error:
        sheet.problem(source, column, f"不是正则表达式（{error.msg}，第 {error.pos} 字符），请检查括号和转义")
        return _NOTHING
    if pattern.search(""):
        sheet.problem(source, column, "能匹配空文本，会对每个工单生效，请写得更具体")
    return pattern


def _parse(sheet: Sheet, source: Row) -> Trigger:
    disposition = sheet.choice(source, "disposition", DISPOSITIONS)
    sheet.text(source, "pattern")
    return Trigger(
        id=sheet.text(source, "id"),
        disposition=Disposition(disposition) if disposition in DISPOSITIONS else Disposition.ASK,
        pattern=_regex(sheet, source, "pattern"),
        unless=_regex(sheet, source, "unless"),
        channel=sheet.text(source, "channel"),
        text=sheet.text(source, "text"),
        basis=sheet.text(source, "basis"),
        row=source.number,
    )
