"""The national division table (district › street › community), read for one city as regions of a directory."""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from dispatch_model import table
from dispatch_model.directory import Region
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LEVELS

COLUMNS = ("city", "district_code", "district", "street_code", "street", "community_code", "community")
DEPTHS = LEVELS[1:]
_CITY, _DISTRICT, _STREET, _COMMUNITY = LEVELS
_MUNICIPALITIES = frozenset({"11", "12", "31", "50"})  # their districts stand right under the province's code
_PROVINCES = (
    "13河北省 14山西省 15内蒙古自治区 21辽宁省 22吉林省 23黑龙江省 32江苏省 33浙江省 34安徽省 35福建省 36江西省 "
    "37山东省 41河南省 42湖北省 43湖南省 44广东省 45广西壮族自治区 46海南省 51四川省 52贵州省 53云南省 54西藏自治区 "
    "61陕西省 62甘肃省 63青海省 64宁夏回族自治区 65新疆维吾尔自治区"
)
PROVINCES = {entry[:2]: entry[2:] for entry in _PROVINCES.split()}
_NO_DISTRICT = frozenset({"", "市辖区", "县", "省直辖县级行政区划"})
_NOMINAL = "虚拟"  # 虚拟社区, 虚拟生活区: entries of statistics, nobody lives there under that name
_BRACKETS = re.compile(r"[（(][^）)]*[）)]$")
_COMMITTEES = (  # endings of what the table lists, and of the place they stand for
    ("社区居民委员会", "社区"),
    ("社区居委会", "社区"),
    ("居民委员会", "社区"),
    ("居委会", "社区"),
    ("村民委员会", "村"),
    ("村委会", "村"),
)


class _Line(NamedTuple):
    """One line of the table, without the city's name."""

    district_code: str
    district: str
    street_code: str
    street: str
    community_code: str
    community: str


def read_division(source: Path, name: str, depth: str = _COMMUNITY) -> list[Region]:
    """The places of the city `name`, the city first, each district with all its streets, down to the level `depth`.

    The table may hold the whole country: it is read line by line.

    :param name: 上海 or 上海市.
    :raises DispatchError: INVALID_LABEL_MAP: no such file, column or city, or a code that does not fit its parent.
    """
    lines, seen = [], dict[str, None]()
    for city, line in _lines(source):
        seen.setdefault(city)
        if city.removesuffix("市") == name.removesuffix("市"):
            lines.append(line)
            name = city
    if not lines:
        told = f"{source.name} 中没有城市“{name}”，有：{'、'.join(list(seen)[:10]) or '无'}{table.hint(name, seen)}"
        raise DispatchError(ErrorKind.INVALID_LABEL_MAP, told, field=f"{source.name} city 列", value=name)
    regions = list(_regions(name, sorted(set(lines))))
    names = {region.name for region in regions}
    return [
        replace(region, aliases=tuple(alias for alias in region.aliases if alias not in names))
        for region in regions
        if LEVELS.index(region.level) <= LEVELS.index(depth)
    ]


def _lines(source: Path) -> Iterator[tuple[str, _Line]]:
    try:
        with source.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
            if missing:
                told = f"{source.name} 表头：缺少列 {'、'.join(missing)}，需要的列：{'、'.join(COLUMNS)}；请补上或改名"
                raise DispatchError(ErrorKind.INVALID_LABEL_MAP, told, field=source.name)
            for number, row in enumerate(reader, start=2):
                yield (row["city"] or "").strip(), _line(source.name, number, row)
    except (OSError, UnicodeDecodeError) as error:
        told = f"区划表 {source} 读不到（{error}）；请用 --division 指到 UTF-8 编码的 CSV 文件"
        raise DispatchError(ErrorKind.INVALID_LABEL_MAP, told, field="division", value=str(source)) from None


def _line(file: str, number: int, row: dict[str, str]) -> _Line:
    line = _Line(*((row[column] or "").strip() for column in COLUMNS[1:]))
    for code, column, length in ((line.district_code, "district_code", 6), (line.street_code, "street_code", 9)):
        if not (code.isascii() and code.isdigit() and len(code) == length):
            told = f"{file} 第 {number} 行 {column} 列：“{code}”应为 {length} 位数字的区划代码，请改正"
            raise DispatchError(ErrorKind.INVALID_LABEL_MAP, told, field=f"{file}:{number}:{column}", value=code)
    if not line.street_code.startswith(line.district_code):
        told = f"{file} 第 {number} 行 street_code 列：“{line.street_code}”应以区代码“{line.district_code}”开头，请改正"
        raise DispatchError(
            ErrorKind.INVALID_LABEL_MAP, told, field=f"{file}:{number}:street_code", value=line.street_code
        )
    return line


def _regions(name: str, lines: list[_Line]) -> Iterator[Region]:
    province = lines[0].district_code[:2]
    code = province + "0000" if province in _MUNICIPALITIES else lines[0].district_code[:4] + "00"
    short = name.removesuffix("市")
    whole = (PROVINCES[province] + name,) if province in PROVINCES else ()
    yield Region(code, name, _CITY, None, tuple(one for one in (short, *whole) if one != name))
    for (district_code, district), inside in groupby(lines, lambda line: (line.district_code, line.district)):
        parent = code
        if district not in _NO_DISTRICT and district != name:
            yield Region(district_code, _BRACKETS.sub("", district), _DISTRICT, code, _district_aliases(district))
            parent = district_code
        yield from _streets(parent, inside)


def _district_aliases(name: str) -> tuple[str, ...]:
    """浦东新区 is called 浦东; every other 区 and 县 loses its ending by itself."""
    short = name.removesuffix("新区")
    return (short,) if short != name and len(short) > 1 else ()


def _streets(parent: str, lines: Iterable[_Line]) -> Iterator[Region]:
    for (code, name), inside in groupby(lines, lambda line: (line.street_code, line.street)):
        yield Region(code, _BRACKETS.sub("", name), _STREET, parent)
        taken: set[str] = set()
        for line in inside:
            if line.community_code and line.community and _NOMINAL not in line.community:
                # 新桥居委会 beside 新桥社区居委会: the later one keeps the name the table gives it
                place = community_name(line.community)
                place = line.community if place in taken else place
                if place not in taken:
                    taken.add(place)
                    yield Region(line.community_code, place, _COMMUNITY, code)


def community_name(committee: str) -> str:
    """The place a committee stands for: 秀华社区居委会 → 秀华社区, 岭西村委会 → 岭西村."""
    for ending, kind in _COMMITTEES:
        if committee.endswith(ending) and len(committee) > len(ending):
            return committee.removesuffix(ending).removesuffix(kind) + kind
    return committee
