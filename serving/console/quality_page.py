"""质量: whether the suggestions are followed, what comes back, and whether the probabilities can be believed."""

from dataclasses import dataclass
from datetime import timedelta

from fastapi import Request
from fastapi.responses import Response
from nicegui import ui

from dispatch_model.cases import CHINA_TIME
from dispatch_model.errors import DispatchError
from serving import operators
from serving.console import flow_picture, reliability_picture
from serving.console.frame import MOUNT, frame, take_seat, titled
from serving.console.ledger import Ledger
from serving.console.quality import PERIODS, quality
from serving.console.returned import returned
from serving.console.room import Room, Seat, tell
from serving.console.shadow_view import compare
from serving.console.templates import render
from serving.roles import Role

TITLE = "质量"
HEADS = {"function": "职能", "level": "层级", "unit": "单位", "category": "诉求类别", "disposition": "处置方式"}
_DEFAULT = 30


@dataclass(frozen=True)
class _Shown:
    told: str
    html: str


def add() -> None:
    """Register the page."""

    @ui.page("/quality", title=titled(TITLE))
    async def quality_page(request: Request) -> Response | None:
        seat = await take_seat(request, Role.SUPERVISOR)
        if isinstance(seat, Response):
            return seat
        days = _days(request.query_params.get("days", ""))
        ledger = ledger_of(seat.room)
        ui.add_head_html(f'<link rel="stylesheet" href="{MOUNT}/static/quality.css">')
        with frame(seat, TITLE):
            ui.html(_periods(days), sanitize=False).classes("periods")
            told = ui.label("").classes("quiet").props('role=status data-test="period"')
            content = ui.html("", sanitize=False).classes("figures").props('data-test="figures"')

            async def fill() -> None:
                try:
                    shown = await seat.read(_figures, seat, ledger, days)
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


def ledger_of(room: Room) -> Ledger:
    """The ledger of the application, made at first use."""
    state = room.app.state
    if not hasattr(state, "ledger"):
        state.ledger = Ledger(room.store)
    ledger: Ledger = state.ledger
    return ledger


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


def _figures(seat: Seat, ledger: Ledger, days: int) -> _Shown:
    """Runs in a thread."""
    room = seat.room
    facts = ledger.facts()
    figures = quality(facts, days, room.engine.router.bundle.version)
    order = room.shadow.order
    html = render(
        "quality.html.j2",
        figures=figures,
        returns=returned(room.store, figures.since),
        shadow=compare(facts, order.bundle.version if order else "", figures.since.timestamp()),
        picture=flow_picture.draw(figures.flows),
        points=reliability_picture.draw(figures.calibration),
        heads=HEADS,
        names=_names(room),
    )
    since, until = (moment.astimezone(CHINA_TIME) for moment in (figures.since, figures.until))
    first = since + timedelta(seconds=1)
    return _Shown(f"{first:%Y-%m-%d %H:%M} 至 {until:%Y-%m-%d %H:%M}（北京时间）", html)


def _names(room: Room) -> dict[str, str]:
    """What operators are called, by login and by the name their steps are written under."""
    with room.store.reading() as connection:
        found = operators.all_(connection)
    return {key: f"{one.name}（{one.login}）" for one in found for key in (one.login, one.actor.name)}
