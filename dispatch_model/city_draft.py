"""A first draft of a city: its directory from the national division table, its rules from another city.

A draft loads and answers on the first day; what a person must confirm stands in `to_confirm.csv`, line by
line, to be deleted as it is settled.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from pypinyin import lazy_pinyin

from dispatch_model import table
from dispatch_model.city import City
from dispatch_model.city_rules_draft import PROPOSED, RulesDraft, draft_rules
from dispatch_model.directory import GOVERNMENT, REGION_COLUMNS, REGION_FILE, UNIT_COLUMNS, UNIT_FILE, Region, Unit
from dispatch_model.division import read_division
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.finding import listing
from dispatch_model.labels import LEVELS, LabelMaps, label_folder
from dispatch_model.table import MULTI_VALUE

CONFIRM_FILE = "to_confirm.csv"
CONFIRM_COLUMNS = ("file", "place", "what")
TYPICAL_FILE = "typical_units.csv"
TYPICAL_COLUMNS = ("function", "level", "name")
UNNAMED = "（待填写全称）"
_CITY, _DISTRICT, _STREET, _ = LEVELS
_SLUG = re.compile(r"[a-z][a-z0-9_]{1,39}")
_TOWN = re.compile("(镇|乡|民族乡|苏木)$")

ToConfirm = tuple[str, str, str]


@dataclass(frozen=True)
class Draft:
    """All files of a new city."""

    name: str
    slug: str
    regions: Sequence[Region]
    units: Sequence[Unit]
    rules: RulesDraft
    to_confirm: Sequence[ToConfirm]


def draft(
    name: str,
    division: Path,
    maps: LabelMaps,
    *,
    depth: str = LEVELS[-1],
    slug: str = "",
    like: str = "haikou",
    configs: Path | None = None,
) -> Draft:
    """The draft of the city `name`.

    :param division: the national division table, see `division.COLUMNS`.
    :param depth: the lowest level of places to take: 区, 镇街 or 村居.
    :param slug: name of its folders; the name in pinyin unless given.
    :param like: the installed city whose rules are taken over where they are national.
    :param configs: the folder of rules of that city; None: the installed one.
    :raises DispatchError: INVALID_LABEL_MAP or INVALID_RULES, saying what cannot be drafted from.
    """
    regions = read_division(division, name, depth)
    city = regions[0].name
    slug = slug or "".join(lazy_pinyin(city.removesuffix("市")))
    if not _SLUG.fullmatch(slug):
        told = f"文件夹名“{slug}”应为小写字母开头的字母、数字、下划线，2 到 40 个；请用 --slug 另取"
        raise DispatchError(ErrorKind.INVALID_LABEL_MAP, told, field="slug", value=slug)
    units = list(_units(regions, maps))
    rules = draft_rules(City.load(like, maps), configs or Path(str(files("configs"))) / like)
    return Draft(city, slug, regions, units, rules, tuple(_to_confirm(regions, rules, like)))


def write(draft: Draft, root: Path) -> tuple[Path, Path]:
    """Write `label_maps/<slug>` and `configs/<slug>` under `root`; nothing that is there is ever changed.

    :raises DispatchError: INVALID_CONFIG when one of the folders exists.
    """
    folders = root / "label_maps" / draft.slug, root / "configs" / draft.slug
    for folder in folders:
        if folder.exists():
            told = f"{folder} 已存在，不会改动；请先移走它，或用 --slug 另取文件夹名"
            raise DispatchError(ErrorKind.INVALID_CONFIG, told, field="slug", value=draft.slug)
    tables = {
        REGION_FILE: _csv(REGION_COLUMNS, (_cells(region, REGION_COLUMNS) for region in draft.regions)),
        UNIT_FILE: _csv(UNIT_COLUMNS, (_cells(unit, UNIT_COLUMNS) for unit in draft.units)),
        CONFIRM_FILE: _csv(CONFIRM_COLUMNS, draft.to_confirm),
    }
    for folder, content in zip(folders, (tables, draft.rules.files), strict=True):
        folder.mkdir(parents=True)
        for file, rows in content.items():
            (folder / file).write_bytes(rows)
    return folders


def read_to_confirm(slug: str, folder: Path | None = None) -> list[ToConfirm]:
    """What nobody has confirmed yet; [] where no such file is left."""
    source = label_folder(folder) / slug / CONFIRM_FILE
    if not source.is_file():
        return []
    with source.open(encoding="utf-8-sig") as file:
        rows = list(csv.reader(file))[1:]
    return [(row[0], row[1], row[2]) for row in rows if len(row) == len(CONFIRM_COLUMNS) and any(row)]


def _units(regions: Sequence[Region], maps: LabelMaps) -> Iterator[Unit]:
    """The usual organisations under their usual names, and every place's own office."""
    typical = table.read(label_folder() / TYPICAL_FILE, TYPICAL_FILE, TYPICAL_COLUMNS, ErrorKind.INVALID_LABEL_MAP)
    patterns = [(row["function"], row["level"], row["name"]) for row in typical if row["function"] in maps.functions]
    city, by_code = regions[0].name, {region.code: region for region in regions}
    taken = set[str]()
    for region in regions:
        if region.level in (_CITY, _DISTRICT):
            for function, level, pattern in patterns:
                if level == region.level:
                    yield _unit(region, function, _names(pattern, city, region), taken)
        elif region.level == _STREET:
            yield _unit(region, GOVERNMENT, _office(city, by_code[region.parent or ""], region), taken)


def _unit(region: Region, function: str, names: tuple[str, ...], taken: set[str]) -> Unit:
    """A unit under the first of its names; of the others, those nobody else answers to."""
    free = [name for name in dict.fromkeys(names) if name not in taken] or [f"{names[0]}（{region.code}）"]
    taken.update(free)
    return Unit(f"{region.code}-{function}", free[0], function, region.level, region.code, tuple(free[1:]))


def _names(pattern: str, city: str, region: Region) -> tuple[str, ...]:
    """The full name, and the one people use who are there: 市公安局, 黄浦区教育局."""
    own = region.level == _CITY
    short = re.sub("(新区|区|县|市)$", "", region.name)
    place, near = (city, "市") if own else (city + region.name, region.name)
    full = pattern.format(place=place, city=city, short=short)
    if full.endswith(UNNAMED):
        return (full,)
    return full, pattern.format(place=near, city="市", short=short).removeprefix("国家税务总局").removeprefix("中共")


def _office(city: str, above: Region, street: Region) -> tuple[str, ...]:
    """The office of a street, town, or something else that is listed beside them."""
    district = "" if above.level == _CITY else above.name
    end = "办事处" if street.name.endswith("街道") else "人民政府" if _TOWN.search(street.name) else "管理委员会"
    name = street.name + end
    by_government = (f"{city}{district}人民政府{name}",) if end == "办事处" else ()
    return f"{city}{district}{name}", *by_government, f"{district}{name}", name


def _to_confirm(regions: Sequence[Region], rules: RulesDraft, like: str) -> Iterator[ToConfirm]:
    city = regions[0].name
    yield UNIT_FILE, city, "市级单位：名称为常用名，请逐一核对全称、别名、原名；“待填写全称”的公用企业请填写"
    for region in regions:
        if region.level == _DISTRICT:
            yield UNIT_FILE, region.name, "区级单位和各镇街：请核对名称，删去没有的，补上漏掉的"
        elif region.level == _STREET and not (region.name.endswith("街道") or _TOWN.search(region.name)):
            yield UNIT_FILE, region.name, "既不是街道也不是镇乡：请核对其层级（镇街，或作为园区的区）与管理机构名称"
    yield REGION_FILE, city, "区划表之外的园区、农场、林场请补上；常用俗称和听错的写法请填入 aliases"
    yield "landmarks.csv", city, "道路、小区、地标及所在区域：请建表（name,region），否则只能凭区划名称认地点"
    for name, ids in rules.left_out.items():
        left = f"；因写明该市而未取的：{listing(ids)}" if ids else ""
        yield name, city, f"取自 {like}，请逐条核对{left}"
    yield PROPOSED, city, f"{rules.proposed} 条许可镇街、村居主办的条目未启用：由本市决定，同意的移入 access_list.csv"


def _cells(row: Region | Unit, columns: Iterable[str]) -> list[str]:
    values: Mapping[str, object] = vars(row)
    found = (values[column] for column in columns)
    return [MULTI_VALUE.join(one) if isinstance(one, tuple) else str(one or "") for one in found]


def _csv(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return file.getvalue().encode()
