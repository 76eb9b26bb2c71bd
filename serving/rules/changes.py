"""Which rows of a rule set came, went or read differently in another version of it."""

from collections.abc import Mapping
from dataclasses import dataclass

from dispatch_model import headers, rules
from dispatch_model.errors import shorten
from dispatch_model.rules import RuleSet

_UNSAID = "version"  # differs in every row of a new version
_LONGEST = 40


@dataclass(frozen=True)
class RowChange:
    """One row; `told` is what it says, or by edited column what it said and says."""

    id: str
    told: str


@dataclass(frozen=True)
class RowChanges:
    """Rows by what became of them, in the order of the newer file; what was removed, of the older."""

    added: tuple[RowChange, ...]
    removed: tuple[RowChange, ...]
    edited: tuple[RowChange, ...]


def row_changes(old: RuleSet, new: RuleSet) -> RowChanges:
    """Compare two rule sets of one kind row by row; a row is known by its id."""
    was, now = _cells(old), _cells(new)
    return RowChanges(
        added=tuple(RowChange(id, _summary(row)) for id, row in now.items() if id not in was),
        removed=tuple(RowChange(id, _summary(row)) for id, row in was.items() if id not in now),
        edited=tuple(
            RowChange(id, _edits(was[id], row)) for id, row in now.items() if id in was and _edits(was[id], row)
        ),
    )


def _cells(rule_set: RuleSet) -> dict[str, Mapping[str, str]]:
    return {row.id: rules.cells(row) for row in rule_set.rows}


def _summary(row: Mapping[str, str]) -> str:
    """The coded cells of a row in a line, blanks left out."""
    said = ("matter", "category", "level", "list", "mode", "lead_function", "region", "valid_from", "valid_to")
    return " · ".join(row[column] for column in said if row.get(column))


def _edits(was: Mapping[str, str], now: Mapping[str, str]) -> str:
    """`列：old → new` for each cell that differs; '' when none does."""
    edits = (
        f"{headers.chinese(column)}：{_shown(was[column])} → {_shown(cell)}"
        for column, cell in now.items()
        if column != _UNSAID and was[column] != cell
    )
    return "；".join(edits)


def _shown(cell: str) -> str:
    return shorten(cell, _LONGEST) or "（空）"
