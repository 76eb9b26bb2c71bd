"""The versions of the rule tables, and the way back to one of them."""

from nicegui import events, ui

from dispatch_model.errors import DispatchError
from dispatch_model.rules import TITLES, RuleKind
from serving.console.room import Seat, tell
from serving.console.rules_versions import versions
from serving.console.templates import render
from serving.guard.operators import Role
from serving.rules.desk import Change

SENT = "(e) => rules.sent(e, emit)"  # of static/rules.js: what stands in the form; its button rests meanwhile


async def show(seat: Seat) -> None:
    """All tables, one under the other."""
    told = ui.html("", sanitize=False)
    shown = ui.html("", sanitize=False).classes("rules-versions")

    async def refresh() -> None:
        admin = seat.operator.role.may(Role.ADMIN)
        try:
            tables = await seat.read(versions, seat.room.rules)
        except DispatchError as error:
            tell(error)
            return
        shown.content = ""  # a form that was sent is rendered anew, its button awake
        shown.content = render("rules_versions.html.j2", tables=tables, admin=admin)

    async def restore(event: events.GenericEventArguments) -> None:
        kind, version, note = (str(event.args[name]) for name in ("kind", "version", "note"))
        try:
            change = await seat.act(
                seat.room.rules.rollback, RuleKind(kind), version, author=seat.actor.name, note=note
            )
        except DispatchError as error:
            tell(error)
        else:
            told.content = applied(change)
        await refresh()

    if seat.operator.role.may(Role.ADMIN):
        shown.on("submit", restore, js_handler=SENT)
    await refresh()


def applied(change: Change) -> str:
    """What is said of a change that is in force."""
    said = {"title": TITLES[change.kind], "version": change.version, "replaced": change.replaced}
    return render("rules_apply.html.j2", applied=said)
