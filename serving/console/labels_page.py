"""标注: labels that are likely wrong, one after the other, settled by key."""

from collections.abc import Awaitable, Callable
from html import escape

from fastapi import Request
from fastapi.responses import Response
from nicegui import ui
from nicegui.events import GenericEventArguments, KeyEventArguments

from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.settled_label import LONGEST_NOTE, Action, SettledLabel
from dispatch_model.suspect import FIELDS, Key
from serving.console.frame import MOUNT, PATIENCE, frame, take_seat, titled
from serving.console.label_desk import LabelDesk, Progress, Shown
from serving.console.room import Seat, tell
from serving.console.templates import render, visible
from serving.guard.roles import Role

TITLE = "标注"
KEYS = (
    ("1", "原标注无误"),
    ("2", "改为建议的"),
    ("/", "改为其他：从列表中选，Enter 确定"),
    ("x", "无法判断：去掉这一标注"),
    ("s", "跳过"),
    ("z", "撤销本页所作的上一条"),
)
_HEAD = f'<link rel="stylesheet" href="{MOUNT}/static/labels.css">'
_VALUE = "(event) => { if (event.key === 'Enter' && !event.isComposing) emit(event.target.value); }"
_CHANGED = "(event) => emit(event.target.value)"
_EMPTY = "for (const one of document.querySelectorAll('#label-other, #label-note')) { one.value = ''; one.blur(); }"
_MEANT = str.maketrans("１２／、ｘｓｚ", "12//xsz")  # what an input method makes of the keys
_STALE = frozenset({ErrorKind.CASE_STATE})


def add() -> None:
    """Register the page."""
    ui.page("/labels", title=titled(TITLE), response_timeout=PATIENCE)(_labels)


async def _labels(request: Request) -> Response | None:
    seat = await take_seat(request, Role.SUPERVISOR)
    if isinstance(seat, Response):
        return seat
    ui.add_head_html(_HEAD)
    field = request.query_params.get("field", "")
    with frame(seat, TITLE, keys=KEYS):
        await _Labels(seat, field if field in FIELDS else "").show()
    return None


class _Labels:
    """One open page.

    :param field: only suspects of this one; "" any.
    """

    def __init__(self, seat: Seat, field: str) -> None:
        room = seat.room
        self._seat = seat
        self._desk = LabelDesk(room.settings.data_dir, room.store, room.engine.router.maps)
        self._field = field
        self._shown: Shown | None = None
        self._skipped: frozenset[Key] = frozenset()
        self._done: list[SettledLabel] = []
        self._note = ""
        self._busy = False
        self._offered = ""

    async def show(self) -> None:
        """Put it on the page."""
        ui.html(TITLE, sanitize=False, tag="h1")
        ui.html(_places(self._field), sanitize=False).classes("fields")
        self._said = ui.label("").classes("quiet").props('role=status data-test="said"')
        self._pane = ui.html("", sanitize=False).classes("pane")
        with ui.element("div").classes("acts") as self._acts:
            self._button("keep", "<kbd>1</kbd> 原标注无误", "1")
            self._button("change", "<kbd>2</kbd> 改为建议的", "2")
            self._button("drop", "<kbd>x</kbd> 无法判断，去掉", "x")
            self._button("skip", "<kbd>s</kbd> 跳过", "s")
            self._other = self._input("other", "<kbd>/</kbd> 改为其他", 40, "list=label-options autocomplete=off")
            self._other.on("keydown", self._chosen, js_handler=_VALUE)
            note = self._input("note", "说明（可不填）", LONGEST_NOTE, "")
            note.on("change", self._noted, js_handler=_CHANGED)
        self._options = ui.html("", sanitize=False, tag="datalist").props("id=label-options")
        with ui.element("div").classes("acts"):
            self._button("undo", "<kbd>z</kbd> 撤销上一条", "z")
        ui.keyboard(on_key=self._key, repeating=False, ignore=["input", "select", "textarea"])
        await self._guarded(self._next)

    def _button(self, name: str, html: str, key: str) -> None:
        async def pressed() -> None:
            await self._press(key)

        button = ui.html(html, sanitize=False, tag="button").classes("button")
        button.props(f"type=button data-test={name}").on("click", pressed)

    def _input(self, name: str, html: str, longest: int, props: str) -> ui.element:
        with ui.element("label"):
            ui.html(html, sanitize=False, tag="span")
            return ui.element("input").props(f"type=text maxlength={longest} data-test={name} id=label-{name} {props}")

    async def _key(self, event: KeyEventArguments) -> None:
        held = event.modifiers
        if event.action.keydown and not (held.ctrl or held.alt or held.meta):
            await self._press(str(event.key).translate(_MEANT).lower())

    async def _press(self, key: str) -> None:
        step = {
            "1": lambda: self._settle("keep"),
            "2": lambda: self._settle("change", self._shown.suspect.proposed if self._shown else ""),
            "x": lambda: self._settle("drop"),
            "s": self._skip,
            "z": self._undo,
        }.get(key)
        if step:
            await self._guarded(step)
        elif key == "/" and self._shown:
            ui.run_javascript("setTimeout(() => document.getElementById('label-other').focus())")

    async def _chosen(self, event: GenericEventArguments) -> None:
        if said := str(event.args).strip():
            await self._guarded(lambda: self._settle("change", said))

    async def _noted(self, event: GenericEventArguments) -> None:
        self._note = str(event.args)

    async def _guarded(self, step: Callable[[], Awaitable[None]]) -> None:
        """One step at a time; a key pressed meanwhile was meant for what is gone."""
        if self._busy:
            return
        self._busy = True
        try:
            await step()
        except DispatchError as error:
            tell(error)
            if error.kind in _STALE:
                await self._next()
        finally:
            self._busy = False

    async def _settle(self, action: Action, after: str = "") -> None:
        if self._shown is None:
            return
        one, by = self._shown.suspect, self._seat.operator.login
        line = await self._seat.act(self._desk.settle, one, action, by=by, after=after, note=self._note)
        self._done.append(line)
        told = self._desk.label(line.field, line.after).name if line.after else "去掉"
        self._said.set_text(
            f"{line.id} 的{FIELDS[line.field]}：{'维持' if line.action == 'keep' else ''}{visible(told)}。"
        )
        await self._next()

    async def _skip(self) -> None:
        if self._shown:
            self._skipped |= {self._shown.suspect.key}
            await self._next()

    async def _undo(self) -> None:
        if not self._done:
            self._said.set_text("没有可撤销的：只能撤销在本页所作的。")
            return
        line = self._done.pop()
        await self._seat.act(self._desk.undo, line, by=self._seat.operator.login)
        self._skipped -= {line.key}
        self._said.set_text(f"已撤销：{line.id} 的{FIELDS[line.field]}。")
        await self._next()

    async def _next(self) -> None:
        shown, progress = await self._seat.read(self._desk.next, self._field, self._skipped)
        self._put(shown, progress)

    def _put(self, shown: Shown | None, progress: Progress) -> None:
        first = self._shown is None  # scripts run when the page is there: who was quick may have typed by then
        self._shown, self._note = shown, ""
        self._pane.set_content(render("labels.html.j2", shown=shown, progress=progress))
        self._acts.set_visibility(shown is not None)
        if shown and shown.suspect.field != self._offered:
            self._offered = shown.suspect.field
            options = self._desk.options(self._offered)
            self._options.set_content("".join(f'<option value="{escape(one.name)}"></option>' for one in options))
        if not first:
            ui.run_javascript(_EMPTY)


def _places(chosen: str) -> str:
    links = "".join(
        f'<a href="{MOUNT}/labels{f"?field={field}" if field else ""}"{" aria-current=true" if field == chosen else ""}'
        f' data-test="field-{field or "all"}">{word}</a>'
        for field, word in {"": "全部", **FIELDS}.items()
    )
    return f'<nav aria-label="标注项">{links}</nav>'
