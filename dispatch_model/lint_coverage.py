"""Where access list, catalogue and directory leave a matter without a unit, or one of them forbids what another says.

A finding about a row of the other table carries no row number, only its id: the number would be taken
for one of the file that is being checked.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from dispatch_model.access_list import AccessList
from dispatch_model.access_row import LISTS, AccessRow
from dispatch_model.catalogue import BINDING, Catalogue, CatalogueRow
from dispatch_model.city import NO_COMMON_UNIT, City
from dispatch_model.directory import GOVERNMENT
from dispatch_model.finding import Finding, listing, warning
from dispatch_model.labels import LEVELS, LabelMaps
from dispatch_model.offices import Offices
from dispatch_model.precedence import can_lead
from dispatch_model.rules import RuleKind

_MEND = "请在 units.csv 中补充单位，或改正本条"


@dataclass(frozen=True)
class Coverage:
    """Both tables that decide who leads, beside the directory they must fit.

    :param kind: the table that is checked; the other one is taken as it is.
    """

    kind: RuleKind
    access_list: AccessList | None
    catalogue: Catalogue | None
    maps: LabelMaps
    city: City
    day: date
    offices: Offices = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "offices", Offices(self.city))

    def check(self) -> Iterator[Finding]:
        """Missing units of the checked table, then what the tables say together."""
        if self.kind is RuleKind.ACCESS_LIST and self.access_list:
            yield from self._access_units(self.access_list.rows)
        if self.kind is RuleKind.CATALOGUE and self.catalogue:
            yield from self._catalogue_units(self.catalogue.rows)
        if self.access_list and self.catalogue:
            yield from self._no_unit(self.access_list, self.catalogue)
            yield from self._bound_away(self.access_list, self.catalogue)
            yield from self._not_admitted(self.access_list, self.catalogue)

    def _access_units(self, rows: Iterable[AccessRow]) -> Iterator[Finding]:
        """Who may lead at a level needs a unit there; what goes up needs one above."""
        everywhere: dict[tuple[str, tuple[str, ...]], list[AccessRow]] = defaultdict(list)
        for row in rows:
            leads = can_lead(row)
            level = row.level if leads else LEVELS[1]
            function = (row.lead_function or GOVERNMENT) if leads else row.lead_function
            missing = self.offices.missing(function, level, row.region) if function else ()
            if missing and leads and not row.region:
                everywhere[level, missing].append(row)
            elif missing and function != NO_COMMON_UNIT:
                yield warning(row.row, row.id, "region" if leads else "lead_function", _lacks(function, level, missing))
        yield from _lacks_everywhere(everywhere)

    def _catalogue_units(self, rows: Iterable[CatalogueRow]) -> Iterator[Finding]:
        everywhere: dict[tuple[str, tuple[str, ...]], list[CatalogueRow]] = defaultdict(list)
        for row in rows:
            missing = self.offices.missing(row.lead_function, row.level, "")
            if missing and row.level in LISTS:
                everywhere[row.level, missing].append(row)
            elif missing and row.lead_function != NO_COMMON_UNIT:
                yield warning(row.row, row.id, "lead_function", _lacks(row.lead_function, row.level, missing))
        yield from _lacks_everywhere(everywhere)

    def _no_unit(self, access_list: AccessList, catalogue: Catalogue) -> Iterator[Finding]:
        """Leaves for which, in some district, nothing that may lead has a unit."""
        by_id = {row.id: row for row in catalogue.rows}
        groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for leaf in self.maps.leaves:
            groups[tuple(row.id for row in catalogue.rows_for(leaf) if row.mode == BINDING)].append(leaf)
        for ids, leaves in groups.items():
            rows = [by_id[id_] for id_ in ids]
            leads = tuple(row.lead_function for row in rows) or tuple(self.maps.functions)
            closed: dict[str, list[str]] = defaultdict(list)
            for district in self.offices.districts:
                if not self.offices.any_above(leads, district.code):
                    for leaf in self._closed_below(access_list, leaves, leads, district.code):
                        closed[district.name].append(leaf)
            if closed:
                yield self._closed(rows, leads, closed)

    def _closed_below(
        self, access_list: AccessList, leaves: Sequence[str], leads: Sequence[str], district: str
    ) -> Iterator[str]:
        spots = [(level, spot) for level in LISTS for spot in self.offices.spots(level, district)]
        for leaf in leaves:
            if not any(
                self.offices.has(lead, level, spot)
                and access_list.decide(leaf, lead, level, self.offices.path(spot), self.day).allowed
                for level, spot in spots
                for lead in leads
            ):
                yield leaf

    def _closed(self, rows: Sequence[CatalogueRow], leads: Sequence[str], closed: dict[str, list[str]]) -> Finding:
        leaves = listing(dict.fromkeys(leaf for some in closed.values() for leaf in some))
        limit = f"派单目录 {listing(row.id for row in rows)} 只许{listing(leads)}主办" if rows else "任何职能"
        told = f"类别 {leaves} 在{listing(closed)}没有可派的单位：{limit}，而单位目录中没有相应单位；{_MEND}"
        own = bool(rows) and self.kind is RuleKind.CATALOGUE
        return warning(rows[0].row if own else None, rows[0].id if rows else "", "lead_function" if own else "", told)

    def _bound_away(self, access_list: AccessList, catalogue: Catalogue) -> Iterator[Finding]:
        """Rows of the list that let in only whom the catalogue lets lead nowhere."""
        functions = tuple(self.maps.functions)
        bound = dict(zip(self.maps.leaves, catalogue.binding, strict=True))
        for row in access_list.rows:
            if not can_lead(row) or (row.valid_to or date.max) < self.day:
                continue
            admitted = [place for place, function in enumerate(functions) if row.admits(function)]
            leaves = self.maps.leaves_under(row.category)
            if leaves and not any(bound[leaf][admitted].any() for leaf in leaves):
                deciding = listing(one.id for leaf in leaves for one in catalogue.rows_for(leaf))
                told = f"永远不会生效：派单目录 {deciding}（binding）不许{row.lead_function or GOVERNMENT}主办这一类别"
                yield self._about(row, RuleKind.ACCESS_LIST, f"{told}；请统一两张表")

    def _not_admitted(self, access_list: AccessList, catalogue: Catalogue) -> Iterator[Finding]:
        """Rows of the catalogue whose lead the list admits at their level nowhere."""
        open_rows = [row for row in access_list.rows if can_lead(row) and (row.valid_to or date.max) >= self.day]
        for row in catalogue.rows:
            if row.level in LISTS and not any(_lets_in(open_row, row) for open_row in open_rows):
                told = f"写明 {row.category} 由{row.lead_function}在{row.level}主办，准入清单没有一条许可；请统一两张表"
                yield self._about(row, RuleKind.CATALOGUE, told)

    def _about(self, row: AccessRow | CatalogueRow, owner: RuleKind, told: str) -> Finding:
        own = owner is self.kind
        title = {RuleKind.ACCESS_LIST: "准入清单", RuleKind.CATALOGUE: "派单目录"}[owner]
        column = "level" if owner is RuleKind.CATALOGUE else "lead_function"
        return warning(row.row if own else None, row.id, column if own else "", told if own else f"{title}：{told}")


def _lets_in(open_row: AccessRow, row: CatalogueRow) -> bool:
    longer, shorter = sorted((open_row.category, row.category), key=len, reverse=True)
    return open_row.level == row.level and longer.startswith(shorter) and open_row.admits(row.lead_function)


def _lacks(function: str, level: str, missing: Sequence[str]) -> str:
    return f"“{function}”在{level}没有承办单位：{listing(missing)}；{_MEND}"


def _lacks_everywhere(
    groups: dict[tuple[str, tuple[str, ...]], list[AccessRow]] | dict[tuple[str, tuple[str, ...]], list[CatalogueRow]],
) -> Iterator[Finding]:
    """One finding for all city-wide rows of a level: the gap is the directory's, not theirs."""
    for (level, missing), rows in groups.items():
        named = f"{'如 ' if len(rows) > 1 else ''}{'、'.join(row.id for row in rows[:2])}"
        told = f"{listing(missing)}没有{level}单位，{level}主办的 {len(rows)} 条（{named}）在那里派不出去"
        yield warning(None, "", "", f"{told}；请在 regions.csv、units.csv 中补充，或另定当地主办层级")
