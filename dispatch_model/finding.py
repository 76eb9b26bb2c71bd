"""What a check of a rule set tells its office: one row, one cell, one sentence in Chinese."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from dispatch_model import headers
from dispatch_model.errors import DispatchError

SHOWN = 5
_PLACE = re.compile(r"[^：]*?第 (?P<row>\d+) 行(?: (?P<column>\w+) 列(?:（(?P<named>\w+)）)?)?：")
_ID = re.compile(r"“[^”]*”（([\w-]+)）与第")


class Severity(StrEnum):
    """Whether a rule set must be refused or only looked at again."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One thing about one row.

    :param row: the row a spreadsheet shows; None when it concerns the whole file.
    :param id: the id of that row, '' when it is not known.
    :param column: the column to mend, '' when there is no one column.
    :param text: what is wrong, with what, and what to do.
    """

    severity: Severity
    row: int | None
    id: str
    column: str
    text: str


def warning(row: int | None, id_: str, column: str, text: str) -> Finding:
    """A finding that lets the rule set pass."""
    return Finding(Severity.WARNING, row, id_, column, text)


def errors_of(error: DispatchError) -> tuple[Finding, ...]:
    """The problems a refused file was refused for, in their order."""
    return tuple(_from_sentence(text) for text in error.details or (error.message,))


def listing(words: Iterable[str], shown: int = SHOWN) -> str:
    """`words` once each, in their order, the rest counted: 甲、乙 等 7 个."""
    names = list(dict.fromkeys(words))
    told = "、".join(names[:shown])
    return told if len(names) <= shown else f"{told} 等 {len(names)} 个"


def _from_sentence(text: str) -> Finding:
    """`table.Problems` writes file, row and column before the sentence; what has no row stays whole."""
    place = _PLACE.match(text)
    if place is None:
        return Finding(Severity.ERROR, None, "", "", text)
    told = text[place.end() :]
    named = _ID.match(told)
    column = headers.english(place["named"] or place["column"] or "")
    return Finding(Severity.ERROR, int(place["row"]), named[1] if named else "", column, told)
