"""What all pages of the console share: the way in, the head with its places, the look, the keys that work everywhere.

@ui.page("/rules", title=titled("规则"))
async def rules_page(request: Request) -> Response | None:
    seat = await take_seat(request)
    if isinstance(seat, Response):
        return seat
    with frame(seat, "规则"):
        ui.label("…")
    return None
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from nicegui import app as console
from nicegui import ui

from serving.console.login import COOKIE
from serving.console.room import Room, Seat
from serving.guard.roles import Role

MOUNT = "/console"
THEME_COOKIE = "dispatch_theme"
PRODUCT = "12345 智能派单"
PATIENCE = 30.0  # seconds a page may take before its reader is told, in English, that it did not come
# Title, path, who may go there, the key that goes there after g.
PLACES = (
    ("工作台", "/", Role.OPERATOR, "w"),
    ("规则", "/rules", Role.OPERATOR, "r"),
    ("质量", "/quality", Role.SUPERVISOR, "q"),
    ("标注", "/labels", Role.SUPERVISOR, "l"),
    ("系统", "/system", Role.SUPERVISOR, "s"),
)
Keys = Sequence[tuple[str, str]]
_KEYS: Keys = (
    ("g w · g r · g q · g l · g s", "去工作台 · 规则 · 质量 · 标注 · 系统"),
    ("t", "切换明暗"),
    ("?", "按键说明"),
    ("Esc", "关闭弹窗"),
)
_HEAD = (
    f'<link rel="stylesheet" href="{MOUNT}/static/console.css"><script src="{MOUNT}/static/console.js" defer></script>'
)


def titled(title: str) -> str:
    """The name of a page as the browser's tab shows it."""
    return f"{title} · {PRODUCT}"


async def take_seat(request: Request, needed: Role = Role.OPERATOR) -> Seat | Response:
    """Who opens a page; else what to answer: the way to the login page, or 403 for who may not see it."""
    room: Room = console.state.room
    seat = await Seat.of(room, request.cookies.get(COOKIE), theme=request.cookies.get(THEME_COOKIE, ""))
    if seat is None:
        path = MOUNT + request.url.path.removeprefix(MOUNT)
        wanted = f"{path}?{request.url.query}" if request.url.query else path
        return RedirectResponse(f"{MOUNT}/login?{urlencode({'next': wanted})}", status_code=303)
    if not seat.operator.role.may(needed):
        return told(f"此页需要{needed.word}权限；您是{seat.operator.role.word}，请找管理员。", 403)
    return seat


def told(sentence: str, status: int) -> HTMLResponse:
    """A page that is one sentence and the way back, where there is nothing to show."""
    head = f'<!doctype html><html lang="zh-CN"><link rel="icon" href="data:,"><title>{sentence}</title>'
    return HTMLResponse(f'{head}<p>{sentence}</p><p><a href="{MOUNT}/">返回工作台</a></p>', status_code=status)


@contextmanager
def frame(seat: Seat, title: str, keys: Keys = ()) -> Iterator[None]:
    """The page around its content.

    :param title: of the place, as in PLACES, or of a page below one.
    :param keys: (key, what it does) of the page itself, for the help.
    """
    ui.add_head_html(_HEAD)
    ui.colors(primary="#1d4f91", negative="#b3261e", positive="#1b6e3c", warning="#8a5300")
    ui.dark_mode({"dark": True, "light": False}.get(seat.theme))
    ui.html(_head(seat, title), sanitize=False, tag="header").classes("head")
    ui.html(_help([*keys, *_KEYS]), sanitize=False)
    # NiceGUI puts all of it into a <main> of its own.
    with ui.element("div").props('id=content tabindex="-1"').classes("page"):
        yield


def _head(seat: Seat, title: str) -> str:
    role = seat.operator.role
    links = "".join(
        f'<a href="{MOUNT}{path}" data-go="{key}"{_current(name, title)}>{name}</a>'
        for name, path, needed, key in PLACES
        if role.may(needed)
    )
    return (
        '<a class="skip" href="#content">跳到内容</a>'
        f'<strong class="product">{PRODUCT}</strong><nav aria-label="主导航">{links}</nav><span class="grow"></span>'
        '<span id="connection" role="status"></span>'
        '<button type="button" data-do="theme" title="切换明暗（t）">明暗</button>'
        '<button type="button" data-do="help" title="按键说明（?）" aria-haspopup="dialog">按键 ?</button>'
        f'<span class="who">{escape(seat.operator.name)}（{role.word}）</span>'
        f'<form method="post" action="{MOUNT}/logout"><button type="submit">退出</button></form>'
    )


def _current(name: str, title: str) -> str:
    return ' aria-current="page"' if name == title else ""


def _help(keys: Keys) -> str:
    rows = "".join(
        f"<tr><th scope='row'><kbd>{escape(key)}</kbd></th><td>{escape(told)}</td></tr>" for key, told in keys
    )
    return (
        f'<dialog id="keys" aria-labelledby="keys-title"><h2 id="keys-title">按键说明</h2><table>{rows}</table>'
        '<form method="dialog"><button type="submit" autofocus>知道了（Esc）</button></form></dialog>'
    )
