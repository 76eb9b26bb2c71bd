"""A new rule file: checked, compared on the last month's cases, and put in force by an administrator."""

from datetime import UTC, datetime
from typing import Any

from nicegui import events, ui

from dispatch_model import workbook
from dispatch_model.errors import DispatchError
from dispatch_model.rules import TITLES, RuleKind
from serving.console.room import Seat, tell
from serving.console.rules_month import DAYS, LastMonth, MonthDiff, Progress, Stopped
from serving.console.rules_upload import SHOWN, Checked, check
from serving.console.rules_versions_page import SENT, applied
from serving.console.templates import render
from serving.guard.operators import Role
from serving.rules.api import UPLOAD_BYTES
from serving.rules.desk import RuleDesk
from serving.rules.diff import COMPARED
from serving.rules.diff_report import render as render_report
from serving.rules.diff_report import sentences

_PAIRS = 20
_ENVELOPE = 4096  # bytes of a request around the file
_PICK, _REPORT = "(e) => rules.picked(e, emit)", "(e) => rules.asked(e, '[data-report]', emit)"  # of static/rules.js


def show(seat: Seat) -> None:
    """The way from a file to rules in force."""
    _Upload(seat)


class _Upload:
    """One page with the file that was uploaded last."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat
        self._running: list[Progress] = []
        admin = seat.operator.role.may(Role.ADMIN)
        most = min(UPLOAD_BYTES, seat.room.settings.body_limit - _ENVELOPE)
        start = render("rules_start.html.j2", tables=TITLES, admin=admin, most=most // 2**20)
        ui.html(start, sanitize=False).on("click", self._download, js_handler=_PICK)
        if admin:
            self._file = ui.upload(
                auto_upload=True, max_file_size=most, on_upload=self._uploaded, on_rejected=lambda: _too_large(most)
            )
            self._file.classes("rules-hidden").props('accept=".csv,.xlsx" data-test="rules-file"')
            self._found = ui.element("div").classes("rules-checked")
            ui.context.client.on_delete(self._stop)

    async def _download(self, event: events.GenericEventArguments) -> None:
        kind, desk = RuleKind(str(event.args)), self._seat.room.rules
        try:
            content, name = await self._seat.read(_workbook, desk, kind)
        except DispatchError as error:
            tell(error)
        else:
            ui.download.content(content, name)

    async def _uploaded(self, event: events.UploadEventArguments) -> None:
        self._stop()
        self._file.reset()
        self._found.clear()
        with self._found:
            ui.html('<p role="status">正在检查……</p>', sanitize=False)
        content = await event.file.read()
        try:
            found = await self._seat.act(check, self._seat.room.rules, event.file.name, content)
        except DispatchError as error:
            self._found.clear()
            tell(error)
            return
        self._found.clear()
        with self._found:
            parts = [_Part(self._seat, checked) for checked in found]
        self._running = [part.progress for part in parts]
        for part in parts:
            await part.compare()

    def _stop(self) -> None:
        for progress in self._running:
            progress.stopped = True


class _Part:
    """One table of the file."""

    def __init__(self, seat: Seat, checked: Checked) -> None:
        self._seat, self._checked = seat, checked
        self.progress = Progress()
        self._month: MonthDiff | None = None
        with ui.element("section").classes("panel rules-checked").props('data-test="checked"'):
            ui.html(render("rules_check.html.j2", checked=checked, shown=SHOWN), sanitize=False)
            if checked.fit:
                self._told = ui.html("", sanitize=False).on("click", self._report, js_handler=_REPORT)
                self._form = ui.html(self._asking(), sanitize=False).on("submit", self._apply, js_handler=SENT)

    async def compare(self) -> None:
        """Try the file on the last month's cases, and say how far it is."""
        kind = self._checked.kind
        if not self._checked.fit or kind is None:
            return
        if kind not in COMPARED:
            self._say("none")
            return
        self._say("running")
        timer = ui.timer(0.5, lambda: self._say("running"))
        try:
            self._month = await self._seat.read(
                _month(self._seat).compare, self._seat.room.rules.router, kind, self._checked.content, self.progress
            )
        except Stopped:
            return
        except DispatchError as error:
            self._say("failed", told=error.message)
            return
        finally:
            timer.cancel()
        diff = self._month.diff
        told = tuple(sentences(diff)) if diff else ()
        self._say("done", diff=diff, stored=self._month.stored, sentences=told, pairs=_PAIRS)

    def _say(self, state: str, **told: Any) -> None:
        if not self._told.is_deleted:
            self._told.content = render("rules_month.html.j2", state=state, days=DAYS, progress=self.progress, **told)

    async def _report(self) -> None:
        if self._month and self._month.diff:
            try:
                page = await self._seat.read(render_report, self._month.diff, created=datetime.now(UTC))
            except DispatchError as error:
                tell(error)
            else:
                ui.download.content(page, f"{self._checked.title}变更的影响.html")

    async def _apply(self, event: events.GenericEventArguments) -> None:
        checked, desk = self._checked, self._seat.room.rules
        if checked.kind is None:
            return
        try:
            change = await self._seat.act(
                desk.upload,
                checked.kind,
                checked.content,
                author=self._seat.actor.name,
                note=str(event.args["note"]),
                replaces=checked.replaced,
            )
        except DispatchError as error:
            self._form.content = ""
            self._form.content = self._asking()
            tell(error)
        else:
            self._form.content = applied(change)

    def _asking(self) -> str:
        return render("rules_apply.html.j2", applied=None, title=self._checked.title)


def _month(seat: Seat) -> LastMonth:
    """That of the process: its outputs serve every page."""
    state = seat.room.app.state
    if not hasattr(state, "rules_month"):
        state.rules_month = LastMonth(seat.room.store)
    month: LastMonth = state.rules_month
    return month


def _workbook(desk: RuleDesk, kind: RuleKind) -> tuple[bytes, str]:
    """The table in force as a workbook, and what to call it."""
    router, rules = desk.router, desk.rules(kind)
    return workbook.write(kind, rules, router.maps, router.city), f"{TITLES[kind]}-{rules.version}.xlsx"


def _too_large(most: int) -> None:
    told = f"只收 csv 或 xlsx，至多 {most // 2**20} MiB；请删去多余的工作表、图片和空行后重试。"
    ui.notify(told, type="negative", close_button="知道了", timeout=0, position="top")
