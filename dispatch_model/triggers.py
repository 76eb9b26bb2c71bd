"""Triggers: words that call for a disposition of their own, such as 漏气 or 法院已判决.

Rows are data, so that an office can add a phrase. `unless` is looked for around each match, which
tells "着火了" from "上次着火后一直没赔偿". Two kinds of row set off nothing alone: `define` gives a pattern
a name (its id), for which any other row writes `{name}`, so that a phrase is kept in one place; `hint`
holds words of danger that count together with the model's doubt.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from dispatch_model.cases import Disposition
from dispatch_model.sheet import Sheet, version_of
from dispatch_model.table import Row, Source

COLUMNS = ("id", "disposition", "pattern", "unless", "channel", "text", "basis")
DEFINE: Literal["define"] = "define"
HINT: Literal["hint"] = "hint"
FIRING = (Disposition.EMERGENCY, Disposition.DECLINE, Disposition.ASK)
DISPOSITIONS = (*(each.value for each in FIRING), HINT, DEFINE)
HAPPENING = "正在发生"  # the definition that says a danger is there now, not told of
CONTEXT = 24  # characters on either side that `unless` can see, never past the end of a sentence
LETTER = 240  # from this length on one speaker tells a story …
HEAD = 120  # … and says at its beginning what it is about
_SENTENCE_END = re.compile(r"[。！？!?；;\n]")
_NOTHING = re.compile(r"(?!)")
_REFERENCE = re.compile(r"\{([^\W\d][\w·]*)\}")  # a quantifier such as {0,8} begins with a digit
_TWO_SPEAK = "市民："  # `transcript.as_text` names speakers only when both speak


@dataclass(frozen=True)
class Trigger:
    """One row as written. `channel`: where it goes instead (转办渠道); for `ask`, what is missing."""

    id: str
    disposition: Disposition | Literal["hint", "define"]
    pattern: str
    unless: str
    channel: str
    text: str
    basis: str
    row: int = 0


@dataclass(frozen=True)
class Fired:
    """A trigger and the characters [start, end) that set it off."""

    trigger: Trigger
    start: int
    end: int


@dataclass(frozen=True)
class _Compiled:
    """A trigger with its patterns, names replaced by what they stand for."""

    trigger: Trigger
    pattern: re.Pattern[str]
    unless: re.Pattern[str]


class Triggers:
    """All triggers of one city, in file order.

    :param rows: validated rows, definitions among them; a definition may stand anywhere.
    """

    def __init__(self, rows: Iterable[Trigger]) -> None:
        self.rows = tuple(rows)
        self.version = version_of((), map(_content, self.rows))
        written = _definitions(self.rows)
        self._happening = _compile(f"{{{HAPPENING}}}", written) if HAPPENING in written else _NOTHING
        self._compiled = tuple(
            _Compiled(row, _compile(row.pattern, written), _compile(row.unless, written))
            for row in self.rows
            if row.disposition != DEFINE
        )

    @classmethod
    def load(cls, source: Source) -> "Triggers":
        """Read and validate a CSV or workbook; all problems are raised together."""
        sheet = Sheet(source, COLUMNS)
        sheet.unique("id")
        rows = [_parse(sheet, source) for source in sheet.rows]
        written = _definitions(rows)
        for row in sheet.rows:
            for column in ("pattern", "unless"):
                _check_pattern(sheet, row, column, written)
        sheet.check()
        return cls(rows)

    def only(self, *dispositions: Disposition) -> "Triggers":
        """The triggers of the given dispositions, with all definitions; hints belong to emergencies."""
        kept = (*dispositions, DEFINE, *([HINT] if Disposition.EMERGENCY in dispositions else []))
        return Triggers(row for row in self.rows if row.disposition in kept)

    def fire(self, text: str, dispositions: Sequence[Disposition] = FIRING) -> tuple[Fired, ...]:
        """Every trigger of the given dispositions that `text` sets off, in file order, once each.

        What a long letter mentions past its beginning sets nothing off, unless it is said to be happening now.
        """
        return self._fire(text, dispositions)

    def hints(self, text: str) -> tuple[Fired, ...]:
        """Words of danger in `text`, found as triggers are; not enough for a disposition by themselves."""
        return self._fire(text, (HINT,))

    def denies(self, text: str) -> bool:
        """Whether `text` speaks of a danger, but only where `unless` says that there is none."""
        rows = [each for each in self._compiled if each.trigger.disposition is Disposition.EMERGENCY]
        return any(
            row.unless.search(_around(text, *match.span())) for row in rows for match in row.pattern.finditer(text)
        ) and not self.fire(text, (Disposition.EMERGENCY,))

    def _fire(self, text: str, dispositions: Sequence[str]) -> tuple[Fired, ...]:
        head = HEAD if len(text) >= LETTER and _TWO_SPEAK not in text else len(text)
        wanted = (each for each in self._compiled if each.trigger.disposition in dispositions)
        found = ((each.trigger, self._find(each, text, head)) for each in wanted)
        return tuple(Fired(trigger, *span) for trigger, span in found if span)

    def _find(self, row: _Compiled, text: str, head: int) -> tuple[int, int] | None:
        """Where the trigger fires first in `text`, or None.

        :param head: matches from here on need the danger to be present.
        """
        for match in row.pattern.finditer(text):
            around = _around(text, match.start(), match.end())
            if row.unless.search(around):
                continue
            if match.start() < head or (
                row.trigger.disposition is Disposition.EMERGENCY and self._happening.search(around)
            ):
                return match.span()
        return None


def _around(text: str, start: int, end: int) -> str:
    """What stands near text[start:end] in the same sentence."""
    before = _SENTENCE_END.split(text[max(0, start - CONTEXT) : start])[-1]
    after = _SENTENCE_END.split(text[end : end + CONTEXT], maxsplit=1)[0]
    return before + text[start:end] + after


def _content(row: Trigger) -> str:
    return "\t".join((row.id, row.disposition, row.pattern, row.unless, row.channel, row.text, row.basis))


def _definitions(rows: Iterable[Trigger]) -> dict[str, str]:
    return {row.id: row.pattern for row in rows if row.disposition == DEFINE}


def expand(pattern: str, written: Mapping[str, str], within: tuple[str, ...] = ()) -> str:
    """`pattern` with every `{name}` replaced, names inside definitions too.

    :param written: definitions, name → pattern.
    :param within: names being expanded already.
    :raises KeyError: for a name that is not defined, or stands within its own definition.
    """

    def replaced(reference: re.Match[str]) -> str:
        name = reference[1]
        if name not in written or name in within:
            raise KeyError(name)
        return f"(?:{expand(written[name], written, (*within, name))})"

    return _REFERENCE.sub(replaced, pattern)


def _compile(pattern: str, written: Mapping[str, str]) -> re.Pattern[str]:
    """An empty cell matches nothing."""
    return re.compile(expand(pattern, written)) if pattern else _NOTHING


def _check_pattern(sheet: Sheet, source: Row, column: str, written: Mapping[str, str]) -> None:
    """Note what is wrong with the pattern of one cell, if anything."""
    within = (source["id"],) if source["disposition"] == DEFINE else ()
    try:
        pattern = re.compile(expand(source[column], written, within))
    except KeyError as error:
        name = str(error.args[0])
        told = "引用了自己" if name in written else "没有定义，请加一行 disposition 为 define、id 为该名称的行"
        sheet.problem(source, column, f"其中 {{{name}}} {told}", written)
    except re.error as error:
        sheet.problem(source, column, f"不是正则表达式（{error.msg}，第 {error.pos} 字符），请检查括号和转义")
    else:
        if source[column] and pattern.search(""):
            sheet.problem(source, column, "能匹配空文本，会对每个工单生效，请写得更具体")


def _check_definition(sheet: Sheet, source: Row) -> None:
    if source["id"] and not _REFERENCE.fullmatch(f"{{{source['id']}}}"):
        sheet.problem(source, "id", "不能作为名称引用，应为汉字或字母开头，只含汉字、字母、数字和 · ")
    if source["unless"]:
        sheet.problem(source, "unless", "对 define 行不起作用，请写到引用它的行")


def _disposition(value: str) -> Disposition | Literal["hint", "define"]:
    """A checked cell; one that was refused already counts as a definition, which does nothing."""
    if value == HINT:
        return HINT
    return Disposition(value) if value in FIRING else DEFINE


def _parse(sheet: Sheet, source: Row) -> Trigger:
    disposition = sheet.choice(source, "disposition", DISPOSITIONS)
    needed = ("id", "pattern", "text") if disposition == DEFINE else ("id", "pattern", "channel", "text", "basis")
    for column in needed:
        sheet.text(source, column)
    if disposition == DEFINE:
        _check_definition(sheet, source)
    return Trigger(
        id=source["id"],
        disposition=_disposition(disposition),
        pattern=source["pattern"],
        unless=source["unless"],
        channel=source["channel"],
        text=source["text"],
        basis=source["basis"],
        row=source.number,
    )
