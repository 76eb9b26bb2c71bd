"""The page of a case (办件): where an operator accepts, overrides and asks, one case after the other."""

from fastapi import Request
from fastapi.responses import Response
from nicegui import ui

from dispatch_model.errors import DispatchError
from serving.console.case_keys import HELP
from serving.console.case_screen import CaseScreen
from serving.console.case_trouble import in_words
from serving.console.case_work import CaseWork
from serving.console.filters import Filters
from serving.console.frame import MOUNT, PATIENCE, frame, take_seat, titled
from serving.console.templates import render

_HEAD = f'<link rel="stylesheet" href="{MOUNT}/static/case.css"><script src="{MOUNT}/static/case.js" defer></script>'


def add() -> None:
    """Register the page."""
    ui.page("/case/{case_id:path}", title=titled("办件"), response_timeout=PATIENCE)(_case)


async def _case(request: Request, case_id: str) -> Response | None:
    seat = await take_seat(request)
    if isinstance(seat, Response):
        return seat
    try:
        shown = await seat.read(CaseWork(seat.room, seat.operator).open, case_id)
    except DispatchError as error:
        with frame(seat, "办件"):
            # Said on the page: a number mistyped in the address is no fault of the service.
            ui.html(render("case_missing.html.j2", told=in_words(error).message, mount=MOUNT), sanitize=False)
        return None
    ui.page_title(titled(f"工单 {case_id}"))
    ui.add_head_html(_HEAD)
    with frame(seat, "办件", keys=HELP):
        CaseScreen(seat, Filters.of(request.query_params), shown).build()
    return None
