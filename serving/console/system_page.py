"""系统: which versions answer, how the service is, and who may sign in; administrators change it here."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from nicegui import events, ui

from dispatch_model.errors import DispatchError
from serving.console.frame import MOUNT, PATIENCE, frame, take_seat, titled
from serving.console.room import Seat, tell
from serving.console.system_forms import perform
from serving.console.system_steps import Steps
from serving.console.system_view import ACTIONS, Versions, everybody, health, versions
from serving.console.templates import render
from serving.guard.operators import Operator
from serving.guard.roles import Role

TITLE = "系统"
_LIVE_SECONDS = 5.0
_SENT = "(e) => system.sent(e, emit)"  # of static/system.js
_HEAD = (
    f'<link rel="stylesheet" href="{MOUNT}/static/system.css"><script src="{MOUNT}/static/system.js" defer></script>'
)


def add() -> None:
    """Register the page."""

    @ui.page("/system", title=titled(TITLE), response_timeout=PATIENCE)
    async def system_page(request: Request) -> Response | None:
        seat = await take_seat(request, Role.SUPERVISOR)
        if isinstance(seat, Response):
            return seat
        ui.add_head_html(_HEAD)
        with frame(seat, TITLE):
            await _Parts(seat).show()
        return None


class _Parts:
    """The page of one operator; each part is one piece of HTML, rendered anew after a step."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat
        self._room = seat.room
        self._steps = Steps(seat.room, seat.operator)
        self._verifier = seat.room.verifier

    async def show(self) -> None:
        with ui.element("div").classes("system") as around:
            ui.html(TITLE, sanitize=False, tag="h1")
            self._done = ui.label("").classes("done").props('role=status data-test="done"')
            self._health = ui.html("", sanitize=False)
            self._versions, self._audit, self._operators = (ui.html("", sanitize=False) for _ in range(3))
        around.on("submit", self._on_submit, js_handler=_SENT)
        await self._told(self._refresh)
        self._timer = ui.timer(_LIVE_SECONDS, self._live, immediate=False)

    async def _refresh(self) -> None:
        read = self._seat.read
        people, found = await read(everybody, self._room), await read(versions, self._room)
        names = {key: f"{one.name}（{one.login}）" for one in people for key in (one.login, one.actor.name)}
        self._versions.set_content(_versions(found, names, admin=self._admin))
        self._audit.set_content(render("system_audit.html.j2", last=self._verifier.last, names=names))
        self._operators.set_content(_operators(people, self._seat))
        await self._show_health()

    async def _show_health(self) -> None:
        found = await self._seat.read(health, self._room)
        self._health.set_content(render("system_health.html.j2", health=found))

    async def _live(self) -> None:
        """The state of the service again; when the session has ended, no more."""
        if not await self._told(self._show_health):
            self._timer.cancel()

    async def _on_submit(self, event: events.GenericEventArguments) -> None:
        form = {name: value for name, value in event.args.items() if isinstance(value, str)}
        step = self._verify if form.get("step") == "verify" else self._perform
        if done := await self._told(step, form):
            await self._told(self._refresh)
        ui.run_javascript(f"system.ready({str(done).lower()})")

    async def _perform(self, form: dict[str, str]) -> None:
        self._done.set_text("")
        self._done.set_text(await self._seat.act(perform, self._steps, form))

    async def _verify(self, _: dict[str, str]) -> None:
        await self._seat.act(self._verifier.run, self._seat.actor.name)

    async def _told(self, step: Callable[..., Awaitable[None]], *args: Any) -> bool:
        """Whether `step` went well; else it is shown what did not."""
        try:
            await step(*args)
        except DispatchError as error:
            tell(error)
            return False
        return True

    @property
    def _admin(self) -> bool:
        return self._seat.operator.role.may(Role.ADMIN)


def _versions(found: Versions, names: dict[str, str], *, admin: bool) -> str:
    now = found.rows[0].version
    earlier = dict.fromkeys(one.version for one in found.revisions if one.version != now)
    told = {"shown": found, "earlier": earlier, "names": names, "admin": admin, "actions": ACTIONS, "mount": MOUNT}
    return render("system_versions.html.j2", **told)


def _operators(people: Sequence[Operator], seat: Seat) -> str:
    admin = seat.operator.role.may(Role.ADMIN)
    return render("system_operators.html.j2", people=people, admin=admin, me=seat.operator.login, roles=list(Role))
