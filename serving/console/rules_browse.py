"""Rows of a rule table as the rules page shows them: filtered, cut into pages, one of them marked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from urllib.parse import urlencode

from dispatch_model.access_row import LISTS, AccessRow
from dispatch_model.cases import Disposition
from dispatch_model.catalogue import BINDING, PRIOR, CatalogueRow
from dispatch_model.city import City
from dispatch_model.errors import shorten
from dispatch_model.labels import LEVELS, LabelMaps
from dispatch_model.rules import TITLES, RuleKind, RuleRow
from dispatch_model.triggers import DEFINE, HINT, Trigger
from serving.routing import Router
from serving.rules.desk import RuleDesk
from serving.rules.filter import Filter
from serving.rules.store import Revision
from serving.words import DISPOSITIONS

PATH = "/console/rules"
PER_PAGE = 50
_LONGEST = 100  # of a text that is searched for
_CELL = 90
MODES: Mapping[str, str] = MappingProxyType({BINDING: "规定由其主办", PRIOR: "一般由其主办"})
_TRIGGERED = (Disposition.EMERGENCY, Disposition.DECLINE, Disposition.ASK)
# By kind: the column one may choose from, and what may be chosen.
CHOICES: Mapping[RuleKind, tuple[str, Mapping[str, str]]] = MappingProxyType(
    {
        RuleKind.ACCESS_LIST: (
            "list",
            {name: f"{name}（{level}）" for level, names in LISTS.items() for name in names},
        ),
        RuleKind.CATALOGUE: ("mode", MODES),
        RuleKind.TRIGGERS: (
            "disposition",
            {**{one.value: DISPOSITIONS[one] for one in _TRIGGERED}, HINT: "险情提示", DEFINE: "定义"},
        ),
    }
)
LEVELS_OF: Mapping[RuleKind, Sequence[str]] = MappingProxyType(
    {RuleKind.ACCESS_LIST: tuple(LISTS), RuleKind.CATALOGUE: LEVELS, RuleKind.TRIGGERS: ()}
)
COLUMNS: Mapping[RuleKind, Sequence[str]] = MappingProxyType(
    {
        RuleKind.ACCESS_LIST: ("编号", "事项", "诉求类别", "层级 · 清单", "主办 · 协办", "适用", "依据"),
        RuleKind.CATALOGUE: ("编号", "诉求类别", "主办", "协办", "时限（工作日）", "效力", "依据"),
        RuleKind.TRIGGERS: ("编号", "处置方式", "匹配式", "排除式", "转办渠道", "说明", "依据"),
    }
)
_TONES: Mapping[str, str] = MappingProxyType(
    {
        **{one: tone for names in LISTS.values() for one, tone in zip(names, ("good", "warn", "bad"), strict=True)},
        BINDING: "accent",
        Disposition.EMERGENCY.value: "bad",
        Disposition.DECLINE.value: "warn",
    }
)


@dataclass(frozen=True)
class Wanted:
    """What is looked for: the query of the page's address.

    :param category: code of a category, or the beginning of one.
    :param choice: of `CHOICES`.
    :param row: id of a row to open.
    :param page: from 1; 0: where the opened row is, else the first.
    """

    kind: RuleKind = RuleKind.ACCESS_LIST
    q: str = ""
    category: str = ""
    level: str = ""
    choice: str = ""
    row: str = ""
    page: int = 0

    @classmethod
    def of(cls, query: Mapping[str, str], kind: RuleKind | None = None) -> "Wanted":
        """Read from an address; what makes no sense there asks for nothing.

        :param kind: None takes that of the address.
        """
        named = query.get("kind", "")
        kind = kind or (RuleKind(named) if named in set(RuleKind) else RuleKind.ACCESS_LIST)
        category, level, choice, page = (query.get(name, "") for name in ("category", "level", "choice", "page"))
        return cls(
            kind=kind,
            q=query.get("q", "").strip()[:_LONGEST],
            category=category if category.isascii() and category.isdigit() and kind is not RuleKind.TRIGGERS else "",
            level=level if level in LEVELS_OF[kind] else "",
            choice=choice if choice in CHOICES[kind][1] else "",
            row=query.get("row", ""),
            page=int(page) if page.isascii() and page.isdigit() and len(page) < 6 else 0,
        )

    @property
    def address(self) -> str:
        """Where this is found."""
        told = {name: value for name, value in vars(self).items() if value}
        return f"{PATH}?{urlencode({name: str(value) for name, value in told.items()})}"

    @property
    def filters(self) -> bool:
        """Whether anything is asked of the rows."""
        return bool(self.q or self.category or self.level or self.choice)


@dataclass(frozen=True)
class Cell:
    """What stands in one column: `text`, below it `note`; `tag` is a word set apart, in the colour `tone`."""

    text: str = ""
    note: str = ""
    tag: str = ""
    tone: str = ""


@dataclass(frozen=True)
class Line:
    """One row; `cells` without its id. `link` opens it."""

    id: str
    cells: tuple[Cell, ...]
    link: str
    marked: bool = False


@dataclass(frozen=True)
class Rows:
    """One page of a rule table.

    :param since: who put the version in force and when, in words.
    :param total: rows that fit; `every` of the table.
    """

    wanted: Wanted
    title: str
    version: str
    since: str
    every: int
    total: int
    page: int
    pages: int
    lines: tuple[Line, ...]

    @property
    def columns(self) -> Sequence[str]:
        """Their headings."""
        return COLUMNS[self.wanted.kind]

    def turned(self, by: int) -> str:
        """The address of another page; "" where there is none."""
        page = self.page + by
        return replace(self.wanted, row="", page=page).address if 1 <= page <= self.pages else ""


def browse(desk: RuleDesk, wanted: Wanted) -> Rows:
    """The page of rows that is asked for; one past the last is the last."""
    router = desk.router
    rules = router.rule_sets[wanted.kind]
    asked = Filter(category=wanted.category, level=wanted.level, q=wanted.q)
    column = CHOICES[wanted.kind][0]
    found = [
        row
        for row in asked.choose(wanted.kind, rules, router.city)
        if not wanted.choice or getattr(row, column) == wanted.choice
    ]
    pages = max(1, -(-len(found) // PER_PAGE))
    page = min(wanted.page or _page_of(found, wanted.row), pages)
    shown = found[(page - 1) * PER_PAGE : page * PER_PAGE]
    return Rows(
        wanted=wanted,
        title=TITLES[wanted.kind],
        version=rules.version,
        since=in_force(desk.revision(wanted.kind)),
        every=len(rules.rows),
        total=len(found),
        page=page,
        pages=pages,
        lines=tuple(_line(row, wanted, router, page) for row in shown),
    )


def kind_of(desk: RuleDesk, row_id: str) -> RuleKind | None:
    """Which table has a row of that id."""
    sets = desk.router.rule_sets.items()
    return next((kind for kind, rules in sets if any(row.id == row_id for row in rules.rows)), None)


def in_force(revision: Revision | None) -> str:
    """Since when, and by whom."""
    if revision is None:
        return "随程序安装，从未更改"
    return f"{revision.since:%Y-%m-%d %H:%M} 起" + (f"，{who(revision.author)}" if revision.author else "")


def who(author: str) -> str:
    """Who put a revision in force, as people say it."""
    return author.removeprefix("console:") or "随程序安装"


def category_text(maps: LabelMaps, code: str) -> str:
    """The names of a category from the widest; a code that is none stays alone."""
    return " / ".join(maps.path(code)) if code in maps.categories else ""


def place_text(city: City, code: str) -> str:
    """A region without the city in front; the city itself is 全市."""
    return city.region_path(code).partition("/")[2] or "全市" if code else "全市"


def _page_of(found: Sequence[RuleRow], row_id: str) -> int:
    place = next((place for place, row in enumerate(found) if row.id == row_id), 0) if row_id else 0
    return place // PER_PAGE + 1


def _line(row: RuleRow, wanted: Wanted, router: Router, page: int) -> Line:
    link = replace(wanted, row=row.id, page=page).address
    return Line(row.id, tuple(_cells(row, router)), link, row.id == wanted.row)


def _cells(row: RuleRow, router: Router) -> Iterator[Cell]:
    if isinstance(row, AccessRow):
        return _access(row, router)
    return _catalogue(row, router) if isinstance(row, CatalogueRow) else _trigger(row)


def _access(row: AccessRow, router: Router) -> Iterator[Cell]:
    yield Cell(row.matter, row.duty)
    yield Cell(row.category, category_text(router.maps, row.category))
    yield Cell(row.level, tag=row.list, tone=_TONES[row.list])
    yield Cell(row.lead_function or "不限", _co(row.co_functions))
    yield Cell(place_text(router.city, row.region), days_text(row))
    yield Cell(row.basis)


def _catalogue(row: CatalogueRow, router: Router) -> Iterator[Cell]:
    yield Cell(row.category, category_text(router.maps, row.category))
    yield Cell(f"{row.lead_function} · {row.level}")
    yield Cell("、".join(row.co_functions) or "无")
    yield Cell(" · ".join(f"{kind} {days}" for kind, days in row.days.items()) or "不设")
    yield Cell(tag=MODES[row.mode], tone=_TONES.get(row.mode, ""))
    yield Cell(row.basis)


def _trigger(row: Trigger) -> Iterator[Cell]:
    yield Cell(tag=CHOICES[RuleKind.TRIGGERS][1][row.disposition], tone=_TONES.get(row.disposition, ""))
    yield Cell(shorten(row.pattern, _CELL))
    yield Cell(shorten(row.unless, _CELL))
    yield Cell(row.channel)
    yield Cell(row.text)
    yield Cell(row.basis)


def days_text(row: AccessRow) -> str:
    """When a row is in force; "" for always."""
    if row.valid_from or row.valid_to:
        return f"{row.valid_from or ''} 至 {row.valid_to or ''}".strip()
    return ""


def _co(functions: Sequence[str]) -> str:
    return f"协办 {'、'.join(functions)}" if functions else ""
