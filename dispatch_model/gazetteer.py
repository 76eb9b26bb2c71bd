"""Place names and unit names in a text, and the one region they point to."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from dispatch_model import table
from dispatch_model.cases import Address
from dispatch_model.city import City
from dispatch_model.directory import Region
from dispatch_model.errors import ErrorKind
from dispatch_model.labels import LEVELS, label_folder
from dispatch_model.lexicon import Hit, Lexicon
from dispatch_model.table import Problems

LANDMARK_FILE = "landmarks.csv"
_COLUMNS = ("name", "region")
_CITY, _DISTRICT, _STREET, _COMMUNITY = LEVELS

# How much a surface form says: an official name, a road or building, a name without its suffix,
# and a street's bare name ("人民", "大同"), which counts only in an address field.
_OFFICIAL, _LANDMARK, _BARE, _HINT = 6, 3, 2, 1
_SUFFIXES = {_DISTRICT: ("区", "县"), _STREET: ("街道", "镇", "乡"), _COMMUNITY: ("社区", "村")}
_OFFICES = {
    _STREET: ("办事处", "街道办事处", "街道办", "街办", "镇政府", "镇人民政府"),
    _COMMUNITY: ("社区居委会", "社区居民委员会", "居委会", "居民委员会", "村委会", "村民委员会", "村"),
}
# "龙华路" is a road and "美兰机场" an airport: a bare name before these is part of another name.
_GOES_ON = frozenset(
    "路街巷大道机场港站桥医院学小中幼园广场市花公酒宾饭超商新城苑府湾岛农派出所法院国家办分支政府检政东西南北一二三四五六七八九十横"
)


class Mention(NamedTuple):
    """Characters [start, end) of the text name the region or unit `code`."""

    start: int
    end: int
    text: str
    code: str


@dataclass(frozen=True)
class Place:
    """Where the matter is.

    :param path: region codes from the place itself up to the city; () when nothing is known.
    :param ambiguous: other regions the words may mean, to be settled by a person.
    :param from_address: the structured address decided, not the transcript.
    """

    region_code: str | None = None
    path: tuple[str, ...] = ()
    level: str | None = None
    mentions: tuple[Mention, ...] = ()
    units: tuple[Mention, ...] = ()
    ambiguous: tuple[str, ...] = ()
    from_address: bool = False


class _Sense(NamedTuple):
    """What a surface form may mean."""

    codes: tuple[str, ...]
    weight: int


class Gazetteer:
    """Finds the places and units of one city; built once, then read only."""

    def __init__(self, city: City, landmarks: Mapping[str, str] | None = None) -> None:
        self._city = city
        self._paths = {code: tuple(region.code for region in city.ancestors(code)) for code in city.regions}
        self._senses = _senses(city.regions.values(), landmarks or {})
        self._places = Lexicon(self._senses)
        self._unit_codes = {
            name: unit.code
            for unit in city.units.values()
            for name in (*unit.former, *unit.aliases, unit.name)
            if len(name) > 2
        }
        self._units = Lexicon(self._unit_codes)

    @classmethod
    def load(cls, city: City, folder: Path | None = None) -> "Gazetteer":
        """The gazetteer of `city` with its roads and landmarks, if the city's folder lists any.

        :raises DispatchError: landmarks.csv names a region the city does not have.
        """
        return cls(city, read_landmarks(city, folder))

    def find(self, text: str, address: Address | None = None) -> Place:
        """The deepest region all words agree on; the address, where there is one, has the last word."""
        units = tuple(Mention(*hit, self._unit_codes[hit.word]) for hit in self._units.scan(text))
        told = self._weigh(text, trusted=False)
        given = self._decide(self._weigh(address.text(), trusted=True)) if address else Place()
        if given.region_code is None:
            return replace(self._decide(told), units=units)
        deeper = self._decide(list(self._inside(told, given.region_code)))
        if len(deeper.path) <= len(given.path):
            deeper = replace(given, mentions=deeper.mentions)
        return replace(deeper, units=units, ambiguous=given.ambiguous, from_address=True)

    def _weigh(self, text: str, *, trusted: bool) -> list[tuple[Hit, _Sense]]:
        """Surface forms found; in a structured address a bare name is as good as a full one."""
        found = []
        for hit in self._places.scan(text):
            sense = self._senses[hit.word]
            if trusted and sense.weight <= _BARE:
                found.append((hit, sense._replace(weight=_OFFICIAL)))
            elif sense.weight > _BARE or (sense.weight == _BARE and text[hit.end : hit.end + 1] not in _GOES_ON):
                found.append((hit, sense))
        return found

    def _inside(self, found: Iterable[tuple[Hit, _Sense]], region: str) -> Iterable[tuple[Hit, _Sense]]:
        for hit, sense in found:
            codes = tuple(code for code in sense.codes if region in self._paths[code])
            if codes:
                yield hit, sense._replace(codes=codes)

    def _decide(self, found: list[tuple[Hit, _Sense]]) -> Place:
        """Words with one meaning settle those with several; then the heaviest branch is followed down."""
        certain = {code for _, sense in found if len(sense.codes) == 1 for code in self._paths[sense.codes[0]][:-1]}
        settled = [(hit, self._narrow(sense, certain)) for hit, sense in found]
        votes = Counter[str]()
        for _, sense in settled:
            for code in self._shared(sense.codes):
                votes[code] += sense.weight
        at = self._city.root.code if votes else None
        doubtful = {code for _, sense in settled if len(sense.codes) > 1 for code in sense.codes}
        while at is not None:
            below = [code for code in votes if self._city.regions[code].parent == at]
            if not below:
                break
            at = max(below, key=votes.__getitem__)
            rivals = [code for code in below if code != at and 2 * votes[code] > votes[at]]
            doubtful.update(code for code in rivals if votes[code] >= _OFFICIAL)
        return self._place(at, settled, doubtful)

    def _place(self, code: str | None, settled: list[tuple[Hit, _Sense]], doubtful: set[str]) -> Place:
        path = self._paths[code] if code else ()
        mentions = (Mention(*hit, sense.codes[0]) for hit, sense in settled if len(sense.codes) == 1)
        level = self._city.regions[code].level if code else None
        ambiguous = tuple(sorted(doubtful.difference(path)))
        return Place(code, path, level, tuple(mention for mention in mentions if mention.code in path), (), ambiguous)

    def _narrow(self, sense: _Sense, certain: set[str]) -> _Sense:
        """Of several meanings, those which lie in a place named for certain, the deepest first."""
        if len(sense.codes) == 1:
            return sense
        known = {code: len(certain.intersection(self._paths[code])) for code in sense.codes}
        best = max(known.values())
        return sense._replace(codes=tuple(code for code in sense.codes if known[code] == best))

    def _shared(self, codes: tuple[str, ...]) -> tuple[str, ...]:
        """Regions that hold all `codes`: a name of two communities of one district still tells the district."""
        first, *others = (self._paths[code] for code in codes)
        return tuple(code for code in first if all(code in path for path in others))


def _senses(regions: Iterable[Region], landmarks: Mapping[str, str]) -> dict[str, _Sense]:
    """Every surface form and what it may mean; the weightiest reading of a form wins."""
    readings: dict[str, dict[int, list[str]]] = {}
    for region in regions:
        for form, weight in _forms(region):
            readings.setdefault(form, {}).setdefault(weight, []).append(region.code)
    for name, code in landmarks.items():
        readings.setdefault(name, {}).setdefault(_LANDMARK, []).append(code)
    return {form: _Sense(tuple(dict.fromkeys(of[max(of)])), max(of)) for form, of in readings.items()}


def _forms(region: Region) -> Iterable[tuple[str, int]]:
    """Names of a region as people write them."""
    for name in (region.name, *region.aliases):
        short = next((name.removesuffix(end) for end in _SUFFIXES.get(region.level, ()) if name.endswith(end)), name)
        if region.level == _COMMUNITY and len(short) < 2:
            continue
        yield name, _BARE if name == short and region.level in (_DISTRICT, _STREET) else _OFFICIAL
        if short != name and len(short) >= 2:
            yield from ((short + office, _OFFICIAL) for office in _OFFICES.get(region.level, ()))
            if region.level in (_DISTRICT, _STREET):
                yield short, _BARE if region.level == _DISTRICT else _HINT


def read_landmarks(city: City, folder: Path | None = None) -> dict[str, str]:
    """Roads, estates and landmarks of `city` with the region each lies in; none when the city lists none.

    :raises DispatchError: landmarks.csv names a region the city does not have.
    """
    file = f"{city.slug}/{LANDMARK_FILE}"
    source = label_folder(folder) / city.slug / LANDMARK_FILE
    if not source.is_file():
        return {}
    rows = table.read(source, file, _COLUMNS, ErrorKind.INVALID_LABEL_MAP)
    problems = Problems(file)
    for row in rows:
        if row["region"] not in city.regions:
            problems.add(row, "region", row["region"], "不是 regions.csv 中的区域代码，请改正", city.regions)
    problems.raise_any()
    return {row["name"]: row["region"] for row in rows}
