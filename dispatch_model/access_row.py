"""One row of the access list: its fields, what it says, and how it is read from a sheet."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date

from dispatch_model.city import City
from dispatch_model.directory import GOVERNMENT
from dispatch_model.labels import LabelMaps
from dispatch_model.sheet import Sheet
from dispatch_model.table import Row

LISTS: Mapping[str, tuple[str, str, str]] = {
    "镇街": ("基本", "配合", "收回"),
    "村居": ("履职", "协助", "负面"),
}  # per restricted level, from the most open to the most restrictive


@dataclass(frozen=True)
class AccessRow:
    """One row of the list; `row` is its number in the file, `region` '' means the whole city."""

    id: str
    matter: str
    category: str
    level: str
    list: str
    lead_function: str
    co_functions: tuple[str, ...]
    duty: str
    region: str
    basis: str
    valid_from: date | None
    valid_to: date | None
    version: str
    row: int = 0

    @property
    def restriction(self) -> int:
        """0 may lead, 1 may assist, 2 must never get."""
        return LISTS[self.level].index(self.list)

    def valid_on(self, day: date) -> bool:
        """Whether the row is in force on `day`; both ends are inclusive."""
        return (self.valid_from or date.min) <= day <= (self.valid_to or date.max)

    def admits(self, function: str) -> bool:
        """Whether this row lets `function` lead at its level."""
        return self.restriction == 0 and (not self.lead_function or function in (self.lead_function, GOVERNMENT))


COLUMNS = tuple(field.name for field in fields(AccessRow) if field.name != "row")


def place_codes(city: City) -> Mapping[str, str]:
    """What may stand in the region column → region code; the city itself is ''."""
    codes: dict[str, str] = {"": ""}
    for code in city.regions:
        path = city.region_path(code)
        target = "" if "/" not in path else code
        codes.update({code: target, path: target, path.partition("/")[2] or path: target})
    return codes


def parse_row(sheet: Sheet, source: Row, maps: LabelMaps, places: Mapping[str, str]) -> AccessRow:
    """One row of the sheet; what is wrong with it is noted there."""
    level = sheet.choice(source, "level", tuple(LISTS))
    lists = LISTS.get(level, tuple(name for names in LISTS.values() for name in names))
    if source["region"] not in places:
        sheet.problem(source, "region", "不是本市的区域；应为区域代码或“龙华区/金贸街道”这样的名称，全市留空", places)
    start, end = sheet.day(source, "valid_from"), sheet.day(source, "valid_to")
    if start and end and end < start:
        sheet.problem(source, "valid_to", f"早于生效日期 {start}；请改正起止日期")
    functions = tuple(maps.functions)
    return AccessRow(
        id=sheet.text(source, "id"),
        matter=sheet.text(source, "matter"),
        category=sheet.category(source, "category", maps.categories),
        level=level,
        list=sheet.choice(source, "list", lists),
        lead_function=sheet.choice(source, "lead_function", ("", *functions)),
        co_functions=sheet.choices(source, "co_functions", functions),
        duty=sheet.text(source, "duty"),
        region=places.get(source["region"], ""),
        basis=sheet.text(source, "basis"),
        valid_from=start,
        valid_to=end,
        version=source["version"],
        row=source.number,
    )
