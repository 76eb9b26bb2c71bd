"""Rule tables for a new city, taken over from another one: what is national stays, what is local goes.

The access list is taken over only where it forbids or lets help. Rows by which streets or communities may
lead are proposed in a file of their own: a city gives its grassroots work by its own decision alone.
"""

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dispatch_model import table
from dispatch_model.access_row import LISTS
from dispatch_model.city import City
from dispatch_model.errors import ErrorKind
from dispatch_model.labels import LEVELS
from dispatch_model.rules import RuleKind, columns

LOCAL_BASIS = "待补：本市法规或文件依据"
PROPOSED = "access_list.proposed.csv"
_USED = re.compile(r"\{([^{}\d,][^{}]*)\}")

Cells = Mapping[str, str]


@dataclass(frozen=True)
class RulesDraft:
    """Files of `configs/<slug>/` by name, and what was left out of each, by id."""

    files: Mapping[str, bytes]
    left_out: Mapping[str, tuple[str, ...]]
    proposed: int


def draft_rules(like: City, configs: Path) -> RulesDraft:
    """The tables of the city `like`, which stand in `configs`, without what is that city's own.

    :raises DispatchError: INVALID_RULES when one of them cannot be read.
    """
    local = re.compile("|".join(map(re.escape, sorted(_names(like), key=len, reverse=True))))
    files: dict[str, bytes] = {}
    left_out: dict[str, tuple[str, ...]] = {}
    proposed: list[Cells] = []
    for kind in RuleKind:
        name = f"{kind.value}.csv"
        rows = [row.cells for row in table.read(configs / name, name, columns(kind), ErrorKind.INVALID_RULES)]
        kept = _follow_up([one for row in rows if (one := _national(row, local))])
        left_out[name] = tuple(row["id"] for row in rows if row["id"] not in {one["id"] for one in kept})
        if kind is RuleKind.ACCESS_LIST:
            proposed = [row for row in kept if row["list"] == LISTS[row["level"]][0]]
            kept = [row for row in kept if row not in proposed]
            files[PROPOSED] = _csv(columns(kind), proposed)
        files[name] = _csv(columns(kind), kept)
    holidays = configs / "holidays.csv"
    if holidays.is_file():
        files[holidays.name] = holidays.read_bytes()
    return RulesDraft(files, left_out, len(proposed))


def _names(city: City) -> set[str]:
    """What a row about `city` would name: the city, its province, districts and streets."""
    names = {city.name, city.name.removesuffix("市")}
    for alias in city.root.aliases:
        province = alias.removesuffix(city.name)
        if alias != province and province:
            names |= {province, re.sub("(省|.族自治区|维吾尔自治区|自治区)$", "", province)}
    for region in city.regions.values():
        if region.level in LEVELS[1:3]:
            names.add(region.name)
    return {name for name in names if len(name) > 1}


def _national(row: Cells, local: re.Pattern[str]) -> Cells | None:
    """The row without a local basis; None when it speaks of the city it comes from."""
    if row.get("region"):
        return None
    if any(local.search(text) for column, text in row.items() if column != "basis"):
        return None
    return {**row, "basis": LOCAL_BASIS} if local.search(row["basis"]) else row


def _follow_up(rows: Sequence[Cells]) -> list[Cells]:
    """Without triggers that use a definition which is gone."""
    names = {row["id"] for row in rows}
    kept = [row for row in rows if set(_used(row)) <= names]
    return kept if len(kept) == len(rows) else _follow_up(kept)


def _used(row: Cells) -> Iterable[str]:
    for column in ("pattern", "unless"):
        yield from _USED.findall(row.get(column, ""))


def _csv(names: Sequence[str], rows: Iterable[Cells]) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode()
