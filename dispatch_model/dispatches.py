"""The first unit of many cases at once, from stored model outputs: what `Router.route` would put on top.

Cases under one mask are ranked together; the unit of a cell is looked up once per (cell, place). Equal to the
router's first suggestion up to the rounding of the stored outputs.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dispatch_model.access_list import AccessList
from dispatch_model.bundle import Bundle
from dispatch_model.catalogue import Catalogue
from dispatch_model.city import City
from dispatch_model.labels import LabelMaps
from dispatch_model.outputs import StoredOutputs
from dispatch_model.ranking import Ranker, Table
from dispatch_model.suggestions import Cell, looks, unit_at
from dispatch_model.table import MULTI_VALUE

CHUNK = 4096  # cases ranked at once: bounds memory, 4096 × 515 float64 is 17 MB

Rows = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Dispatches:
    """Where N cases go first; a case of another city has unit -1.

    :param unit: [N] positions in `Units.cells`.
    :param function: [N] positions on the function axis; `level` [N] on that of the levels.
    :param probability: [N] of the first unit.
    """

    unit: NDArray[np.int32]
    function: NDArray[np.int16]
    level: NDArray[np.int16]
    probability: NDArray[np.float32]


class Units:
    """Which unit each (function, level) cell means in each place; shared by the rule sets that are compared.

    :param cells: every unit met so far, as a cell; equal `key`, equal unit.
    """

    def __init__(self, city: City, maps: LabelMaps) -> None:
        self.cells: list[Cell] = []
        self._city = city
        self._functions = tuple(maps.functions)
        self._levels = maps.levels
        self._numbers: dict[tuple[str, ...], int] = {}
        self._axes = [(column, row) for row in range(len(self._levels)) for column in range(len(self._functions))]
        self._rivals: dict[str, frozenset[str]] = {}
        self._places: dict[tuple[str, frozenset[str]], NDArray[np.int32]] = {}

    def at(self, region_code: str, named: str) -> NDArray[np.int32]:
        """[L, F] the number of the unit of each cell, for a matter in `region_code`.

        :param named: codes of the units the citizen named, joined by `|`.
        """
        told = self._rivals_in(region_code).intersection(named.split(MULTI_VALUE))
        found = self._places.get((region_code, told))
        if found is None:
            numbers = [self._number(region_code, told, at) for at in self._axes]
            found = np.array(numbers, dtype=np.int32).reshape(len(self._levels), -1)
            self._places[region_code, told] = found
        return found

    def _rivals_in(self, region_code: str) -> frozenset[str]:
        """Units which lead some cell there only when they are named: no other name makes a difference."""
        found = self._rivals.get(region_code)
        if found is None:
            cells = ((self._functions[function], self._levels[level]) for function, level in self._axes)
            resolved = (self._city.resolve(*cell, region_code or None) for cell in cells)
            found = frozenset(unit.code for one in resolved for unit in one.others)
            self._rivals[region_code] = found
        return found

    def _number(self, region_code: str, named: frozenset[str], at: tuple[int, int]) -> int:
        function, level = self._functions[at[0]], self._levels[at[1]]
        cell = Cell(function, level, at, 0.0, *unit_at(self._city, region_code or None, named, function, level))
        number = self._numbers.setdefault(cell.key, len(self.cells))
        if number == len(self.cells):
            self.cells.append(cell)
        return number


def first_units(
    outputs: StoredOutputs, bundle: Bundle, access_list: AccessList, catalogue: Catalogue, units: Units, city: City
) -> Dispatches:
    """The first unit of every case under these rules.

    :raises DispatchError: INVALID_LABEL_MAP when a stored region is not one of the city.
    """
    manifest = bundle.manifest
    ranker = Ranker(bundle.log_prior, manifest.beta, catalogue.binding, manifest.temperature)
    count = len(outputs)
    found = Dispatches(
        np.full(count, -1, np.int32), np.zeros(count, np.int16), np.zeros(count, np.int16), np.zeros(count, np.float32)
    )
    places, place_of = _places(outputs, units)
    within = _within(places)
    logits = (outputs.category, outputs.function, outputs.level)
    for mask, rows in _by_mask(outputs, access_list, city):
        for start in range(0, len(rows), CHUNK):
            part = rows[start : start + CHUNK]
            category, function, level = (array[part].astype(np.float32) for array in logits)
            tables = ranker.tables(category, function, level, mask)
            _take_first(found, part, tables, places[place_of[part]], within[place_of[part]])
    return found


def _take_first(
    found: Dispatches, rows: Rows, tables: Table, unit_of: NDArray[np.int32], within: NDArray[np.int32]
) -> None:
    """Merge the best cells of one unit, as `suggestions` does, and note the likeliest unit of each case.

    :param tables: [n, F, L]; `unit_of` [n, L, F].
    :param within: [n, L*F] as `_within`.
    """
    width = tables.shape[1]
    # By levels, so that ties go to the higher one, as in `Ranked.top`
    flat = tables.transpose(0, 2, 1).reshape(len(rows), -1)
    order = np.argsort(-flat, axis=1, kind="stable")
    unit_of = unit_of.reshape(len(rows), -1)
    unsettled = np.arange(len(rows))
    for count in looks(flat.shape[1]):
        best = order[unsettled, :count]
        share = np.take_along_axis(flat[unsettled], best, axis=1)
        unit = np.take_along_axis(within[unsettled], best, axis=1)
        together = _together(share, unit)
        # Every cell of a unit holds the same sum, and argmax takes the first: the unit's likeliest cell
        first = together.argmax(axis=1)[:, None]
        cell, taken, most = (np.take_along_axis(array, first, axis=1) for array in (best, unit, together))
        to = rows[unsettled]
        found.unit[to], found.probability[to] = unit_of[unsettled, cell[:, 0]], most[:, 0]
        found.level[to], found.function[to] = cell[:, 0] // width, cell[:, 0] % width
        second = np.where(unit == taken, 0.0, together).max(axis=1)
        unsettled = unsettled[most[:, 0] - second <= 1.0 - share.sum(axis=1)]


def _together(share: Table, unit: NDArray[np.int32]) -> Table:
    """[n, k] for each cell the sum over all cells of its unit in the same row."""
    own = np.arange(len(unit))[:, None] * (int(unit.max(initial=0)) + 1) + unit
    sums: Table = np.bincount(own.ravel(), weights=share.ravel())[own]
    return sums


def _within(places: NDArray[np.int32]) -> NDArray[np.int32]:
    """[P, L*F] the units of each place numbered from 0, so that sums over them stay small."""
    numbered = [np.unique(place, return_inverse=True)[1].ravel() for place in places]
    return np.array(numbered, dtype=np.int32).reshape(len(places), -1)


def _places(outputs: StoredOutputs, units: Units) -> tuple[NDArray[np.int32], Rows]:
    """The units of each distinct place, [P, L, F], and which of them each case takes, [N]."""
    numbers: dict[tuple[str, str], int] = {}
    pairs = zip(outputs.region_code.tolist(), outputs.named.tolist(), strict=True)
    place_of = np.array([numbers.setdefault(pair, len(numbers)) for pair in pairs], dtype=np.intp)
    return np.array([units.at(*pair) for pair in numbers], dtype=np.int32), place_of


def _by_mask(outputs: StoredOutputs, access_list: AccessList, city: City) -> Iterator[tuple[NDArray[np.bool_], Rows]]:
    """Cases of the own city, grouped by the mask of their place and day; in order of the days."""
    codes, code_of = np.unique(outputs.region_code, return_inverse=True)
    days, day_of = np.unique(outputs.day, return_inverse=True)
    paths = [tuple(region.code for region in city.ancestors(code)) if code else () for code in codes.tolist()]
    pair_of = day_of * len(codes) + code_of
    rows = np.flatnonzero(outputs.known)
    if not len(rows):
        return
    rows = rows[np.argsort(pair_of[rows], kind="stable")]
    pairs, starts = np.unique(pair_of[rows], return_index=True)
    groups: dict[int, tuple[NDArray[np.bool_], list[Rows]]] = {}
    for pair, group in zip(pairs.tolist(), np.split(rows, starts[1:]), strict=True):
        mask = access_list.mask(paths[pair % len(codes)], days[pair // len(codes)].item())
        # The mask itself is kept beside its id, so that no other can take the same one
        groups.setdefault(id(mask), (mask, []))[1].append(group)
    for mask, parts in groups.values():
        yield mask, np.concatenate(parts)
