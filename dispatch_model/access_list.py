"""准入清单: which categories a street or community may lead, may assist, must never get.

Absent means forbidden. The longest category prefix decides; at equal length the more
restrictive row does. `decide` is this rule as it is said; `mask` is the same compiled for every category, and
is tested to agree with it everywhere.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from dispatch_model.access_mask import AccessMasks, Mask
from dispatch_model.access_row import COLUMNS, LISTS, AccessRow, parse_row, place_codes
from dispatch_model.city import City
from dispatch_model.directory import GOVERNMENT
from dispatch_model.errors import DispatchError, ErrorKind, near
from dispatch_model.labels import LEVELS, PREFIX_LENGTHS, LabelMaps
from dispatch_model.sheet import Sheet, version_of
from dispatch_model.table import Source

_CACHED_MASKS = 256  # 20 MB at 515 × 37 × 4


@dataclass(frozen=True)
class Verdict:
    """Whether a triple is admissible, the row that decided (None: no row) and why, in Chinese."""

    allowed: bool
    row: AccessRow | None
    text: str


class AccessList:
    """The list of one city, compiled on demand into masks over (category, function, level).

    :param rows: validated rows; their order means nothing.
    :param leaves: the category axis of the masks.
    :param functions: the function axis of the masks.
    """

    def __init__(self, rows: Iterable[AccessRow], leaves: Sequence[str], functions: Sequence[str]) -> None:
        self.rows = tuple(rows)
        self.version = version_of((row.version for row in self.rows), map(_content, self.rows))
        self._functions = tuple(functions)
        self._changes = sorted(set(_change_days(self.rows)))
        self._regions = frozenset(row.region for row in self.rows if row.region)
        self._compiler = AccessMasks(self.rows, leaves, functions)
        self._masks: dict[tuple[int, frozenset[str]], Mask] = {}
        self._by_prefix: dict[tuple[str, str], list[AccessRow]] = defaultdict(list)
        for row in sorted(self.rows, key=lambda row: (-row.restriction, row.id)):
            self._by_prefix[row.level, row.category].append(row)

    @classmethod
    def load(cls, source: Source, maps: LabelMaps, city: City) -> "AccessList":
        """Read and validate a CSV; all problems are raised together."""
        sheet = Sheet(source, COLUMNS)
        sheet.unique("id")
        places = place_codes(city)
        rows = [parse_row(sheet, source, maps, places) for source in sheet.rows]
        sheet.check()
        _check_contradictions(sheet, rows)
        return cls(rows, maps.leaves, tuple(maps.functions))

    def mask(self, region_path: Sequence[str], day: date) -> Mask:
        """Read-only A[category, function, level]; the same object for equal rows in force.

        :param region_path: region codes of the place and its ancestors; () when the place is unknown.
        """
        key = (bisect_right(self._changes, day), self._regions.intersection(region_path))
        found = self._masks.get(key)
        if found is None:
            compiled = self._compiler.compile(key[1], day)
            if len(self._masks) >= _CACHED_MASKS:
                self._masks.clear()
            found = self._masks.setdefault(key, compiled)
        return found

    def decide(self, category: str, function: str, level: str, region_path: Sequence[str], day: date) -> Verdict:
        """The answer of `mask` for one triple, with the row that decided."""
        _check_known(function, "职能", self._functions)
        _check_known(level, "层级", LEVELS)
        if level not in LISTS:
            return Verdict(True, None, f"{level}级部门主办不受准入清单限制")
        rows = next(self._in_force(category, level, region_path, day), [])
        return _verdict([row for row in rows if row.restriction == rows[0].restriction], function, level)

    def consulted(self, category: str, level: str, region_path: Sequence[str], day: date) -> tuple[AccessRow, ...]:
        """Every row in force there that day for `category` or what it belongs to, at `level`.

        Longest prefix first, within it the most restrictive first: those that decided stand in front. () at levels
        which no list restricts.
        """
        return tuple(row for rows in self._in_force(category, level, region_path, day) for row in rows)

    def asks_place(self, category: str, level: str) -> bool:
        """Whether the place can matter: some row for `category`, or what it belongs to, is written for a region."""
        prefixes = (category[:length] for length in PREFIX_LENGTHS)
        return any(row.region for prefix in prefixes for row in self._by_prefix.get((level, prefix), ()))

    def _in_force(self, category: str, level: str, region_path: Sequence[str], day: date) -> Iterator[list[AccessRow]]:
        """The rows in force of each prefix that has some, longest prefix first, most restrictive row first."""
        for prefix in dict.fromkeys(category[:length] for length in PREFIX_LENGTHS):
            rows = [
                row
                for row in self._by_prefix.get((level, prefix), ())
                if row.valid_on(day) and (not row.region or row.region in region_path)
            ]
            if rows:
                yield rows


def _verdict(rows: Sequence[AccessRow], function: str, level: str) -> Verdict:
    if not rows:
        return Verdict(False, None, f"准入清单未列入{level}事项，{level}不得主办")
    admitting = [row for row in rows if row.admits(function)]
    if admitting:
        row = next((row for row in admitting if row.lead_function == function), admitting[0])
        return Verdict(True, row, f"准入清单 {row.id}（{row.list}）：{row.matter}，{level}可以主办")
    row = rows[0]
    if row.restriction == 0:
        leads = "、".join(dict.fromkeys([*(row.lead_function for row in rows), GOVERNMENT]))
        return Verdict(False, row, f"准入清单 {row.id}（{row.list}）：{row.matter}，{level}只能由{leads}主办")
    lead = f"，应由上级{row.lead_function}主办" if row.lead_function else "，应由上级部门主办"
    return Verdict(False, row, f"准入清单 {row.id}（{row.list}）：{row.matter}，{level}不得主办{lead}")


def _check_known(value: str, word: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise DispatchError(
            ErrorKind.INVALID_RULES, f"没有“{value}”这个{word}；{near(value, allowed) or '请查标签表'}。", value=value
        )


def _content(row: AccessRow) -> str:
    return repr([getattr(row, column) for column in COLUMNS])


def _change_days(rows: Iterable[AccessRow]) -> Iterable[date]:
    """Every day on which the set of rows in force differs from the day before."""
    for row in rows:
        if row.valid_from:
            yield row.valid_from
        if row.valid_to and row.valid_to < date.max:
            yield row.valid_to + timedelta(days=1)


def _check_contradictions(sheet: Sheet, rows: Iterable[AccessRow]) -> None:
    """Note rows that put the same prefix, level and region on different lists on the same day."""
    groups: dict[tuple[str, str, str], list[AccessRow]] = defaultdict(list)
    for row in rows:
        groups[row.category, row.level, row.region].append(row)
    sources = {source.number: source for source in sheet.rows}
    pairs = {pair for group in groups.values() for pair in _contradictions(group)}
    for one, other in sorted(pairs, key=lambda pair: (pair[1].row, pair[0].row)):
        sheet.problem(
            sources[other.row],
            "list",
            f"（{other.id}）与第 {one.row} 行（{one.id}）的“{one.list}”矛盾："
            f"类别 {one.category}、{one.level}、区域和日期都重叠；请只留一种或改日期",
        )
    sheet.check()


def _contradictions(group: Sequence[AccessRow]) -> Iterator[tuple[AccessRow, AccessRow]]:
    """Pairs of different lists whose days overlap, the earlier in the file first.

    Each row that contradicts some other is in a pair, not each pair: there may be the square of the rows of them.
    """
    longest: dict[str, AccessRow] = {}  # per list, of the rows begun so far, the one that ends last
    for row in sorted(group, key=lambda row: row.valid_from or date.min):
        for other in longest.values():
            if other.list != row.list and other.valid_on(row.valid_from or date.min):
                yield (other, row) if other.row < row.row else (row, other)
        last = longest.get(row.list)
        if last is None or (row.valid_to or date.max) > (last.valid_to or date.max):
            longest[row.list] = row
