"""Finds a category or a place by what one types: its code, its name, full pinyin, initials, or any mixture."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from dispatch_model.city import City
from dispatch_model.labels import LabelMaps
from serving.console.sound import sounds

SHOWN = 12
LONGEST = 40  # characters typed that are looked at
_DOUBLE = ("zh", "ch", "sh")

Readings = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Named:
    """Something with a code and a name.

    :param path: the name with all it lies in.
    :param also: other names.
    """

    code: str
    name: str
    path: str
    also: tuple[str, ...] = ()


class Names:
    """What can be found; immutable."""

    def __init__(self, entries: Iterable[Named]) -> None:
        self._entries = tuple(entries)
        self._by_code = {entry.code: entry for entry in self._entries}
        self._spelled = [tuple(map(readings, (entry.name, *entry.also))) for entry in self._entries]

    def get(self, code: str) -> Named | None:
        """The one with that code."""
        return self._by_code.get(code)

    def find(self, text: str, limit: int = SHOWN) -> tuple[Named, ...]:
        """What fits every word of `text`, best first; () for a blank one."""
        words = text[:LONGEST].casefold().split()
        found = []
        for entry, spelled in zip(self._entries, self._spelled, strict=True):
            if words and (ranks := [_rank(entry, spelled, word) for word in words]) and None not in ranks:
                found.append((max(rank for rank in ranks if rank is not None), len(entry.path), entry.code, entry))
        return tuple(entry for *_, entry in sorted(found, key=lambda one: one[:3])[:limit])


@lru_cache(maxsize=4)
def categories(maps: LabelMaps, *, leaves: bool = False) -> Names:
    """The categories: all, or those that a case can be given."""
    codes = maps.leaves if leaves else tuple(maps.categories)
    return Names(Named(code, maps.path(code)[-1], " / ".join(maps.path(code))) for code in codes)


@lru_cache(maxsize=4)
def places(city: City) -> Names:
    """The regions of a city."""
    return Names(
        Named(code, region.name, city.region_path(code), region.aliases) for code, region in city.regions.items()
    )


def readings(name: str) -> Readings:
    """How each character may be read, in lower-case letters without tones."""
    return tuple(sounds(character) or (character,) for character in name.casefold())


def _rank(entry: Named, spelled: Sequence[Readings], word: str) -> int | None:
    """How well `word` fits, 0 best; None: not at all."""
    names = (entry.name.casefold(), *(name.casefold() for name in entry.also))
    if word in (entry.code, *names):
        return 0
    if entry.code.startswith(word):
        return 1
    if any(name.startswith(word) for name in names):
        return 2
    if any(word in name for name in names):
        return 3
    if word.isascii() and word.isalpha():
        starts = [start for name in spelled for start in range(len(name)) if spells(name, word, start)]
        return None if not starts else 4 if 0 in starts else 5
    return 6 if word in entry.path.casefold() else None


def spells(name: Readings, typed: str, at: int = 0) -> bool:
    """Whether `typed` spells `name` from `at` on: characters in full or by their initial, the last also in part."""
    if not typed:
        return True
    return at < len(name) and any(
        spells(name, typed[length:], at + 1) for reading in name[at] for length in _lengths(reading, typed)
    )


def _lengths(reading: str, typed: str) -> Iterable[int]:
    """How many letters of `typed` may stand for a character read so."""
    common = 0
    while common < min(len(reading), len(typed)) and reading[common] == typed[common]:
        common += 1
    whole = {1, len(reading), *([2] if reading.startswith(_DOUBLE) else [])}
    return [length for length in range(common, 0, -1) if length in whole or length == len(typed)]
