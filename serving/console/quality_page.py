"""质量: whether the suggestions are followed, what comes back, and whether the probabilities can be believed."""

from fastapi import Request
from fastapi.responses import Response
from nicegui import ui

from dispatch_model.errors import DispatchError
from serving.console.frame import MOUNT, PATIENCE, frame, take_seat, titled
from serving.console.quality import PERIODS
from serving.console.quality_html import shown_of
from serving.console.room import tell
from serving.guard.roles import Role

TITLE = "质量"
_DEFAULT = 30


def add() -> None:
    """Register the page."""

    @ui.page("/quality", title=titled(TITLE), response_timeout=PATIENCE)
    async def quality_page(request: Request) -> Response | None:
        seat = await take_seat(request, Role.SUPERVISOR)
        if isinstance(seat, Response):
            return seat
        days = _days(request.query_params.get("days", ""))
        ledger = seat.room.ledger
        ui.add_head_html(f'<link rel="stylesheet" href="{MOUNT}/static/quality.css">')
        with frame(seat, TITLE):
            ui.html(_periods(days), sanitize=False).classes("periods")
            told = ui.label("").classes("quiet").props('role=status data-test="period"')
            content = ui.html("", sanitize=False).classes("figures").props('data-test="figures"')

            async def fill() -> None:
                try:
                    shown = await seat.read(shown_of, seat.room, days)
                except DispatchError as error:
                    tell(error)
                    return
                told.set_text(shown.told)
                content.set_content(shown.html)

            if ledger.warm:
                await fill()
            else:
                told.set_text("服务启动后首次打开：正在汇总近 90 天的决定，可能需要数秒……")
                ui.timer(0, fill, once=True)
        return None


def _days(text: str) -> int:
    days = int(text) if text.isdecimal() and len(text) < len("1000") else _DEFAULT
    return days if days in PERIODS else _DEFAULT


def _periods(days: int) -> str:
    links = "".join(
        f'<a href="{MOUNT}/quality?days={one}" data-test="days-{one}"{_current(one == days)}>近 {one} 天</a>'
        for one in PERIODS
    )
    return f'<h1>{TITLE}</h1><nav aria-label="期间">{links}</nav>'


def _current(yes: bool) -> str:
    return ' aria-current="true"' if yes else ""
