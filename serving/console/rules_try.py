"""Who may lead a matter here and now, level by level, and which rows say so: the rules tried without a case."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from dispatch_model.access_list import AccessList, Verdict
from dispatch_model.access_row import LISTS, AccessRow
from dispatch_model.catalogue import BINDING, Catalogue, CatalogueRow
from dispatch_model.directory import GOVERNMENT
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.rules import RuleKind
from serving.console.rules_browse import MODES, Wanted, category_text, days_text, place_text
from serving.routing import Router


@dataclass(frozen=True)
class Consulted:
    """A row of the access list that speaks here; `decides`: it has the last word."""

    id: str
    link: str
    told: str
    note: str
    decides: bool


@dataclass(frozen=True)
class Lead:
    """One function at one level.

    :param unit: who that is here; "" where the directory names none, and `note` says why.
    :param why: what the list says, and the catalogue where it forbids; a line each.
    """

    function: str
    allowed: bool
    unit: str
    note: str
    why: tuple[str, ...]


@dataclass(frozen=True)
class LevelTrial:
    """One level: who may lead, in a sentence, functions that come into question, rows that were looked at."""

    level: str
    allowed: bool
    verdict: str
    leads: tuple[Lead, ...]
    rows: tuple[Consulted, ...]


@dataclass(frozen=True)
class Trial:
    """The answer; `catalogue` are the rows that name lead, co-handlers and deadlines."""

    category: str
    path: str
    place: str
    day: date
    catalogue: tuple[Consulted, ...]
    levels: tuple[LevelTrial, ...]
    access_version: str
    catalogue_version: str


def attempt(router: Router, category: str, place: str, day: date, function: str = "") -> Trial:
    """Who may lead `category` at `place`.

    :param category: a leaf; `place`: code of a region, "" when it is not known.
    :param function: one that is asked about besides those which the rules name.
    :raises DispatchError: INVALID_PARAMETER for what the label maps do not have.
    """
    _check(router, category, place, function)
    asked = _Asked(router, category, place, day)
    catalogue = asked.catalogue.rows_for(category)
    return Trial(
        category=category,
        path=category_text(router.maps, category),
        place=place_text(router.city, place) if place else "地点不详，按全市",
        day=day,
        catalogue=tuple(map(_catalogue_row, catalogue)),
        levels=tuple(asked.level(level, function) for level in router.maps.levels),
        access_version=asked.access_list.version,
        catalogue_version=asked.catalogue.version,
    )


def _check(router: Router, category: str, place: str, function: str) -> None:
    wrong = (
        ("category", category, category not in router.maps.leaves, "不是末级诉求类别；请从提示中选一个"),
        ("place", place, bool(place) and place not in router.city.regions, f"不是{router.city.name}的区域；请重选"),
        ("function", function, bool(function) and function not in router.maps.functions, "不是职能；请重选"),
    )
    for field, value, is_wrong, told in wrong:
        if is_wrong:
            raise DispatchError(ErrorKind.INVALID_PARAMETER, f"“{value}”{told}。", field=field, value=value)


class _Asked:
    """The tables, and what is asked of them."""

    def __init__(self, router: Router, category: str, place: str, day: date) -> None:
        access_list, catalogue = router.rule_sets[RuleKind.ACCESS_LIST], router.rule_sets[RuleKind.CATALOGUE]
        if not isinstance(access_list, AccessList) or not isinstance(catalogue, Catalogue):
            raise TypeError(f"{type(access_list)}, {type(catalogue)}")
        self.access_list, self.catalogue = access_list, catalogue
        self._router = router
        self._category, self._place, self._day = category, place, day
        self._path = tuple(region.code for region in router.city.ancestors(place)) if place else ()

    def level(self, level: str, function: str) -> LevelTrial:
        """Everybody who comes into question at one level."""
        consulted = self.access_list.consulted(self._category, level, self._path, self._day)
        named = [
            *([function] if function else []),
            *(row.lead_function for row in consulted if row.lead_function),
            *(row.lead_function for row in self.catalogue.rows_for(self._category)),
            *([GOVERNMENT] if level in LISTS else []),
        ]
        leads = tuple(self._lead(one, level) for one in dict.fromkeys(named))
        verdicts = [self._decided(lead.function, level) for lead in leads]
        deciding = {verdict.row.id for verdict in verdicts if verdict.row}
        rows = tuple(self._row(row, decides=row.id in deciding) for row in consulted)
        allowed = any(lead.allowed for lead in leads) or not leads
        return LevelTrial(level, allowed, _verdict(level, leads), leads, rows)

    def _decided(self, function: str, level: str) -> Verdict:
        return self.access_list.decide(self._category, function, level, self._path, self._day)

    def _lead(self, function: str, level: str) -> Lead:
        verdict = self._decided(function, level)
        bound, told = self._catalogue_says(function)
        found = self._router.city.resolve(function, level, self._place or None)
        return Lead(
            function=function,
            allowed=verdict.allowed and bound,
            unit=found.unit.name if found.unit else "",
            note=found.note,
            why=(verdict.text, *([] if bound else [told])),
        )

    def _catalogue_says(self, function: str) -> tuple[bool, str]:
        row = self.catalogue.row_for(self._category, function)
        if row is None:
            return True, ""
        maps = self._router.maps
        at = maps.leaves.index(self._category), tuple(maps.functions).index(function)
        bound = bool(self.catalogue.binding[at])
        must = "规定由" if row.mode == BINDING else "一般由"
        shut = "" if bound else f"，{function}不得主办"
        return bound, f"派单目录 {row.id}：{must}{row.lead_function}主办{shut}"

    def _row(self, row: AccessRow, *, decides: bool) -> Consulted:
        lead = f"，主办 {row.lead_function}" if row.lead_function else ""
        where, when = place_text(self._router.city, row.region), days_text(row) or "长期"
        told = f"{row.category} {row.list}：{row.matter}{lead}"
        return Consulted(row.id, _link(RuleKind.ACCESS_LIST, row.id), told, f"{where} · {when} · {row.basis}", decides)


def _verdict(level: str, leads: Sequence[Lead]) -> str:
    """The level in one sentence."""
    if not leads:
        return "规则没有点名任何职能，不限"
    may = "、".join(lead.function for lead in leads if lead.allowed)
    return f"{may}可以主办" if may else f"{level}不得主办，请看上一级"


def _catalogue_row(row: CatalogueRow) -> Consulted:
    return Consulted(row.id, _link(RuleKind.CATALOGUE, row.id), " · ".join(_terms(row)), row.basis, decides=True)


def _terms(row: CatalogueRow) -> Iterator[str]:
    yield f"{row.category} {row.lead_function}（{row.level}），{MODES[row.mode]}"
    if row.co_functions:
        yield f"协办 {'、'.join(row.co_functions)}"
    if row.days:
        yield "时限 " + "、".join(f"{kind} {days}" for kind, days in row.days.items()) + " 个工作日"


def _link(kind: RuleKind, row_id: str) -> str:
    return Wanted(kind=kind, row=row_id).address
