"""One city's directory: its places, its organisations, and which organisation leads what where."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dispatch_model import directory, table
from dispatch_model.directory import GOVERNMENT, Region, Unit
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LEVELS, LabelMaps

NO_COMMON_UNIT = "其他"  # courts, congress, forces: one function, no one organisation which answers for all
VERTICAL = frozenset({"公安", "交警", "税务"})  # run from the city, so never done by a development zone's committee
SHOWN_OTHERS = 3


@dataclass(frozen=True)
class Resolution:
    """The unit found for (function, level, place); `note` says in Chinese when it is not the plain answer.

    :param lacks: what must be known of the place before a unit can be found.
    :param others: further units with the same function, level and region; a caller who knows which one the
        citizen named (an operator, a bus company) may prefer it.
    """

    unit: Unit | None
    note: str = ""
    others: tuple[Unit, ...] = ()
    lacks: str = ""


@dataclass(frozen=True, eq=False)
class City:
    """A city's places and units by code, in file order."""

    name: str
    slug: str
    regions: Mapping[str, Region]
    units: Mapping[str, Unit]
    functions: tuple[str, ...]

    @classmethod
    def load(cls, slug: str, maps: LabelMaps, folder: Path | None = None) -> "City":
        """Read and check the city folder `slug` of `folder`, or of the label maps shipped with the program."""
        regions = directory.read_regions(slug, folder)
        units = directory.read_units(slug, maps, regions, folder)
        name = next(region.name for region in regions.values() if region.level == LEVELS[0])
        return cls(name, slug, regions, units, tuple(maps.functions))

    @cached_property
    def root(self) -> Region:
        """The city itself."""
        return next(region for region in self.regions.values() if region.level == LEVELS[0])

    def ancestors(self, code: str) -> tuple[Region, ...]:
        """The region `code` itself, then its parents up to the city."""
        chain = self._chains.get(code)
        if chain is None:
            told = f"{self.name}没有代码为“{code}”的区域，请查 {self.slug}/regions.csv"
            message = told + table.hint(code, self.regions)
            raise DispatchError(ErrorKind.INVALID_LABEL_MAP, message, field="region", value=code)
        return chain

    def region_path(self, code: str) -> str:
        """Names from the city down to `code`, like 海口市/龙华区/金贸街道."""
        return "/".join(region.name for region in reversed(self.ancestors(code)))

    def resolve(self, function: str, level: str, region_code: str | None) -> Resolution:
        """The unit which leads `function` at `level` for a matter in `region_code` (None: the whole city).

        :raises DispatchError: no such function, level or region.
        """
        _known("function", function, self.functions)
        _known("level", level, LEVELS)
        place = self._place_at(level, region_code or self.root.code)
        if place is None:
            where = self.region_path(region_code or self.root.code)
            told = f"地点只到“{where}”，不足以确定{level}，请补充所在{level}"
            return Resolution(None, told, lacks=f"事发地点所在的{level}")
        units = self._by_duty.get((function, place.level, place.code), ())
        if function == NO_COMMON_UNIT:
            return Resolution(None, "“其他”类事项没有统一的承办单位，请人工指定或告知渠道", units)
        if units:
            return _first(units)
        return self._substitute(function, place)

    def _place_at(self, level: str, code: str) -> Region | None:
        """The region of `level` which `code` lies in; None when `code` is too wide to tell.

        A place without that level (a development zone has no streets) is taken whole.
        """
        chain = self.ancestors(code)
        within = next(region for region in chain if LEVELS.index(region.level) <= LEVELS.index(level))
        too_wide = within is chain[0] and within.level != level and (within.code, level) in self._divided
        return None if too_wide else within

    def _substitute(self, function: str, place: Region) -> Resolution:
        """Who answers where `place` has no organisation for `function`."""
        if place.level == LEVELS[3]:
            return Resolution(self._committee(place))
        government = self._by_duty.get((GOVERNMENT, place.level, place.code), (None,))[0]
        if place.level == LEVELS[2]:
            return Resolution(government, f"{place.name}未单设“{function}”机构，由{place.name}统筹承办")
        if place.code in self._zones and function in self._district_functions - VERTICAL:
            return Resolution(government, f"{place.name}未单设“{function}”机构，由园区统筹承办")
        if place.level == LEVELS[1]:
            return self._from_city(function, place)
        return Resolution(None, f"{self.name}单位目录中没有“{function}·{place.level}”的单位，请在 units.csv 中补充")

    def _from_city(self, function: str, district: Region) -> Resolution:
        units = self._by_duty.get((function, LEVELS[0], self.root.code), ())
        if not units:
            return Resolution(None, f"{district.name}和{self.name}都没有“{function}”单位，请在 units.csv 中补充")
        return _first(units, f"{district.name}没有“{function}”单位，由市级单位承办")

    def _committee(self, community: Region) -> Unit:
        """The committee of a community or village: listed, or named after it."""
        listed = self._by_duty.get((GOVERNMENT, community.level, community.code))
        if listed:
            return listed[0]
        kind = "村民委员会" if community.name.endswith("村") else "居民委员会"
        code = f"{community.code}-{GOVERNMENT}"
        return Unit(code, community.name + kind, GOVERNMENT, community.level, community.code)

    @cached_property
    def _chains(self) -> Mapping[str, tuple[Region, ...]]:
        """Each region with its ancestors."""
        found: dict[str, tuple[Region, ...]] = {}
        for code, region in self.regions.items():
            chain = [region]
            while chain[-1].parent is not None:
                chain.append(self.regions[chain[-1].parent])
            found[code] = tuple(chain)
        return found

    @cached_property
    def _by_duty(self) -> Mapping[tuple[str, str, str], tuple[Unit, ...]]:
        """Units by (function, level, region) in file order: the first of a key leads."""
        found: dict[tuple[str, str, str], tuple[Unit, ...]] = {}
        for unit in self.units.values():
            key = (unit.function, unit.level, unit.region)
            found[key] = (*found.get(key, ()), unit)
        return found

    @cached_property
    def _divided(self) -> frozenset[tuple[str, str]]:
        """(region code, level) pairs such that the region contains places of that level."""
        pairs = ((over.code, region.level) for region in self.regions.values() for over in self.ancestors(region.code))
        return frozenset(pairs)

    @cached_property
    def _zones(self) -> frozenset[str]:
        """Districts in name only: their government is their one organisation, so it does everything."""
        districts = {region.code for region in self.regions.values() if region.level == LEVELS[1]}
        own = {unit.region for unit in self.units.values() if unit.level == LEVELS[1] and unit.function != GOVERNMENT}
        return frozenset(districts - own)

    @cached_property
    def _district_functions(self) -> frozenset[str]:
        """Functions which some district has an organisation for; the rest is the city's everywhere."""
        return frozenset(unit.function for unit in self.units.values() if unit.level == LEVELS[1])


def cities(folder: Path | None = None) -> dict[str, str]:
    """Every accepted name of a city (海口, 海口市, 海南省海口市, haikou) and the folder which describes it."""
    names: dict[str, str] = {}
    for slug in directory.slugs(folder):
        region = next(iter(directory.read_regions(slug, folder).values()))
        names.update(dict.fromkeys((slug, region.name, *region.aliases), slug))
    return names


def _first(units: tuple[Unit, ...], note: str = "") -> Resolution:
    """The leading unit; the note names the others, for the operator to compare."""
    others = units[1:]
    if others:
        shown = "、".join(unit.name for unit in others[:SHOWN_OTHERS])
        more = f"等 {len(others)} 个单位" if len(others) > SHOWN_OTHERS else ""
        note = f"{note}{'；' if note else ''}同级同职能还有：{shown}{more}"
    return Resolution(units[0], note, others)


def _known(field: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        message = f"{field}“{value}”不存在，可用：{'、'.join(allowed)}{table.hint(value, allowed)}"
        raise DispatchError(ErrorKind.INVALID_LABEL_MAP, message, field=field, value=value)
