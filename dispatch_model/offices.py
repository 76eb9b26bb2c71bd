"""Where in a city each function has a unit at each level, asked of the directory once."""

from collections.abc import Iterable
from functools import cached_property

from dispatch_model.access_row import LISTS
from dispatch_model.city import City
from dispatch_model.directory import Region
from dispatch_model.labels import LEVELS


class Offices:
    """The directory seen from a rule, which asks at what places (function, level) finds nobody."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._found: dict[tuple[str, str, str], bool] = {}
        self._missing: dict[tuple[str, str, str], tuple[str, ...]] = {}
        self._spots: dict[tuple[str, str], tuple[str, ...]] = {}

    @cached_property
    def districts(self) -> tuple[Region, ...]:
        """The districts, development zones among them, in file order."""
        return tuple(region for region in self._city.regions.values() if region.level == LEVELS[1])

    def path(self, code: str) -> tuple[str, ...]:
        """Region codes of a place and all it lies in, as the access list takes them."""
        return tuple(region.code for region in self._city.ancestors(code))

    def has(self, function: str, level: str, code: str) -> bool:
        """Whether (function, level) finds a unit at the place `code` that may act at that level."""
        key = (function, level, code)
        if key not in self._found:
            unit = self._city.resolve(function, level, code).unit
            # A street never takes under a community's name what the list gave the community
            self._found[key] = unit is not None and not (unit.level in LISTS and unit.level != level)
        return self._found[key]

    def any_above(self, functions: Iterable[str], district: str) -> bool:
        """Whether one of `functions` finds a unit of the district or the city for a matter in `district`."""
        return any(self.has(function, level, district) for function in functions for level in LEVELS[1::-1])

    def missing(self, function: str, level: str, region: str) -> tuple[str, ...]:
        """Names of the places in `region` ('' the whole city) where (function, level) finds nobody."""
        key = (function, level, region)
        if key not in self._missing:
            lacking = [spot for spot in self.spots(level, region) if not self.has(function, level, spot)]
            self._missing[key] = tuple(self._city.regions[spot].name for spot in lacking)
        return self._missing[key]

    def spots(self, level: str, region: str) -> tuple[str, ...]:
        """The places of `level` in `region` ('' the whole city), or `region` itself when it is narrower.

        A place above `level` that is not divided at all counts as one of that level: a farm without communities.
        """
        key = (level, region)
        if key not in self._spots:
            self._spots[key] = tuple(self._find_spots(level, region or self._city.root.code))
        return self._spots[key]

    def _find_spots(self, level: str, region: str) -> Iterable[str]:
        if LEVELS.index(self._city.regions[region].level) >= LEVELS.index(level):
            return (region,)
        inside = [one for one in self._city.regions.values() if region in self.path(one.code)]
        return (one.code for one in inside if one.level == level or self._is_undivided_above(one, level))

    def _is_undivided_above(self, region: Region, level: str) -> bool:
        return LEVELS.index(region.level) < LEVELS.index(level) and region.code not in self._parents

    @cached_property
    def _parents(self) -> frozenset[str]:
        return frozenset(region.parent for region in self._city.regions.values() if region.parent)
