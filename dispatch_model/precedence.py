"""Which rows of an access list win over which, asked of the rows themselves and not of one day's mask.

The longest category prefix decides, at equal length the more restrictive row; a narrower region does
not beat a wider one. At a place within the region of a row all rows of that region are in force and
perhaps more, so a row which cannot decide at the very region it names cannot decide anywhere.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta

from dispatch_model.access_row import LISTS, AccessRow
from dispatch_model.city import City
from dispatch_model.labels import PREFIX_LENGTHS, LabelMaps

_STREET = "镇街"
_REVOKED = 2
_ONE_DAY = timedelta(days=1)

Key = tuple[str, str, str]  # level, category prefix, region


class Precedence:
    """The rows of one list, found by level, category prefix and region."""

    def __init__(self, rows: Sequence[AccessRow], maps: LabelMaps, city: City) -> None:
        self._city = city
        self._at: dict[Key, list[AccessRow]] = defaultdict(list)
        self._under: dict[Key, list[AccessRow]] = defaultdict(list)
        self._revoked_at: dict[str, list[AccessRow]] = defaultdict(list)
        self._revoked_under: dict[str, list[AccessRow]] = defaultdict(list)
        self._leaves: dict[str, list[str]] = defaultdict(list)
        self._places: dict[str, tuple[str, ...]] = {}
        for leaf in maps.leaves:
            for prefix in _prefixes(leaf):
                self._leaves[prefix].append(leaf)
        for row in rows:
            self._at[row.level, row.category, row.region].append(row)
            revoked = row.level == _STREET and row.restriction == _REVOKED
            if revoked:
                self._revoked_at[row.category].append(row)
            for prefix in _prefixes(row.category):
                self._under[row.level, prefix, row.region].append(row)
                if revoked:
                    self._revoked_under[prefix].append(row)

    def places(self, region: str) -> tuple[str, ...]:
        """`region` and all it lies in, as a region column says it: the whole city, '', comes last."""
        found = self._places.get(region)
        if found is None:
            chain = [one.code for one in self._city.ancestors(region)] if region else []
            found = (*(code for code in chain if code != self._city.root.code), "")
            self._places[region] = found
        return found

    def leaves(self, prefix: str) -> Sequence[str]:
        """The categories a case can be given, at or below `prefix`."""
        return self._leaves.get(prefix, ())

    def twins(self, row: AccessRow) -> Sequence[AccessRow]:
        """Rows for the same level, prefix and region, `row` among them."""
        return self._at[row.level, row.category, row.region]

    def same_in_wider(self, row: AccessRow) -> Iterator[AccessRow]:
        """Rows for the same level and prefix in a wider region, the nearest first."""
        for region in self.places(row.region)[1:]:
            yield from self._at.get((row.level, row.category, region), ())

    def eclipse(self, row: AccessRow, since: date) -> tuple[AccessRow, ...]:
        """The rows which decide, from `since` on, everything that `row` could; () when `row` ever decides."""
        rivals = [
            other
            for region in self.places(row.region)
            for other in self._under.get((row.level, row.category, region), ())
            if len(other.category) > len(row.category) or other.restriction > row.restriction
        ]
        leaves = self.leaves(row.category)
        if not _cover(rivals, leaves):
            return ()
        start, end = max(row.valid_from or date.min, since), row.valid_to or date.max
        for turn in _turns(rivals, start, end):
            if not _cover([other for other in rivals if other.valid_on(turn)], leaves):
                return ()
        return tuple(other for other in rivals if any(map(other.valid_on, _turns(rivals, start, end))))

    def revoked_above(self, row: AccessRow, since: date) -> tuple[AccessRow, str] | None:
        """A street's 收回 row and a leaf which it decides while `row` lets communities there lead it.

        Tried on the first day of either row, so that a find is certain and a miss is not.
        """
        for other in self._revoked_about(row.category):
            place = self._meeting(row.region, other.region)
            if place is None:
                continue
            day = max(row.valid_from or date.min, other.valid_from or date.min, since)
            longer = max(row.category, other.category, key=len)
            for leaf in self.leaves(longer) if row.valid_on(day) and other.valid_on(day) else ():
                below, above = (self.deciding(leaf, level, place, day) for level in (row.level, _STREET))
                if row in below and other in above:
                    return other, leaf
        return None

    def deciding(self, leaf: str, level: str, region: str, day: date) -> list[AccessRow]:
        """The rows that decide about `leaf` at `level` in `region` on `day`."""
        for length in PREFIX_LENGTHS:
            keys = ((level, leaf[:length], place) for place in self.places(region))
            rows = [row for key in keys for row in self._at.get(key, ()) if row.valid_on(day)]
            if rows:
                worst = max(row.restriction for row in rows)
                return [row for row in rows if row.restriction == worst]
        return []

    def _revoked_about(self, category: str) -> Iterator[AccessRow]:
        """The 收回 rows of streets at, below or above `category`."""
        yield from self._revoked_under.get(category, ())
        for prefix in _prefixes(category):
            if prefix != category:
                yield from self._revoked_at.get(prefix, ())

    def _meeting(self, one: str, other: str) -> str | None:
        """The narrower of two regions when it lies in the other one."""
        if other in self.places(one):
            return one
        return other if one in self.places(other) else None


def can_lead(row: AccessRow) -> bool:
    """Whether a row is of the one list of its level that lets it lead (基本, 履职)."""
    return row.list == LISTS[row.level][0]


def _prefixes(code: str) -> Iterator[str]:
    for length in PREFIX_LENGTHS:
        if length <= len(code):
            yield code[:length]


def _cover(rows: Iterable[AccessRow], leaves: Sequence[str]) -> bool:
    """Whether each leaf is below the category of some row."""
    prefixes = {row.category for row in rows}
    return bool(prefixes) and all(not prefixes.isdisjoint(_prefixes(leaf)) for leaf in leaves)


def _turns(rows: Iterable[AccessRow], start: date, end: date) -> list[date]:
    """`start` and each day until `end` on which other rows come into force or end."""
    starts = (row.valid_from for row in rows if row.valid_from)
    ends = (row.valid_to + _ONE_DAY for row in rows if row.valid_to and row.valid_to < date.max)
    return sorted({start, *(day for day in (*starts, *ends) if start < day <= end)})
