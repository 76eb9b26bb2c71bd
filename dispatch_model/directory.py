"""Reads and cross-checks a city's two tables, regions.csv and units.csv."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dispatch_model import table
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LEVELS, LabelMaps, check_unique, label_folder
from dispatch_model.table import Problems, Row

GOVERNMENT = "属地政府"  # the function of the office which stands for a whole place
REGION_FILE = "regions.csv"
UNIT_FILE = "units.csv"
REGION_COLUMNS = ("code", "name", "level", "parent", "aliases")
UNIT_COLUMNS = ("code", "name", "function", "level", "region", "aliases", "former")


@dataclass(frozen=True)
class Region:
    """区域: a place; `aliases` are other names of it, slips of hearing included."""

    code: str
    name: str
    level: str
    parent: str | None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unit:
    """单位: an organisation; `former` are names of predecessors it took over from."""

    code: str
    name: str
    function: str
    level: str
    region: str
    aliases: tuple[str, ...] = ()
    former: tuple[str, ...] = ()


def slugs(folder: Path | None = None) -> list[str]:
    """Names of the folders which describe a city, sorted."""
    return sorted(entry.name for entry in label_folder(folder).iterdir() if (entry / REGION_FILE).is_file())


def read_regions(slug: str, folder: Path | None = None) -> dict[str, Region]:
    """The places of a city by code, the city first.

    :raises DispatchError: no such city, or regions.csv has problems (all are listed).
    """
    _check_slug(slug, folder)
    file = f"{slug}/{REGION_FILE}"
    rows = table.read(label_folder(folder) / slug / REGION_FILE, file, REGION_COLUMNS, ErrorKind.INVALID_LABEL_MAP)
    problems = Problems(file)
    check_unique(rows, "code", problems)
    check_unique(rows, "name", problems, within="parent")
    _check_region_aliases(rows, problems)
    by_code = {row["code"]: row for row in rows}
    for row in rows:
        _check_place(row, by_code, problems)
    cities = [row for row in rows if row["level"] == LEVELS[0]]
    if len(cities) != 1 or cities[0] is not rows[0]:
        problems.add(None, "level 列", "", f"应恰有一行“{LEVELS[0]}”并放在第一行，实有 {len(cities)} 行")
    problems.raise_any()
    return {row["code"]: _region(row) for row in rows}


def read_units(
    slug: str, maps: LabelMaps, regions: Mapping[str, Region], folder: Path | None = None
) -> dict[str, Unit]:
    """The organisations of a city by code, in file order.

    :raises DispatchError: units.csv has problems (all are listed).
    """
    file = f"{slug}/{UNIT_FILE}"
    rows = table.read(label_folder(folder) / slug / UNIT_FILE, file, UNIT_COLUMNS, ErrorKind.INVALID_LABEL_MAP)
    problems = Problems(file)
    check_unique(rows, "code", problems)
    for row in rows:
        _check_duty(row, maps, regions, problems)
    _check_unit_names(rows, problems)
    _check_governments(rows, regions, problems)
    problems.raise_any()
    return {row["code"]: _unit(row) for row in rows}


def _check_slug(slug: str, folder: Path | None) -> None:
    known = slugs(folder)
    if slug not in known:
        message = f"没有城市目录“{slug}”，现有：{'、'.join(known) or '无'}{table.hint(slug, known)}"
        raise DispatchError(ErrorKind.INVALID_LABEL_MAP, message, field="city", value=slug)


def _check_place(row: Row, by_code: Mapping[str, Row], problems: Problems) -> None:
    """The level exists, and the parent exists and is of a higher level."""
    if not _check_word(row, "level", LEVELS, problems):
        return
    parent = row["parent"]
    if row["level"] == LEVELS[0]:
        if parent:
            problems.add(row, "parent", parent, "不应填写：市没有上级区域")
    elif parent not in by_code:
        problem = "在本表中没有这个区域，请改正或补上该行" if parent else "不能为空：市以下的区域要写上级区域代码"
        problems.add(row, "parent", parent, problem, by_code)
    elif by_code[parent]["level"] in LEVELS[LEVELS.index(row["level"]) :]:
        level = by_code[parent]["level"]
        problems.add(row, "parent", parent, f"层级为“{level}”，应高于本行的“{row['level']}”")


def _check_region_aliases(rows: list[Row], problems: Problems) -> None:
    """An alias leads to one place; only full names may repeat under different parents."""
    owner = {row["name"]: row.number for row in reversed(rows)}
    for row in rows:
        _claim(row, "aliases", row.many("aliases"), owner, problems)


def _check_unit_names(rows: list[Row], problems: Problems) -> None:
    """No two organisations answer to one name, present or former."""
    owner: dict[str, int] = {}
    for row in rows:
        if not row["name"]:
            problems.add(row, "name", "", "不能为空，请填写单位全称")
            continue
        _claim(row, "name", (row["name"],), owner, problems)
    for row in rows:
        _claim(row, "aliases", row.many("aliases"), owner, problems)
        _claim(row, "former", row.many("former"), owner, problems)


def _claim(row: Row, column: str, names: Iterable[str], owner: dict[str, int], problems: Problems) -> None:
    for name in names:
        if name in owner:
            problems.add(row, column, name, f"与第 {owner[name]} 行的名称或别名重复，一个名称只能指向一处，请删去一处")
        owner.setdefault(name, row.number)


def _check_duty(row: Row, maps: LabelMaps, regions: Mapping[str, Region], problems: Problems) -> None:
    _check_word(row, "function", maps.functions, problems)
    level_known = _check_word(row, "level", maps.levels, problems)
    code = row["region"]
    if code not in regions:
        problems.add(row, "region", code, f"不是 {REGION_FILE} 中的区域代码，请改正或先补上该区域", regions)
    elif level_known and LEVELS.index(regions[code].level) < LEVELS.index(row["level"]):
        place = regions[code].level
        problems.add(row, "region", code, f"是“{place}”级区域，高于单位的“{row['level']}”级，请写到{row['level']}")


def _check_governments(rows: list[Row], regions: Mapping[str, Region], problems: Problems) -> None:
    """Districts and streets need an office to fall back on."""
    held = {(row["level"], row["region"]) for row in rows if row["function"] == GOVERNMENT}
    for region in regions.values():
        if region.level in LEVELS[1:3] and (region.level, region.code) not in held:
            problem = f"（{region.name}）没有“{GOVERNMENT}·{region.level}”单位，请补一行"
            problems.add(None, "region 列", region.code, problem)


def _check_word(row: Row, column: str, allowed: Iterable[str], problems: Problems) -> bool:
    words = tuple(allowed)
    if row[column] in words:
        return True
    told = "不是可用的值" if row[column] else "不能为空"
    problems.add(row, column, row[column], f"{told}，可用：{'、'.join(words)}", words)
    return False


def _region(row: Row) -> Region:
    return Region(row["code"], row["name"], row["level"], row["parent"] or None, row.many("aliases"))


def _unit(row: Row) -> Unit:
    return Unit(
        code=row["code"],
        name=row["name"],
        function=row["function"],
        level=row["level"],
        region=row["region"],
        aliases=row.many("aliases"),
        former=row.many("former"),
    )
