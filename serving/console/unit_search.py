"""Finds a unit by what an operator types: characters, full pinyin, initials, or any mixture of them.

`lhcg`, `longhuacg` and `龙华cg` all find 龙华区城市管理局: each character of a name is left out, or typed as itself, or
as the beginning of one of its readings. The fewer are left out between what was typed, the better.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from unicodedata import normalize

from dispatch_model.city import City
from dispatch_model.directory import Unit
from dispatch_model.labels import LEVELS
from serving.cases.overrides import units
from serving.console.sound import sounds

LONGEST = 32  # characters of a query that count
_LATE = 2  # what it costs that the first character of a name is not typed
_GAP = 3  # and one in the middle
_CUT = 1  # a syllable that is neither whole nor only begun
_INITIALS = ("zh", "ch", "sh")
_NAME, _ALIAS, _FORMER, _CODE = range(4)

# Of one character: (length typed before, length after, cost).
Moves = Sequence[tuple[int, int, int]]


@dataclass(frozen=True)
class FoundUnit:
    """A unit that fits.

    :param region: full name, like 海口市/龙华区.
    :param by: the alias or former name that fits; "" when it is the name itself.
    """

    code: str
    name: str
    function: str
    level: str
    region: str
    by: str = ""


class _Name(NamedTuple):
    """One name of a unit.

    :param sort: _INITIALS = ("zh", "ch", "sh")
    _NAME, _ALIAS, _FORMER or _CODE.
    :param place: of the unit in the directory.
    :param rank: where it stands among names that fit as well: short ones first, then proper names, then high units.
    """

    text: str
    sort: int
    place: int
    rank: tuple[int, ...]


class UnitSearch:
    """The units of a city, read once; immutable afterwards."""

    def __init__(self, city: City) -> None:
        every = tuple({unit.code: unit for found in units(city).values() for unit in found}.values())
        self._units = tuple(FoundUnit(u.code, u.name, u.function, u.level, city.region_path(u.region)) for u in every)
        self._names = tuple(name for place, unit in enumerate(every) for name in _names(unit, place))
        self._spelt = _spelt({char for name in self._names for char in name.text})

    def find(self, text: str, limit: int = 20) -> tuple[FoundUnit, ...]:
        """The units that fit best, best first; () for a blank `text`."""
        typed = _plain(text)[:LONGEST]
        if not typed:
            return ()
        best: dict[int, tuple[int, tuple[int, ...], _Name]] = {}
        for name, cost in self._fitting(typed):
            key = (cost, name.rank, name)
            if name.place not in best or key < best[name.place]:
                best[name.place] = key
        return tuple(self._shown(name) for _, _, name in sorted(best.values())[:limit])

    def _fitting(self, typed: str) -> Iterable[tuple[_Name, int]]:
        moves = _moves(typed, self._spelt)
        starts = frozenset(char for char, ways in moves.items() if ways[0][0] == 0)
        for name in self._names:
            if starts.isdisjoint(name.text) or not _fits(name.text, moves, len(typed)):
                continue
            yield name, _cost(name.text, moves, len(typed))

    def _shown(self, name: _Name) -> FoundUnit:
        unit = self._units[name.place]
        by = name.text if name.sort in (_ALIAS, _FORMER) else ""
        return FoundUnit(unit.code, unit.name, unit.function, unit.level, unit.region, by)


@lru_cache(maxsize=4)
def unit_search(city: City) -> UnitSearch:
    """The search of a city, built at its first use."""
    return UnitSearch(city)


def _names(unit: Unit, place: int) -> Iterable[_Name]:
    sorts = ((unit.name,), unit.aliases, unit.former, (unit.code,))
    level = LEVELS.index(unit.level)
    for sort, texts in enumerate(sorts):
        for text in map(_plain, texts):
            yield _Name(text, sort, place, (sort == _CODE, len(text), sort, level, place))


def _plain(text: str) -> str:
    return "".join(normalize("NFKC", text).lower().replace("'", "").split())


def _spelt(chars: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """Each character with the ways to type it: itself, and its readings; ü as v or u."""
    found = {}
    for char in chars:
        readings = sounds(char)
        ways = [char, *readings, *(one.replace("v", "u") for one in readings)]
        found[char] = tuple(dict.fromkeys(ways))
    return found


def _moves(typed: str, spelt: Mapping[str, Sequence[str]]) -> Mapping[str, Moves]:
    """How far each character brings what was typed, from where; characters that bring nothing are left out."""
    syllables = {way for ways in spelt.values() for way in ways if way[0] in typed}
    steps = {way: _steps(typed, way) for way in syllables}
    found = {}
    for char, ways in spelt.items():
        moves = {move for way in ways for move in steps.get(way, ())}
        if moves:
            found[char] = tuple(sorted(moves))
    return found


def _steps(typed: str, way: str) -> Iterable[tuple[int, int, int]]:
    """All moves by a beginning of `way`: (from, to, cost)."""
    found = []
    for start in range(len(typed)):
        for length in range(1, len(way) + 1):
            if not typed.startswith(way[:length], start):
                break
            end = start + length
            whole = length in (1, len(way)) or way[:length] in _INITIALS or end == len(typed)
            found.append((start, end, 0 if whole else _CUT))
    return found


def _fits(name: str, moves: Mapping[str, Moves], length: int) -> bool:
    """Whether what was typed can be read in a name at all; bit i: the first i characters can."""
    reached, goal = 1, 1 << length
    for char in name:
        if char in moves:
            for start, end, _ in moves[char][::-1]:  # from behind: a character counts once
                if reached >> start & 1:
                    reached |= 1 << end
    return bool(reached & goal)


def _cost(name: str, moves: Mapping[str, Moves], length: int) -> int:
    """The least it costs to read there what was typed; it fits."""
    if length == 1:
        return 0 if name[0] in moves else _LATE
    never = 1 << 20
    costs = [0, *(never for _ in range(length))]
    for place, char in enumerate(name):
        after = [0, *(cost + _GAP for cost in costs[1:length]), costs[length]]
        for start, end, cost in moves.get(char, ()):
            late = _LATE if start == 0 and place else 0
            after[end] = min(after[end], costs[start] + cost + late)
        costs = after
    return costs[length]
