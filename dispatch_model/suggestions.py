"""From ranked (function, level) cells to named units with their grounds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dispatch_model import explain
from dispatch_model.access_list import AccessList
from dispatch_model.cases import CHINA_TIME, CategoryRef, Reason, Suggestion, UnitRef
from dispatch_model.catalogue import Catalogue
from dispatch_model.city import City
from dispatch_model.explain import Cues
from dispatch_model.labels import LabelMaps
from dispatch_model.ranking import Ranked
from dispatch_model.reading import Reading

SHOWN = 3
_CELLS = 8  # cells looked at: some share a unit, a street's office answers for many functions


@dataclass(frozen=True)
class Cell:
    """A ranked cell with the unit that answers for it."""

    function: int
    level: int
    probability: float
    unit: UnitRef
    note: str = ""


@dataclass(frozen=True)
class Rulebook:
    """The tables a suggestion is justified by; `home` is the city they are for."""

    home: City
    maps: LabelMaps
    access_list: AccessList
    catalogue: Catalogue
    cues: Cues

    def suggest(
        self, reading: Reading, ranked: Ranked, kind: str, functions: Mapping[str, float]
    ) -> tuple[Suggestion, ...]:
        """The best units with reasons; several cells of one unit count together.

        :param functions: what the model alone gives each function.
        """
        cells = _merge([self._cell(reading, *cell) for cell in ranked.top(_CELLS)])[:SHOWN]
        return tuple(
            self._suggestion(rank, reading, ranked, cell, kind, functions) for rank, cell in enumerate(cells, start=1)
        )

    def _cell(self, reading: Reading, function: int, level: int, probability: float) -> Cell:
        name, level_name = tuple(self.maps.functions)[function], self.maps.levels[level]
        unit, note = _unit(reading, name, level_name)
        return Cell(function, level, probability, unit, note)

    def _suggestion(
        self, rank: int, reading: Reading, ranked: Ranked, cell: Cell, kind: str, functions: Mapping[str, float]
    ) -> Suggestion:
        function = tuple(self.maps.functions)[cell.function]
        level = self.maps.levels[cell.level]
        code = self.maps.leaves[int(ranked.category_for(cell.function, cell.level).argmax())]
        path = self.maps.path(code)
        row = self.catalogue.row_for(code, function)
        day = reading.received_at.astimezone(CHINA_TIME).date()
        reasons = explain.reasons(
            function=function,
            probability=functions[function],
            cues=self.cues.choose(reading.text, reading.cues, function, path),
            place=reading.place,
            city=self.home,
            verdict=self.access_list.decide(code, function, level, reading.place.path, day) if reading.city else None,
            catalogue_row=row,
            kind=kind,
            moved=[move for move in ranked.moved if move[1] == level],
            unit_code=cell.unit.code,
        )
        if cell.note:
            reasons += (Reason(source="place", text=cell.note),)
        return Suggestion(
            rank=rank,
            unit=cell.unit,
            category=CategoryRef(code=code, path=path),
            kind=kind,
            probability=min(1.0, cell.probability),
            co_handlers=row.co_functions if row else (),
            due_at=self.catalogue.due_at(code, kind, reading.received_at, function),
            reasons=reasons,
        )


def _unit(reading: Reading, function: str, level: str) -> tuple[UnitRef, str]:
    """The unit of the city's directory, or a nameless one that says what is still open."""
    city = reading.city
    if city is None:
        where = reading.case.city or ""
        name = f"{where}{level}级{function}主管单位"
        return UnitRef(code="", name=name, function=function, level=level, region=where), "该城市尚无单位目录"
    found = city.resolve(function, level, reading.place.region_code)
    named = {mention.code for mention in reading.place.units}
    unit = next((other for other in found.others if other.code in named), found.unit)
    if unit is None:
        region = city.region_path(reading.place.region_code or city.root.code)
        name = f"{function}（{level}，属地待定）"
        return UnitRef(code="", name=name, function=function, level=level, region=region), found.note
    # The suggestion is for (function, level); the unit that answers for it may sit elsewhere, the note says so.
    region = city.region_path(unit.region)
    return UnitRef(code=unit.code, name=unit.name, function=function, level=level, region=region), found.note


def _merge(cells: Sequence[Cell]) -> list[Cell]:
    """Cells of one unit become one, under the function and level of the likeliest; best first."""
    merged: dict[tuple[str, ...], Cell] = {}
    for cell in cells:
        key = (cell.unit.code,) if cell.unit.code else (cell.unit.function, cell.unit.level)
        first = merged.get(key)
        merged[key] = cell if first is None else replace(first, probability=first.probability + cell.probability)
    return sorted(merged.values(), key=lambda cell: -cell.probability)
