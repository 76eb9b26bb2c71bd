"""Where a case is: the decision in force, and the return that speaks against it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from serving.cases.entries import Row, return_entry
from serving.cases_wire import DecisionEntry
from serving.console.history_view import when, who


@dataclass(frozen=True)
class Taken:
    """The decision in force.

    :param id: what a correction names in `replaces`.
    :param category: code; `path` its names from the widest.
    """

    id: int
    code: str
    unit: str
    function: str
    level: str
    region: str
    category: str
    path: tuple[str, ...]
    forced: bool
    when: str
    who: str

    @classmethod
    def of(cls, entry: DecisionEntry, names: Mapping[str, str], now: datetime) -> "Taken":
        """A decision as it goes on the wire; parameters as of `history_lines`."""
        unit = entry.unit
        return cls(
            id=entry.id,
            code=unit.code,
            unit=unit.name,
            function=unit.function,
            level=unit.level,
            region=unit.region,
            category=entry.category.code,
            path=entry.category.path,
            forced=entry.forced,
            when=when(entry.at, now),
            who=who(entry, names),
        )


@dataclass(frozen=True)
class ReturnOpen:
    """A return that something is still due for: its review, or after it another decision.

    :param proposed: name of the unit that is proposed; "" for none.
    """

    id: int
    unit: str
    reason: str
    clause: str
    proposed: str
    note: str
    when: str
    who: str

    @classmethod
    def of(cls, row: Row, names: Mapping[str, str], now: datetime) -> "ReturnOpen":
        """A row of `returns`; parameters as of `history_lines`."""
        entry = return_entry(row)
        return cls(
            id=entry.id,
            unit=entry.unit_name,
            reason=entry.reason,
            clause=entry.clause,
            proposed=entry.proposed_unit_name,
            note=entry.note,
            when=when(entry.at, now),
            who=who(entry, names),
        )
