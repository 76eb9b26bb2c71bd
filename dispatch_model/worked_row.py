"""A label from daily work: what people decided about a case, as it goes from the store to training.

A row has the columns of the corpus and, beside them, how much it counts, which functions it is not, and where it
comes from. It names no person.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Signal = Literal["accept", "override", "confirmed", "redispatch", "return", "merge"]
WEAK, STRONG = 0.5, 1.0
WEIGHTS: dict[Signal, float] = {
    "accept": WEAK,  # the operator had the answer before his eyes
    "merge": WEAK,  # the label is that of the case it goes on as
    "override": STRONG,
    "confirmed": STRONG,  # a unit objected and the review rejected it
    "redispatch": STRONG,  # decided anew after an upheld return
    "return": STRONG,  # upheld, not yet decided anew: only what it is not
}
LABELS = ("handler_function", "handler_level", "category", "function", "level")
_NOISE = re.compile(r"[\W\d_]+")


class Provenance(BaseModel):
    """Where a row comes from. No operator, no note.

    :param decision: id of the decision in force; `returned` that of the upheld return, None where there is none.
    :param reason: code of the override, or of the return.
    :param at: when the label came to hold, China time.
    :param rules: versions of bundle and rules that the case was answered under.
    :param proposed: the unit now in charge is the one that the return proposed.
    :param repeats: ids of rows of the same text and label that this one stands for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    case_id: str
    signal: Signal
    decision: int | None = None
    returned: int | None = None
    reason: str = ""
    at: str
    rules: dict[str, str] = {}
    forced: bool = False
    proposed: bool = False
    repeats: tuple[str, ...] = ()


class WorkedRow(BaseModel):
    """One line of `dispatch data export`.

    :param refused: functions that an upheld return says it is not.
    :param weight: what it counts beside a read label, 0–1.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    source: Literal["work"] = "work"
    city: str
    date: str
    split: Literal["train"] = "train"
    title: str = ""
    text: str = Field(min_length=1)
    handler_function: str | None = None
    handler_level: str | None = None
    handler_type: None = None
    category: str | None = None
    function: str | None = None
    level: str | None = None
    kind: None = None
    flags: None = None
    taidi_label: None = None
    refused: tuple[str, ...] = ()
    weight: float = Field(gt=0, le=1)
    provenance: Provenance

    @property
    def rank(self) -> tuple[float, str, str]:
        """Of two that contradict each other the higher counts: the stronger, then the newer."""
        return self.weight, self.provenance.at, self.id

    def contradicts(self, other: "WorkedRow") -> str:
        """The first label in which two rows of one text cannot both be right; '' when they can."""
        for name in LABELS:
            mine, others = getattr(self, name), getattr(other, name)
            if mine and others and mine != others:
                return name
        for one, two in ((self, other), (other, self)):
            if {one.handler_function, one.function} & set(two.refused):
                return "refused"
        return ""

    def covers(self, other: "WorkedRow") -> bool:
        """Whether a row that does not contradict this one says nothing that this one does not."""
        told = all(getattr(self, name) or not getattr(other, name) for name in LABELS)
        return told and set(other.refused) <= set(self.refused)


@dataclass(frozen=True)
class Conflict:
    """Two rows of one text that cannot both be right.

    :param field: the label they differ in.
    """

    kept: WorkedRow
    dropped: WorkedRow
    field: str


def text_key(text: str) -> str:
    """What texts share that differ only in digits, blanks and punctuation."""
    return _NOISE.sub("", text) or text


def settle(rows: Iterable[WorkedRow]) -> tuple[list[WorkedRow], list[Conflict]]:
    """Each text with each label once, ordered by moment; and what was left out as it contradicts a stronger row."""
    groups: dict[str, list[WorkedRow]] = defaultdict(list)
    for row in rows:
        groups[text_key(row.text)].append(row)
    kept: list[WorkedRow] = []
    conflicts: list[Conflict] = []
    for group in groups.values():
        kept += _settled(sorted(group, key=lambda row: row.rank, reverse=True), conflicts)
    return sorted(kept, key=lambda row: (row.provenance.at, row.id)), conflicts


def _settled(group: Sequence[WorkedRow], conflicts: list[Conflict]) -> Iterator[WorkedRow]:
    """The rows of one text that stay, the highest first; `conflicts` is added to."""
    stay: dict[str, WorkedRow] = {}
    repeats: dict[str, list[str]] = defaultdict(list)
    for row in group:
        against = next(((one, name) for one in stay.values() if (name := one.contradicts(row))), None)
        if against:
            conflicts.append(Conflict(against[0], row, against[1]))
            continue
        same = next((one for one in stay.values() if one.covers(row)), None)
        if same is None:
            stay[row.id] = row
        elif row.id != same.id:
            repeats[same.id] += [row.id, *row.provenance.repeats]
    for row in stay.values():
        told = tuple(sorted({*row.provenance.repeats, *repeats[row.id]}))
        yield row.model_copy(update={"provenance": row.provenance.model_copy(update={"repeats": told})})
