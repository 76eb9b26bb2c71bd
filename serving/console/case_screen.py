"""A case on the screen of one operator: keys and dialogs come in, steps go to the desk, the next case comes up."""

from collections.abc import Callable
from functools import partial

from nicegui import background_tasks, context, ui
from nicegui.events import GenericEventArguments

from dispatch_model.errors import DispatchError, ErrorKind
from serving.console import case_dialogs as dialogs
from serving.console import case_forms as forms
from serving.console.case_html import call, case_html, case_url, said_html, shown_call
from serving.console.case_keys import Act, Press, allowed, press
from serving.console.case_message import Message, message
from serving.console.case_trouble import in_words
from serving.console.case_view import CasePage
from serving.console.case_work import CaseWork, Outcome, Shown
from serving.console.filters import Filters
from serving.console.room import Seat, tell
from serving.console.undo_bar import UndoBar
from serving.guard.operators import Role

RENEWED = 30.0  # seconds between two renewals of the claim
_STEPS = '<dialog id="step" aria-labelledby="step-title"></dialog>'
_STALE = frozenset({ErrorKind.CASE_STATE, ErrorKind.CASE_TAKEN})  # the case is no longer as it is on the screen


class CaseScreen:
    """One open page.

    :param shown: the case it was opened with.
    """

    def __init__(self, seat: Seat, filters: Filters, shown: Shown) -> None:
        self._seat = seat
        self._work = CaseWork(seat.room, seat.operator)
        self._filters = filters
        self._shown = shown
        self._bar = UndoBar()
        self._busy = False
        self._has_categories = False
        self._is_supervisor = seat.operator.role.may(Role.SUPERVISOR)

    def build(self) -> None:
        """Put it on the page."""
        self._said = ui.html("", sanitize=False).props("role=status aria-live=polite id=said").classes("said")
        self._pane = ui.html(self._html(self._shown), sanitize=False).classes("pane")
        ui.html(_STEPS, sanitize=False)
        ui.on("case", self._on)
        self._timer = ui.timer(RENEWED, self._renew, immediate=False)
        self._client = context.client
        self._client.on_disconnect(self._leave)
        self._client.on_connect(self._arrive)

    @property
    def _page(self) -> CasePage | None:
        return self._shown.page

    def _html(self, shown: Shown) -> str:
        return case_html(shown, is_supervisor=self._is_supervisor)

    async def _on(self, event: GenericEventArguments) -> None:
        told = message(event.args)
        if told is None or told.case_id != (self._page.case_id if self._page else ""):
            return  # pressed on a case that has gone from the screen
        try:
            if told.what in ("search", "look", "choose"):
                await self._helped(told)
            elif not self._busy:
                self._busy = True
                await self._asked(told)
        except DispatchError as error:
            await self._failed(error, told)
        finally:
            if told.what not in ("search", "look", "choose"):
                self._busy = False

    async def _asked(self, told: Message) -> None:
        if told.what == "form":
            await self._form(told)
            return
        if told.act:
            wanted = allowed(told.act, self._page, holder=self._shown.holder, value=told.value)
        else:
            wanted = press(told.value, self._page, holder=self._shown.holder)
        await self._do(wanted)

    async def _do(self, wanted: Press) -> None:
        if wanted.told:
            ui.notify(wanted.told, type="warning", position="top", timeout=4000)
        if wanted.act is Act.BACK:
            ui.navigate.to(case_url(None, self._filters).removeprefix("/console"))
            await self._leave()
        elif wanted.act is Act.UNDO:
            await self._undo()
        elif self._page and wanted.act:
            await self._on_case(self._page, wanted.act, wanted.value)

    async def _on_case(self, page: CasePage, act: Act, value: str) -> None:
        login = self._seat.operator.login
        if act is Act.SKIP:
            job = partial(self._work.skip, page.case_id, self._filters)
            shown, html = await self._seat.act(self._rendered, job)
            alone = shown.page is not None and shown.page.case_id == page.case_id
            self._put(shown, html, told="队列里没有别的工单等您办理，只剩这一件。" if alone else "")
            self._left(page)
        elif act is Act.TAKE_OVER:
            job = partial(self._work.open, page.case_id, over=True)
            self._put(*await self._seat.act(self._rendered, job))
        elif act is Act.ACCEPT:
            await self._step(page, forms.accept_of(page, int(value), login))
        elif act is Act.MERGE and value:
            await self._step(page, forms.merge_of(value, login))
        else:
            ui.run_javascript(call("open", dialogs.dialog(act, page)))

    async def _form(self, told: Message) -> None:
        if self._page:
            maps, login = self._seat.room.engine.router.maps, self._seat.operator.login
            await self._step(self._page, forms.wish_of(told.value, told.values, self._page, maps, login))

    async def _step(self, page: CasePage, wish: forms.Wish) -> None:
        self._after(*await self._seat.act(self._written, partial(self._work.step, page, wish, self._filters)))
        self._left(page)

    async def _undo(self) -> None:
        doing = self._bar.last
        if doing is None:
            ui.notify("没有可撤销的：只能撤销 10 秒内在本页所作的一步。", type="warning", position="top", timeout=4000)
            return
        before = self._page
        self._bar.drop(doing)
        self._after(*await self._seat.act(self._written, partial(self._work.undo, doing)))
        self._left(before)

    async def _helped(self, told: Message) -> None:
        """What a dialog shows while it is filled in."""
        page, router = self._page, self._seat.room.engine.router
        if page is None:
            return
        force = self._is_supervisor
        if told.what == "search":
            html = await self._seat.read(dialogs.found, router, told.value)
            ui.run_javascript(call("found", told.value, html))
        elif told.what == "look":
            html = await self._seat.read(
                dialogs.standing_of, router, page, told.value, told.category, may_force=force and bool(told.category)
            )
            ui.run_javascript(call("standing", html))
        else:
            html = await self._seat.read(dialogs.override_dialog, router, page, told.value, may_force=force)
            self._offer_categories()
            ui.run_javascript(call("open", html))

    def _offer_categories(self) -> None:
        if not self._has_categories:
            ui.run_javascript(call("categories", dialogs.categories(self._seat.room.engine.router.maps)))
            self._has_categories = True

    def _rendered(self, job: Callable[[], Shown]) -> tuple[Shown, str]:
        """Runs in a worker thread, as does `_written`."""
        shown = job()
        return shown, self._html(shown)

    def _written(self, job: Callable[[], Outcome]) -> tuple[Outcome, str]:
        outcome = job()
        return outcome, self._html(outcome.shown)

    def _after(self, outcome: Outcome, html: str) -> None:
        if outcome.doing:
            self._bar.push(outcome.doing)
        self._put(outcome.shown, html, told=outcome.told)
        if outcome.trouble:
            tell(outcome.trouble)

    def _put(self, shown: Shown, html: str, *, told: str = "") -> None:
        """Another case on the screen, or the same one as it is by now."""
        self._shown = shown
        last = self._bar.last
        self._said.content = said_html(told, last.told if last else "")
        self._pane.content = html
        ui.run_javascript(shown_call(shown.page, self._filters, self._bar))

    def _left(self, before: CasePage | None) -> None:
        """Give back the case that is no longer on the screen; meanwhile keys count for the next one already."""
        if before and (self._page is None or self._page.case_id != before.case_id):
            background_tasks.create(self._seat.give_back(self._work.leave, before.case_id), name="give back a case")

    async def _failed(self, error: DispatchError, told: Message) -> None:
        """Where it is read: in the dialog, or above the page; a case that has changed is shown as it is now."""
        page, said = self._page, in_words(error, may_force=self._is_supervisor)
        if page and error.kind in _STALE:
            self._put(*await self._seat.read(self._rendered, partial(self._work.open, page.case_id)))
        elif told.what in ("form", "choose"):
            ui.run_javascript(call("alert", "\n".join([said.message, *said.details])))
            return
        tell(said)

    async def _renew(self) -> None:
        """Keep the case; when another operator took it over, or gave it back, say so."""
        page = self._page
        # Timers run on for a while after the page was closed, when the case has been given back.
        if page is None or self._busy or not self._client.has_socket_connection:
            return
        try:
            holder = await self._seat.read(self._work.renew, page)
            if holder != self._shown.holder and page is self._page:
                self._put(*await self._seat.read(self._rendered, partial(self._work.open, page.case_id)))
                ui.notify(f"此工单已由{holder}接管。" if holder else "此工单现由您办理。", position="top", timeout=8000)
        except DispatchError as error:
            if error.kind is ErrorKind.UNAUTHORIZED:
                self._timer.cancel()
                ui.navigate.reload()  # which leads to the login page
            else:
                tell(error)

    async def _leave(self) -> None:
        if self._page:
            await self._seat.give_back(self._work.leave, self._page.case_id)

    async def _arrive(self) -> None:
        """The page is shown, or the connection is back; what was given back meanwhile is taken again."""
        await self._renew()
