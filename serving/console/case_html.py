"""The case page as HTML, and what the script is told when it has changed."""

import json
from urllib.parse import quote

from serving.console.case_keys import Act, can
from serving.console.case_view import CasePage
from serving.console.case_work import Shown
from serving.console.filters import Filters
from serving.console.frame import MOUNT, titled
from serving.console.templates import render
from serving.console.undo_bar import UndoBar

_BUTTONS = (Act.ACCEPT, Act.OVERRIDE, Act.CONSULT, Act.ASK, Act.MERGE, Act.RETURN, Act.REVIEW)


def case_html(shown: Shown, *, is_supervisor: bool) -> str:
    """All of a case, or that none is left."""
    page = shown.page
    may = {act.value: page is not None and can(act, page, holder=shown.holder) for act in _BUTTONS}
    may["any"] = any(may.values())
    return render("case.html.j2", page=page, holder=shown.holder, supervisor=is_supervisor, can=may, mount=MOUNT)


def said_html(told: str, undoable: str = "") -> str:
    """What was done last, with the way back.

    :param undoable: what can be taken back, in words; it need not be what was done last.
    """
    return render("case_said.html.j2", told=told, undoable=undoable)


def case_url(page: CasePage | None, filters: Filters) -> str:
    """Where the case is found, with the queue it was come to by; without a case, that queue."""
    path = f"{MOUNT}/case/{quote(page.case_id, safe='')}" if page else f"{MOUNT}/"
    return f"{path}?{filters.query}" if filters.query else path


def call(function: str, *values: str | float) -> str:
    """A call of the page's script; values become literals that end no script."""
    told = ", ".join(json.dumps(value).replace("<", "\\u003c") for value in values)
    return f"caseDesk.{function}({told})"


def shown_call(page: CasePage | None, filters: Filters, bar: UndoBar) -> str:
    """Tells the script that another case is on the page."""
    title = titled(f"工单 {page.case_id}" if page else "办件")
    return call("shown", case_url(page, filters), title, round(bar.left, 1))
