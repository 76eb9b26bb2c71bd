"""What the page of suspect labels works with: the list of the last audit, what is settled of it, and settling one."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import bindparam, select

from dispatch_model.cases import CHINA_TIME, Turn
from dispatch_model.errors import DispatchError, ErrorKind, near
from dispatch_model.labels import LabelMaps
from dispatch_model.settled_label import Action, SettledLabel, in_force, read_settled, settle
from dispatch_model.suspect import FIELDS, WHYS, WORK_ID, Key, Suspect, read_suspects
from dispatch_model.transcript import as_text, parse
from serving.console.quality import wilson
from serving.store.schema import cases
from serving.store.store import Store

SUSPECTS, SETTLED = "suspects.csv", "settled.csv"
ERASED = "（此工单的文字已抹除。）"
_TEXT = select(cases.c.transcript).where(cases.c.case_id == bindparam("case_id"), cases.c.erased_at.is_(None))


@dataclass(frozen=True)
class Label:
    """A label with the words for it."""

    value: str
    name: str


@dataclass(frozen=True)
class Progress:
    """How far the list is settled.

    :param wrong: labels that were changed or dropped; `least` and `most` bound their share, 95 % Wilson.
    """

    total: int
    settled: int
    wrong: int
    least: float
    most: float


@dataclass(frozen=True)
class Shown:
    """A suspect as the page shows it.

    :param place: in the list, from 1.
    :param field: in words.
    :param others: the row's other labels, each field in words.
    :param repeats: rows of the same text that say otherwise.
    """

    suspect: Suspect
    place: int
    field: str
    why: str
    given: Label
    proposed: Label
    text: str
    others: Mapping[str, Label]
    repeats: Mapping[str, Label]


class LabelDesk:
    """The files of one data folder.

    :param folder: holds suspects.csv, and settled.csv once a label is settled.
    :param store: holds the texts of rows from daily work.
    """

    def __init__(self, folder: Path, store: Store, maps: LabelMaps) -> None:
        self._folder = folder
        self._store = store
        self._maps = maps

    def next(self, field: str = "", skipped: frozenset[Key] = frozenset()) -> tuple[Shown | None, Progress]:
        """The most suspect label that is neither settled nor skipped, and how far the list is.

        :param field: only this one; "" any.
        :raises DispatchError: INVALID_CONFIG when one of the files is no such list.
        """
        listed = [one for one in read_suspects(self._folder / SUSPECTS) if not field or one.field == field]
        held = in_force(read_settled(self._folder / SETTLED))
        progress = _progress(listed, held)
        for place, one in enumerate(listed, start=1):
            if one.key not in held and one.key not in skipped:
                return self._shown(one, place), progress
        return None, progress

    def settle(self, suspect: Suspect, action: Action, *, by: str, after: str = "", note: str = "") -> SettledLabel:
        """Write down what somebody says of a label.

        :param after: of a change: a label, or its name.
        :raises DispatchError: INVALID_DECISION for a label there is not; and what `settled_label.settle` raises.
        """
        told = {"keep": suspect.given, "drop": ""}.get(action)
        if told is None:
            told = self._value(suspect.field, after)
            action = "keep" if told == suspect.given else "change"
        return self._write(suspect.key, action, suspect.given, told, by, note)

    def undo(self, line: SettledLabel, *, by: str) -> SettledLabel:
        """Take a line back; the label is listed again.

        :raises DispatchError: CASE_STATE when somebody has settled it anew since.
        """
        return self._write(line.key, "undo", line.after, line.before, by, "", seen=line)

    def options(self, field: str) -> Sequence[Label]:
        """All labels of a field."""
        return [self.label(field, value) for value in self._values(field)]

    def label(self, field: str, value: str) -> Label:
        """A label with its words: of a category the last of its path."""
        known = self._maps.categories.get(value) if field == "category" else None
        return Label(value, f"{value} {known.name}" if known else value)

    def _write(
        self, key: Key, action: Action, before: str, after: str, by: str, note: str, seen: SettledLabel | None = None
    ) -> SettledLabel:
        path, now = self._folder / SETTLED, datetime.now(CHINA_TIME)
        return settle(path, key, action, before=before, after=after, by=by, at=now, note=note, seen=seen)

    def _values(self, field: str) -> Sequence[str]:
        if field == "category":
            return sorted(code for code in self._maps.categories if len(code) > 2)
        if field == "kind":
            return self._maps.kinds
        return tuple(self._maps.functions) if field.endswith("function") else self._maps.levels

    def _value(self, field: str, said: str) -> str:
        values, said = self._values(field), said.strip()
        value = said.split(" ")[0]  # of a category the code stands before its name
        if value in values:
            return value
        hint = near(said, [option.name for option in self.options(field)])
        told = f"没有{FIELDS[field]} {said!r}；请从列表中选。{hint}"
        raise DispatchError(ErrorKind.INVALID_DECISION, told, field=field, value=said)

    def _shown(self, one: Suspect, place: int) -> Shown:
        return Shown(
            suspect=one,
            place=place,
            field=FIELDS[one.field],
            why=WHYS[one.why],
            given=self.label(one.field, one.given),
            proposed=self.label(one.field, one.proposed),
            text=one.text or self._text(one.id),
            others={FIELDS.get(key, key): self.label(key, value) for key, value in one.others.items()},
            repeats={key: self.label(one.field, value) for key, value in one.repeated.items()},
        )

    def _text(self, name: str) -> str:
        """What was said in the case of a row from daily work, as the store has it now."""
        found = WORK_ID.fullmatch(name)
        with self._store.reading() as connection:
            told = connection.execute(_TEXT, {"case_id": found["case"] if found else name}).fetchone()
        if told is None:
            return ERASED
        said = json.loads(told[0])
        return as_text(parse(said if isinstance(said, str) else [Turn.model_validate(turn) for turn in said]))


def _progress(listed: Sequence[Suspect], held: Mapping[Key, SettledLabel]) -> Progress:
    done = [held[one.key] for one in listed if one.key in held]
    wrong = sum(line.action != "keep" for line in done)
    return Progress(len(listed), len(done), wrong, *(wilson(wrong, len(done)) if done else (0.0, 1.0)))
