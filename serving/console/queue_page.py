"""工作台: the queue, live, with its filters; lines are chosen by key in static/queue.js."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from fastapi import Request
from fastapi.responses import Response
from nicegui import ui
from nicegui.events import GenericEventArguments

from dispatch_model.cases import Disposition
from dispatch_model.errors import DispatchError, ErrorKind
from serving.cases_wire import State
from serving.console.filters import LONGEST, Filters
from serving.console.frame import MOUNT, PATIENCE, frame, take_seat, titled
from serving.console.queue_view import PAGE, TABS, Drawn, QueueView, look
from serving.console.room import Seat
from serving.console.templates import visible
from serving.words import DISPOSITIONS

TITLE = "工作台"
TICK = 1.0  # seconds between looks at the board
KEYS = (("j k · ↑ ↓", "选下一件 · 上一件"), ("Enter", "打开选中的工单"), ("/", "在队列中查找"))
_HEAD = f'<link rel="stylesheet" href="{MOUNT}/static/queue.css"><script src="{MOUNT}/static/queue.js" defer></script>'
_VALUE = "(event) => emit(event.target.value)"


def add() -> None:
    """Register the page."""
    ui.page("/", title=titled(TITLE), response_timeout=PATIENCE)(_queue)


async def _queue(request: Request) -> Response | None:
    seat = await take_seat(request)
    if isinstance(seat, Response):
        return seat
    filters = Filters.of(request.query_params)
    drawn = await seat.read(look, seat.room.board, seat.room.store, filters, seat.operator.login)
    with frame(seat, TITLE, keys=KEYS):
        ui.add_head_html(_HEAD)
        _Queue(seat, filters, drawn)
    return None


@dataclass(frozen=True)
class _Choice:
    """A filter that one of several values is chosen for.

    :param of: the values with the words for them.
    """

    name: str
    label: str
    of: Callable[[QueueView], Mapping[str, str]]


_WORDS = {name: word for name, word in DISPOSITIONS.items() if name != Disposition.AUTO}
_CHOICES = (
    _Choice("disposition", "处置方式", lambda _: _WORDS),
    _Choice("function", "职能", lambda view: {name: name for name in view.functions}),
    _Choice("district", "区域", lambda view: {name: name for name in view.districts}),
)


class _Queue:
    """The elements of an open page, and what they show.

    :param drawn: what they show at first.
    """

    def __init__(self, seat: Seat, filters: Filters, drawn: Drawn) -> None:
        self._seat = seat
        self._filters = filters
        self._shown = PAGE
        self._known = drawn.view.urgent
        self._seen: tuple[object, ...] = ()
        self._options: dict[str, tuple[object, ...]] = {}
        self._head = ui.html(sanitize=False).classes("queue-head")
        with ui.element("div").classes("tabs").props('role=group aria-label="工单状态"'):
            self._tabs = [self._tab(state) for state, _ in TABS]
        with ui.element("div").classes("filters").props('role=search aria-label="筛选"'):
            self._selects = [(choice, self._select(choice)) for choice in _CHOICES]
            self._search()
            _button("clear", self._clear).set_content("清除筛选")
        self._status = ui.html(sanitize=False).props("role=status data-test=status")
        self._table = ui.html(sanitize=False).props("id=queue")
        self._more = _button("more", self._show_more)
        self._show(drawn)
        self._timer = ui.timer(TICK, self._look)

    def _tab(self, state: State | None) -> ui.html:
        async def chosen() -> None:
            await self._choose(self._filters.but("state", state or ""))

        return _button(f"tab-{state or 'due'}", chosen)

    def _select(self, choice: _Choice) -> ui.element:
        async def chosen(event: GenericEventArguments) -> None:
            await self._choose(self._filters.but(choice.name, str(event.args)))

        with ui.element("label"):
            ui.html(choice.label, sanitize=False, tag="span")
            select = ui.element("select").props(f"data-test=filter-{choice.name}")
        return select.on("change", chosen, js_handler=_VALUE)

    def _search(self) -> None:
        async def typed(event: GenericEventArguments) -> None:
            await self._choose(self._filters.but("text", str(event.args)))

        with ui.element("label"):
            ui.html("查找", sanitize=False, tag="span")
            field = ui.element("input").props(f"type=search maxlength={LONGEST} data-test=filter-text")
        field.props["value"] = self._filters.text
        field.on("input", typed, throttle=0.3, leading_events=False, js_handler=_VALUE)

    async def _choose(self, filters: Filters) -> None:
        self._filters, self._shown = filters, PAGE
        ui.navigate.history.replace(f"{MOUNT}/?{filters.query}" if filters.query else f"{MOUNT}/")
        await self._look()

    async def _clear(self) -> None:
        ui.run_javascript("document.querySelector('[data-test=filter-text]').value = ''")
        await self._choose(Filters(state=self._filters.state))

    async def _show_more(self) -> None:
        self._shown += PAGE
        await self._look()

    async def _look(self) -> None:
        """Show what has changed; where the store does not answer say so, and go on."""
        room, me = self._seat.room, self._seat.operator.login
        try:
            revision = await self._seat.read(room.board.refresh)
            seen = (revision, datetime.now(UTC).replace(second=0, microsecond=0), self._filters, self._shown)
            if seen != self._seen:
                self._show(await self._seat.read(look, room.board, room.store, self._filters, me, self._shown))
                self._seen = seen
        except DispatchError as error:
            if error.kind is ErrorKind.UNAUTHORIZED:
                self._timer.cancel()
                ui.navigate.reload()  # which leads to the login page
                return
            self._seen = ()
            self._status.set_content(f'<span class="tag bad">{escape(str(error))}</span>')

    def _show(self, drawn: Drawn) -> None:
        view = drawn.view
        if fresh := len(view.urgent - self._known):
            self._status.set_content(f'<span class="tag bad">新到紧急工单 {fresh} 件</span>')
        elif not self._seen:
            self._status.set_content("")
        self._known = view.urgent
        self._head.set_content(drawn.head)
        self._table.set_content(drawn.table)
        for tab, (state, name), count in zip(self._tabs, TABS, view.tabs, strict=True):
            tab.set_content(f"{name} {count}")
            tab.props(f"aria-pressed={'true' if state == self._filters.state else 'false'}")
        for choice, select in self._selects:
            self._offer(choice, select, choice.of(view))
        self._more.set_content(f"再显示 {min(PAGE, view.more)} 件（还有 {view.more} 件）")
        self._more.set_visibility(view.more > 0)

    def _offer(self, choice: _Choice, select: ui.element, words: Mapping[str, str]) -> None:
        """Bring the options of a select up to date; what is chosen stays one of them."""
        chosen = getattr(self._filters, choice.name)
        options = {"": "全部", **words} | ({} if chosen in words or not chosen else {chosen: chosen})
        if self._options.get(choice.name) == (options, chosen):
            return
        self._options[choice.name] = (options, chosen)
        select.clear()
        with select:
            for value, word in options.items():
                option = ui.html(escape(visible(word)), sanitize=False, tag="option")
                option.props["value"] = value
                option.props["selected"] = value == chosen


def _button(name: str, pressed: Callable[[], Awaitable[None]]) -> ui.html:
    button = ui.html(sanitize=False, tag="button").classes("button").props(f"type=button data-test={name}")
    return button.on("click", pressed)
