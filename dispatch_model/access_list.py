"""准入清单: which categories a street or community may lead, may assist, must never get.

Absent means forbidden. The longest category prefix decides; at equal length the more
restrictive row does. `mask` and `decide` read the same deciding rows, so they cannot differ.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from dispatch_model.access_row import COLUMNS, LISTS, AccessRow, parse_row, place_codes
from dispatch_model.city import City
from dispatch_model.directory import GOVERNMENT
from dispatch_model.errors import DispatchError, ErrorKind, near
from dispatch_model.labels import LEVELS, PREFIX_LENGTHS, LabelMaps
from dispatch_model.sheet import Sheet, version_of
from dispatch_model.table import Source

_CACHED_SLICES = 256


@dataclass(frozen=True)
class Verdict:
    """Whether a triple is admissible, the row that decided (None: no row) and why, in Chinese."""

    allowed: bool
    row: AccessRow | None
    text: str


class _Slice:
    """The rows in force for one place on one day, most restrictive rows per prefix only."""

    def __init__(self, rows: Iterable[AccessRow]) -> None:
        groups: dict[tuple[str, str], list[AccessRow]] = defaultdict(list)
        for row in sorted(rows, key=lambda row: row.id):
            groups[row.level, row.category].append(row)
        self._deciding = {key: _most_restrictive(group) for key, group in groups.items()}

    def deciding(self, category: str, level: str) -> tuple[AccessRow, ...]:
        key = self._key(category, level)
        return self._deciding[key] if key else ()

    def mask(self, leaves: Sequence[str], functions: Sequence[str]) -> NDArray[np.bool_]:
        mask = np.ones((len(leaves), len(functions), len(LEVELS)), dtype=np.bool_)
        admitted = {
            key: [any(row.admits(function) for row in rows) for function in functions]
            for key, rows in self._deciding.items()
        }
        for level in LISTS:
            axis = LEVELS.index(level)
            for position, leaf in enumerate(leaves):
                key = self._key(leaf, level)
                mask[position, :, axis] = admitted[key] if key else False
        mask.flags.writeable = False
        return mask

    def _key(self, category: str, level: str) -> tuple[str, str] | None:
        """The longest listed prefix of `category` at `level`."""
        keys = ((level, category[:length]) for length in PREFIX_LENGTHS)
        return next((key for key in keys if key in self._deciding), None)


def _most_restrictive(rows: Sequence[AccessRow]) -> tuple[AccessRow, ...]:
    worst = max(row.restriction for row in rows)
    return tuple(row for row in rows if row.restriction == worst)


class AccessList:
    """The list of one city, compiled on demand into masks over (category, function, level).

    :param rows: validated rows; their order means nothing.
    :param leaves: the category axis of the masks.
    :param functions: the function axis of the masks.
    """

    def __init__(self, rows: Iterable[AccessRow], leaves: Sequence[str], functions: Sequence[str]) -> None:
        self.rows = tuple(rows)
        self.version = version_of((row.version for row in self.rows), map(_content, self.rows))
        self._leaves = tuple(leaves)
        self._functions = tuple(functions)
        self._changes = sorted(set(_change_days(self.rows)))
        self._regions = frozenset(row.region for row in self.rows if row.region)
        self._slices: dict[tuple[int, frozenset[str]], tuple[_Slice, NDArray[np.bool_]]] = {}

    @classmethod
    def load(cls, source: Source, maps: LabelMaps, city: City) -> "AccessList":
        """Read and validate a CSV; all problems are raised together."""
        sheet = Sheet(source, COLUMNS)
        sheet.unique("id")
        places = place_codes(city)
        rows = [parse_row(sheet, source, maps, places) for source in sheet.rows]
        sheet.check()
        _check_contradictions(sheet, rows)
        return cls(rows, maps.leaves, tuple(maps.functions))

    def mask(self, region_path: Sequence[str], day: date) -> NDArray[np.bool_]:
        """Read-only A[category, function, level]; the same object for equal rows in force.

        :param region_path: region codes of the place and its ancestors; () when the place is unknown.
        """
        return self._slice(region_path, day)[1]

    def decide(self, category: str, function: str, level: str, region_path: Sequence[str], day: date) -> Verdict:
        """The answer of `mask` for one triple, with the row that decided."""
        _check_known(function, "职能", self._functions)
        _check_known(level, "层级", LEVELS)
        if level not in LISTS:
            return Verdict(True, None, f"{level}级部门主办不受准入清单限制")
        rows = self._slice(region_path, day)[0].deciding(category, level)
        return _verdict(rows, function, level)

    def _slice(self, region_path: Sequence[str], day: date) -> tuple[_Slice, NDArray[np.bool_]]:
        key = (bisect_right(self._changes, day), self._regions.intersection(region_path))
        found = self._slices.get(key)
        if found is None:
            in_force = _Slice(row for row in self.rows if row.valid_on(day) and row.region in ("", *key[1]))
            if len(self._slices) >= _CACHED_SLICES:
                self._slices.clear()
            found = self._slices.setdefault(key, (in_force, in_force.mask(self._leaves, self._functions)))
        return found


def _verdict(rows: Sequence[AccessRow], function: str, level: str) -> Verdict:
    if not rows:
        return Verdict(False, None, f"准入清单未列入{level}事项，{level}不得主办")
    admitting = [row for row in rows if row.admits(function)]
    if admitting:
        row = next((row for row in admitting if row.lead_function == function), admitting[0])
        return Verdict(True, row, f"准入清单 {row.id}（{row.list}）：{row.matter}，{level}可以主办")
    row = rows[0]
    if row.restriction == 0:
        leads = "、".join(dict.fromkeys([*(row.lead_function for row in rows), GOVERNMENT]))
        return Verdict(False, row, f"准入清单 {row.id}（{row.list}）：{row.matter}，{level}只能由{leads}主办")
    lead = f"，应由上级{row.lead_function}主办" if row.lead_function else "，应由上级部门主办"
    return Verdict(False, row, f"准入清单 {row.id}（{row.list}）：{row.matter}，{level}不得主办{lead}")


def _check_known(value: str, word: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise DispatchError(
            ErrorKind.INVALID_RULES, f"没有“{value}”这个{word}；{near(value, allowed) or '请查标签表'}。", value=value
        )


def _content(row: AccessRow) -> str:
    return repr([getattr(row, column) for column in COLUMNS])


def _change_days(rows: Iterable[AccessRow]) -> Iterable[date]:
    """Every day on which the set of rows in force differs from the day before."""
    for row in rows:
        if row.valid_from:
            yield row.valid_from
        if row.valid_to and row.valid_to < date.max:
            yield row.valid_to + timedelta(days=1)


def _overlap(one: AccessRow, other: AccessRow) -> bool:
    start = max(one.valid_from or date.min, other.valid_from or date.min)
    return one.valid_on(start) and other.valid_on(start)


def _check_contradictions(sheet: Sheet, rows: Iterable[AccessRow]) -> None:
    """Note pairs that put the same prefix, level and region on different lists on the same day."""
    groups: dict[tuple[str, str, str], list[AccessRow]] = defaultdict(list)
    for row in rows:
        groups[row.category, row.level, row.region].append(row)
    sources = {source.number: source for source in sheet.rows}
    for group in groups.values():
        for one, other in combinations(group, 2):
            if one.list != other.list and _overlap(one, other):
                sheet.problem(
                    sources[other.row],
                    "list",
                    f"（{other.id}）与第 {one.row} 行（{one.id}）的“{one.list}”矛盾："
                    f"类别 {one.category}、{one.level}、区域和日期都重叠；请只留一种或改日期",
                )
    sheet.check()
