"""Names of a city's places and units that look or sound like another: slips of whoever typed them, or of who hears."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations

from pypinyin import lazy_pinyin

from dispatch_model.city import City
from dispatch_model.directory import REGION_FILE, UNIT_FILE, Region, Unit
from dispatch_model.finding import Finding, listing, warning
from dispatch_model.labels import LEVELS

# 一支队 and 二支队, 东街 and 西街 differ on purpose
_ORDINAL = frozenset("零一二三四五六七八九十甲乙丙丁东南西北中前后左右上下大小新老内外0123456789")
_DISTRICT, _STREET, _COMMUNITY = LEVELS[1:]
_SHORTEST = 3
_MERGED = (("zh", "z"), ("ch", "c"), ("sh", "s"), ("ang", "an"), ("eng", "en"), ("ing", "in"))

Found = tuple[str, Finding]


def check_names(city: City) -> Iterator[Found]:
    """Warnings, each with the file it is about."""
    yield from _alike(city)
    yield from _same_names(city)
    yield from _slips(city)
    yield from _twins(city)


def one_apart(first: str, second: str) -> bool:
    """Whether two names of one length differ in one character that is no number or direction."""
    if len(first) != len(second) or len(first) < _SHORTEST:
        return False
    differ = [(a, b) for a, b in zip(first, second, strict=True) if a != b]
    return len(differ) == 1 and not _ORDINAL.issuperset(differ[0])


def heard(name: str) -> tuple[str, ...]:
    """How a name sounds to a recogniser: tones, and what many speakers do not tell apart, are gone."""
    return tuple(_merged(syllable) for syllable in lazy_pinyin(name))


def _merged(syllable: str) -> str:
    for strict, loose in _MERGED:
        syllable = syllable.replace(strict, loose)
    return "l" + syllable[1:] if syllable.startswith("n") else syllable


def _alike(city: City) -> Iterator[Found]:
    """Districts and streets that sound alike."""
    sounding: dict[tuple[str, ...], list[Region]] = defaultdict(list)
    for region in city.regions.values():
        if region.level in (_DISTRICT, _STREET):
            sounding[heard(region.name)].append(region)
    for regions in sounding.values():
        if len({region.name for region in regions}) > 1:
            told = f"{listing(city.region_path(region.code) for region in regions)} 读音相同或相近，只凭语音分不出；"
            yield (
                REGION_FILE,
                warning(None, regions[0].code, "name", told + "请在 landmarks.csv 中补充各自的道路和小区"),
            )


def _same_names(city: City) -> Iterator[Found]:
    """Places of one name: streets one by one, communities counted."""
    for level in (_STREET, _COMMUNITY):
        named: dict[str, list[Region]] = defaultdict(list)
        for region in city.regions.values():
            if region.level == level:
                named[region.name].append(region)
        double = [regions for regions in named.values() if len(regions) > 1]
        if level == _COMMUNITY and double:
            told = f"有 {len(double)} 个{level}名各有两处以上（{listing((one[0].name for one in double), 3)}）"
            yield REGION_FILE, warning(None, "", "name", f"{told}，只说{level}名时凭所在镇街、道路或小区区分")
        elif level == _STREET:
            for regions in double:
                told = f"{listing(city.region_path(region.code) for region in regions)} 同名，只说{level}名时须问区"
                yield REGION_FILE, warning(None, regions[0].code, "name", told)


def _slips(city: City) -> Iterator[Found]:
    """Units whose name says nearly the name of their district or street, or that of another one."""
    places = [region for region in city.regions.values() if region.level in (_DISTRICT, _STREET)]
    for unit in city.units.values():
        region = city.regions[unit.region]
        if region.level not in (_DISTRICT, _STREET) or unit.level != region.level or region.name in unit.name:
            continue
        near = _nearly(unit.name, region.name)
        other = next((one for one in places if one.level == region.level and one.name in unit.name), None)
        if near:
            told = f"“{unit.name}”中的“{near}”与所在区域“{region.name}”差一个字；请核对"
            yield UNIT_FILE, warning(None, unit.code, "name", told)
        elif other is not None:
            told = f"“{unit.name}”写明“{other.name}”，region 却是“{region.name}”；请核对"
            yield UNIT_FILE, warning(None, unit.code, "region", told)


def _nearly(text: str, name: str) -> str:
    """The part of `text` that is `name` but for one character, else ''."""
    size = len(name)
    # 秀英分局 is no slip of 秀英区: the ending must be there
    starts = (start for start in range(len(text) - size + 1) if text[start + size - 1] == name[-1])
    windows = (text[start : start + size] for start in starts)
    return next((window for window in windows if one_apart(window, name)), "")


def _twins(city: City) -> Iterator[Found]:
    """Units of one duty whose names differ in one character: one organisation entered twice, perhaps."""
    offices: dict[tuple[str, str, str], list[Unit]] = defaultdict(list)
    for unit in city.units.values():
        offices[unit.function, unit.level, unit.region].append(unit)
    for group in offices.values():
        for first, second in combinations(group, 2):
            if one_apart(first.name, second.name):
                told = f"“{second.name}”与“{first.name}”只差一个字；若是同一单位，请删去一行"
                yield UNIT_FILE, warning(None, second.code, "name", told)
