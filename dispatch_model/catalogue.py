"""派单目录: which function leads a category, who helps, by when, on what legal basis.

A `binding` row restricts who may lead; a `prior` row only informs. The longest category prefix
decides, so a more specific `prior` row frees its categories from a wider `binding` one.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from dispatch_model.calendar import PUBLIC, Calendar
from dispatch_model.labels import KINDS, LEVELS, PREFIX_LENGTHS, LabelMaps
from dispatch_model.sheet import Sheet, version_of
from dispatch_model.table import Row, Source

BINDING, PRIOR = "binding", "prior"
COLUMNS = ("id", "category", "lead_function", "level", "co_functions", *KINDS, "basis", "mode")
MOST_DAYS = 180


@dataclass(frozen=True)
class CatalogueRow:
    """One row; `days` are working days by kind, a kind that is absent has no deadline."""

    id: str
    category: str
    lead_function: str
    level: str
    co_functions: tuple[str, ...]
    days: Mapping[str, int]
    basis: str
    mode: str
    row: int = 0


class Catalogue:
    """The catalogue of one city.

    :param rows: validated rows; their order means nothing.
    :param leaves: the category axis of `binding`.
    :param functions: the function axis of `binding`.
    """

    def __init__(self, rows: Iterable[CatalogueRow], leaves: Sequence[str], functions: Sequence[str]) -> None:
        self.rows = tuple(rows)
        self.version = version_of((), map(_content, self.rows))
        groups: dict[str, list[CatalogueRow]] = defaultdict(list)
        for row in sorted(self.rows, key=lambda row: row.id):
            groups[row.category].append(row)
        self._groups = dict(groups)
        self.binding = self._binding(leaves, functions)

    @classmethod
    def load(cls, source: Source, maps: LabelMaps) -> "Catalogue":
        """Read and validate a CSV; all problems are raised together."""
        sheet = Sheet(source, COLUMNS)
        sheet.unique("id")
        rows = [_parse(sheet, source, maps) for source in sheet.rows]
        sheet.check()
        _check_modes(sheet, rows)
        return cls(rows, maps.leaves, tuple(maps.functions))

    def rows_for(self, category: str) -> tuple[CatalogueRow, ...]:
        """The rows that decide `category`: all of its longest listed prefix, by id."""
        for length in PREFIX_LENGTHS:
            rows = self._groups.get(category[:length])
            if rows:
                return tuple(rows)
        return ()

    def row_for(self, category: str, function: str | None = None) -> CatalogueRow | None:
        """The one row that speaks for `category`: of those that decide, the one `function` leads, else the first."""
        rows = self.rows_for(category)
        return next((row for row in rows if row.lead_function == function), None) or next(iter(rows), None)

    def due_at(
        self,
        category: str,
        kind: str,
        received_at: datetime,
        function: str | None = None,
        calendar: Calendar = PUBLIC,
    ) -> datetime | None:
        """End of the last working day allowed, in China time; None when the catalogue sets no deadline.

        :param received_at: a time without zone is taken as China time.
        :param calendar: which days are worked, see `Calendar.of`.
        """
        row = self.row_for(category, function)
        days = row.days.get(kind) if row else None
        return None if days is None else calendar.due_at(received_at, days)

    def _binding(self, leaves: Sequence[str], functions: Sequence[str]) -> NDArray[np.bool_]:
        binding = np.ones((len(leaves), len(functions)), dtype=np.bool_)
        for position, leaf in enumerate(leaves):
            leads = {row.lead_function for row in self.rows_for(leaf) if row.mode == BINDING}
            if leads:
                binding[position] = [function in leads for function in functions]
        binding.flags.writeable = False
        return binding


def _content(row: CatalogueRow) -> str:
    days = [row.days.get(kind) for kind in KINDS]
    return repr([row.id, row.category, row.lead_function, row.level, row.co_functions, days, row.basis, row.mode])


def _parse(sheet: Sheet, source: Row, maps: LabelMaps) -> CatalogueRow:
    functions = tuple(maps.functions)
    days = {kind: sheet.count(source, kind, MOST_DAYS) for kind in KINDS}
    return CatalogueRow(
        id=sheet.text(source, "id"),
        category=sheet.category(source, "category", maps.categories),
        lead_function=sheet.choice(source, "lead_function", functions),
        level=sheet.choice(source, "level", LEVELS),
        co_functions=sheet.choices(source, "co_functions", functions),
        days=MappingProxyType({kind: count for kind, count in days.items() if count is not None}),
        basis=sheet.text(source, "basis"),
        mode=sheet.choice(source, "mode", (BINDING, PRIOR)),
        row=source.number,
    )


def _check_modes(sheet: Sheet, rows: Iterable[CatalogueRow]) -> None:
    """One prefix is either binding or prior, and names each lead function once."""
    sources = {source.number: source for source in sheet.rows}
    first: dict[str, CatalogueRow] = {}
    leads: dict[tuple[str, str], CatalogueRow] = {}
    for row in rows:
        seen = first.setdefault(row.category, row)
        if seen.mode != row.mode:
            sheet.problem(
                sources[row.row],
                "mode",
                f"（{row.id}）与第 {seen.row} 行（{seen.id}）的“{seen.mode}”矛盾：同一类别 {row.category} 只能取一种",
            )
        twin = leads.setdefault((row.category, row.lead_function), row)
        if twin is not row:
            sheet.problem(
                sources[row.row],
                "lead_function",
                f"（{row.id}）与第 {twin.row} 行（{twin.id}）重复：类别 {row.category} 的主办职能相同，请合并",
            )
    sheet.check()
