"""/rules: the rule tables to read and search, to try, to change, and to change back."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import Request
from fastapi.responses import Response
from nicegui import events, ui

from dispatch_model.cases import CHINA_TIME
from dispatch_model.errors import DispatchError
from dispatch_model.headers import chinese
from dispatch_model.rules import TITLES, RuleKind
from serving.console import rules_upload_page, rules_versions_page
from serving.console.frame import MOUNT, PATIENCE, Keys, frame, take_seat, titled
from serving.console.room import Seat, tell
from serving.console.rules_browse import CHOICES, LEVELS_OF, PATH, Wanted, browse, kind_of
from serving.console.rules_card import card
from serving.console.rules_find import categories, places
from serving.console.rules_offer import Offer
from serving.console.rules_try import attempt
from serving.console.templates import render

KEYS: Keys = (("/", "搜索"), ("n · p", "下一页 · 上一页"), ("x", "收起打开的规则"))
_HEAD = f'<link rel="stylesheet" href="{MOUNT}/static/rules.css"><script src="{MOUNT}/static/rules.js" defer></script>'
_VIEWS = {"try": "试一试", "upload": "上传", "versions": "版本"}
# Of static/rules.js: what stands in a form a moment after it changed; the address of a link that opens in place.
_FORM, _OPEN = "(e) => rules.form(e, emit)", "(e) => rules.opened(e, emit)"


def add() -> None:
    """Register the page."""

    @ui.page("/rules", title=titled("规则"), response_timeout=PATIENCE)
    async def rules_page(request: Request) -> Response | None:
        seat = await take_seat(request)
        if isinstance(seat, Response):
            return seat
        query = dict(request.query_params)
        with frame(seat, "规则", keys=KEYS):
            ui.add_head_html(_HEAD)
            await _view(seat, query)
        return None


async def _view(seat: Seat, query: Mapping[str, str]) -> None:
    view = query.get("view", "")
    wanted = await _wanted(seat, query)
    ui.html(_nav(view, wanted.kind), sanitize=False)
    if view == "try":
        await _Try(seat, query).show()
    elif view == "upload":
        rules_upload_page.show(seat)
    elif view == "versions":
        await rules_versions_page.show(seat)
    else:
        await _Browse(seat, wanted).show()


async def _wanted(seat: Seat, query: Mapping[str, str]) -> Wanted:
    """A link to a row says its id alone: the table is looked up."""
    row = query.get("row", "")
    kind = await seat.read(kind_of, seat.room.rules, row) if row and not query.get("kind") else None
    return Wanted.of(query, kind)


def _nav(view: str, kind: RuleKind) -> str:
    tables = [(TITLES[one], Wanted(kind=one).address, view not in _VIEWS and one is kind) for one in RuleKind]
    others = [(name, f"{PATH}?view={one}", view == one) for one, name in _VIEWS.items()]
    return render("rules_nav.html.j2", places=[*tables, *others])


class _Browse:
    """The rows of one table."""

    def __init__(self, seat: Seat, wanted: Wanted) -> None:
        self._seat, self._wanted = seat, wanted
        self._asked = 0
        kind = wanted.kind
        form = render(
            "rules_filters.html.j2",
            wanted=wanted,
            title=TITLES[kind],
            levels=LEVELS_OF[kind],
            column=chinese(CHOICES[kind][0]),
            choices=CHOICES[kind][1],
        )
        with ui.element("div").classes("rules-bar"):
            filters = ui.html(form, sanitize=False)
            filters.on("input", self._filtered, js_handler=_FORM)
            filters.on("submit", js_handler="(e) => e.preventDefault()")
            if kind is not RuleKind.TRIGGERS:
                names = categories(seat.room.rules.router.maps)
                Offer("诉求类别", names, self._of_category, key="rules-category", value=names.get(wanted.category))
        self._card = ui.html("", sanitize=False).on("click", self._opened, js_handler=_OPEN)
        self._rows = ui.html("", sanitize=False).on("click", self._opened, js_handler=_OPEN)

    async def show(self) -> None:
        """Read and render what is wanted; an answer that a later question overtook is dropped."""
        self._asked += 1
        asked, wanted, desk = self._asked, self._wanted, self._seat.room.rules
        try:
            rows = await self._seat.read(browse, desk, wanted)
            opened = await self._seat.read(card, desk, wanted.kind, wanted.row) if wanted.row else None
        except DispatchError as error:
            tell(error)
            return
        if asked != self._asked:
            return
        close = replace(wanted, row="", page=rows.page).address
        missing = "" if opened else wanted.row
        self._card.content = render("rules_card.html.j2", card=opened, missing=missing, close=close)
        self._rows.content = render("rules_rows.html.j2", rows=rows)

    async def _turn(self, wanted: Wanted) -> None:
        self._wanted = wanted
        await self.show()
        ui.navigate.history.replace(self._wanted.address)

    async def _filtered(self, event: events.GenericEventArguments) -> None:
        await self._turn(Wanted.of({**event.args, "category": self._wanted.category}))

    async def _of_category(self, code: str) -> None:
        if code != self._wanted.category:
            await self._turn(replace(self._wanted, category=code, row="", page=0))

    async def _opened(self, event: events.GenericEventArguments) -> None:
        wanted = Wanted.of(dict(parse_qsl(urlsplit(str(event.args)).query)))
        await self._turn(wanted)
        if wanted.row:
            ui.run_javascript("document.querySelector('.rules-card')?.focus()")


@dataclass
class _Question:
    """What is tried."""

    category: str
    place: str
    function: str
    day: str

    @property
    def address(self) -> str:
        """Where the answer is found."""
        return f"{PATH}?{urlencode({'view': 'try', **{name: value for name, value in vars(self).items() if value}})}"


class _Try:
    """Who may lead a matter, without a case."""

    def __init__(self, seat: Seat, query: Mapping[str, str]) -> None:
        self._seat = seat
        self._asked = _Question(*(query.get(name, "") for name in ("category", "place", "function", "day")))
        router = seat.room.rules.router
        leaves, regions = categories(router.maps, leaves=True), places(router.city)
        form = render("rules_try.html.j2", asked=self._asked, functions=tuple(router.maps.functions))
        with ui.element("div").classes("rules-bar"):
            category, place = leaves.get(self._asked.category), regions.get(self._asked.place)
            Offer("诉求类别", leaves, self._of_category, key="try-category", value=category, shortcut="/")
            Offer("地点", regions, self._of_place, key="try-place", value=place)
            ui.html(form, sanitize=False).on("change", self._changed, js_handler=_FORM)
        self._answer = ui.html("", sanitize=False)

    async def show(self) -> None:
        """Answer what is asked, once a category is."""
        asked, trial = self._asked, None
        if asked.category:
            try:
                router = self._seat.room.rules.router
                trial = await self._seat.read(
                    attempt, router, asked.category, asked.place, _day(asked.day), asked.function
                )
            except DispatchError as error:
                tell(error)
        self._answer.content = render("rules_trial.html.j2", trial=trial)

    async def _of_category(self, code: str) -> None:
        self._asked.category = code
        await self._ask()

    async def _of_place(self, code: str) -> None:
        self._asked.place = code
        await self._ask()

    async def _changed(self, event: events.GenericEventArguments) -> None:
        self._asked.function, self._asked.day = str(event.args["function"]), str(event.args["day"])
        await self._ask()

    async def _ask(self) -> None:
        await self.show()
        ui.navigate.history.replace(self._asked.address)


def _day(text: str) -> date:
    """That day; today for none."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        return datetime.now(CHINA_TIME).date()
