"""Lets nobody past the login page without a session: whoever NiceGUI answers costs it some 50 KB for a minute."""

import asyncio
from urllib.parse import urlencode

from fastapi.responses import RedirectResponse
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from dispatch_model.errors import DispatchError, ErrorKind
from serving.console.login import COOKIE, PATH
from serving.console.origin import CLOSED, ROOT
from serving.guard.sessions import Sessions
from serving.web.handlers import answer

_OPEN = frozenset({PATH, f"{ROOT}/logout"})
_FILES = f"{ROOT}/static/"
_INNER = f"{ROOT}/_nicegui"  # its scripts, its socket, its uploads: no page to come back to


class Gate:
    """ASGI middleware for the paths of the console, but login, logout and the static files of ours."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request in, send it to the login page, or answer why not."""
        if scope["type"] not in ("http", "websocket") or not _closed(scope["path"]):
            await self._app(scope, receive, send)
            return
        error = await asyncio.to_thread(_refusal, scope)
        if error is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": CLOSED, "reason": "session"})
        elif error.kind is ErrorKind.UNAUTHORIZED and _is_page(scope):
            await RedirectResponse(_login(scope), status_code=303)(scope, receive, send)
        else:
            await answer(error)(scope, receive, send)


def _closed(path: str) -> bool:
    return path.startswith(f"{ROOT}/") and path not in _OPEN and not path.startswith(_FILES)


def _is_page(scope: Scope) -> bool:
    return scope["method"] in ("GET", "HEAD") and not scope["path"].startswith(_INNER)


def _login(scope: Scope) -> str:
    query = scope["query_string"].decode("latin-1")
    wanted = f"{scope['path']}?{query}" if query else scope["path"]
    return f"{PATH}?{urlencode({'next': wanted})}"


def _refusal(scope: Scope) -> DispatchError | None:
    """Why a request may not come in; None: it may."""
    sessions: Sessions | None = getattr(scope["app"].state, "sessions", None)
    if sessions is None:
        return DispatchError(ErrorKind.NOT_READY, "服务正在启动或停止；请稍后重试。")
    try:
        known = sessions.operator_of(HTTPConnection(scope).cookies.get(COOKIE))
    except DispatchError as error:
        return error
    return None if known else DispatchError(ErrorKind.UNAUTHORIZED, f"登录已失效；请从 {PATH} 重新登录。")
