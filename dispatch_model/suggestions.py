"""From ranked (function, level) cells to named units with their grounds."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from dispatch_model import explain
from dispatch_model.access_list import AccessList, Verdict
from dispatch_model.access_row import LISTS
from dispatch_model.calendar import PUBLIC, Calendar
from dispatch_model.cases import CHINA_TIME, CategoryRef, Reason, Suggestion, UnitRef
from dispatch_model.catalogue import Catalogue
from dispatch_model.city import City
from dispatch_model.directory import Unit
from dispatch_model.explain import Cues
from dispatch_model.labels import LabelMaps
from dispatch_model.ranking import Ranked
from dispatch_model.reading import Reading

SHOWN = 3
UNIT = "承办单位（单位目录中没有，请人工指定）"
CELLS = 8  # cells looked at first: some share a unit, a street's office answers for many functions


@dataclass(frozen=True)
class Cell:
    """A ranked cell with the unit that answers for it, where the city's directory has one.

    :param at: (function, level) as positions in the table.
    """

    function: str
    level: str
    at: tuple[int, int]
    probability: float
    unit: Unit | None
    note: str

    @property
    def key(self) -> tuple[str, ...]:
        """What makes two cells one suggestion: the unit, or where there is none (function, level)."""
        return (self.unit.code,) if self.unit else (self.function, self.level)


@dataclass(frozen=True)
class Rulebook:
    """The tables a suggestion is justified by; they speak for the own city only."""

    maps: LabelMaps
    access_list: AccessList
    catalogue: Catalogue
    cues: Cues
    calendar: Calendar = PUBLIC

    def suggest(
        self, reading: Reading, ranked: Ranked, kind: str, functions: Mapping[str, float]
    ) -> tuple[Suggestion, ...]:
        """The best units with reasons; several cells of one unit count together.

        :param functions: what the model alone gives each function.
        """
        cells = self.cells(reading, ranked)[:SHOWN]
        return tuple(
            self._suggestion(rank, reading, ranked, cell, kind, functions) for rank, cell in enumerate(cells, start=1)
        )

    def cells(self, reading: Reading, ranked: Ranked) -> list[Cell]:
        """The best cells with their units, those of one unit merged; best first.

        Looks at more cells until those left could not change which unit is first: a cell that the list closes must
        not, by making room among the first few, raise a unit of a lower level.
        """
        names = tuple(self.maps.functions)
        found: list[Cell] = []
        for count in looks(ranked.table.size):
            found += [
                _cell(reading, names[function], self.maps.levels[level], (function, level), probability)
                for function, level, probability in ranked.top(count)[len(found) :]
            ]
            merged = _merge(found)
            if _settled(merged, 1.0 - sum(cell.probability for cell in found)):
                break
        return merged

    def _suggestion(
        self, rank: int, reading: Reading, ranked: Ranked, cell: Cell, kind: str, functions: Mapping[str, float]
    ) -> Suggestion:
        code = self.maps.leaves[int(ranked.category_for(*cell.at).argmax())]
        category = CategoryRef(code=code, path=self.maps.path(code))
        row = self.catalogue.row_for(code, cell.function) if reading.city else None
        reasons = explain.reasons(
            function=cell.function,
            probability=functions[cell.function],
            cues=self.cues.choose(reading.text, reading.cues, cell.function, category.path),
            place=reading.place,
            city=reading.city,
            verdict=self._verdict(reading, code, cell),
            catalogue_row=row,
            kind=kind,
            moved=[move for move in ranked.moved if reading.city and move[1] == cell.level],
            unit_code=cell.unit.code if cell.unit else "",
        )
        return Suggestion(
            rank=rank,
            unit=_shown(reading, cell),
            category=category,
            kind=kind,
            probability=min(1.0, cell.probability),
            co_handlers=row.co_functions if row else (),
            due_at=self._due_at(code, kind, reading, cell) if row else None,
            reasons=(*reasons, *((Reason(source="place", text=cell.note),) if cell.note else ())),
        )

    def _due_at(self, code: str, kind: str, reading: Reading, cell: Cell) -> datetime | None:
        return self.catalogue.due_at(code, kind, reading.received_at, cell.function, self.calendar)

    def _verdict(self, reading: Reading, code: str, cell: Cell) -> Verdict | None:
        if reading.city is None:
            return None
        day = reading.received_at.astimezone(CHINA_TIME).date()
        return self.access_list.decide(code, cell.function, cell.level, reading.place.path, day)


def lacking(reading: Reading, best: Suggestion) -> str:
    """What must be known before the own city has a unit for `best`; '' when it has one."""
    if reading.city is None or best.unit.code:
        return ""
    found = reading.city.resolve(best.unit.function, best.unit.level, reading.place.region_code)
    return found.lacks or UNIT


def _cell(reading: Reading, function: str, level: str, at: tuple[int, int], probability: float) -> Cell:
    if reading.city is None:
        return Cell(function, level, at, probability, None, "")
    named = {mention.code for mention in reading.place.units}
    return Cell(
        function, level, at, probability, *unit_at(reading.city, reading.place.region_code, named, function, level)
    )


def unit_at(
    city: City, region_code: str | None, named: Collection[str], function: str, level: str
) -> tuple[Unit | None, str]:
    """The unit of `city` that would take a case of (function, level) there, and a note in Chinese.

    :param named: codes of units the citizen named; one of them goes before its equals.
    """
    found = city.resolve(function, level, region_code)
    unit = next((other for other in found.others if other.code in named), found.unit)
    if unit and unit.level in LISTS and unit.level != level:
        # The list let the matter in at `level` only: a street may not take it under a community's name.
        return None, f"当地没有{level}组织，准入清单未许可{unit.name}（{unit.level}）主办，请人工指定"
    return unit, found.note


def _shown(reading: Reading, cell: Cell) -> UnitRef:
    """The unit of the city's directory, or a nameless one that says what is still open."""
    city, unit, function, level = reading.city, cell.unit, cell.function, cell.level
    if city is None:
        name = f"{reading.city_name}{level}级{function}主管单位"
        return UnitRef(code="", name=name, function=function, level=level, region=reading.city_name)
    if unit is None:
        region = city.region_path(reading.place.region_code or city.root.code)
        name = f"{function}（{level}，属地待定）"
        return UnitRef(code="", name=name, function=function, level=level, region=region)
    # The suggestion is for (function, level); the unit that answers for it may sit elsewhere, the note says so.
    region = city.region_path(unit.region)
    return UnitRef(code=unit.code, name=unit.name, function=function, level=level, region=region)


def _merge(cells: Sequence[Cell]) -> list[Cell]:
    """Cells of one unit become one, under the function and level of the likeliest; best first."""
    merged: dict[tuple[str, ...], Cell] = {}
    for cell in cells:
        first = merged.get(cell.key)
        merged[cell.key] = cell if first is None else replace(first, probability=first.probability + cell.probability)
    return sorted(merged.values(), key=lambda cell: -cell.probability)


def looks(cells: int) -> tuple[int, int, int]:
    """How many of a table's `cells` to look at, in turn, until it is settled which unit is first."""
    return CELLS, 3 * CELLS, cells


def _settled(merged: Sequence[Cell], left: float) -> bool:
    """Whether no unit could overtake the first with all the probability that is `left`."""
    second = merged[1].probability if len(merged) > 1 else 0.0
    return merged[0].probability - second > left
