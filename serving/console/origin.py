"""Refuses what a page of another site makes an operator's browser send; says what our pages may load."""

from collections.abc import Sequence

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dispatch_model.errors import DispatchError, ErrorKind
from serving.web.handlers import answer

ROOT = "/console"
CLOSED = 4403
# NiceGUI's pages carry their scripts inside them, and its client runs what the server sends by `eval`.
CONTENT = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_PORTS = {"http": "80", "https": "443"}


class Origin:
    """ASGI middleware for the paths of the console; others pass as they are.

    Every method that changes something, and every WebSocket, needs an `Origin` with the host and port of `Host`.
    Headers that an answer has already are left to it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request in, or answer why not."""
        kind = scope["type"]
        if kind not in ("http", "websocket") or not _ours(scope["path"]):
            await self._app(scope, receive, send)
            return
        error = _refusal(scope) if kind == "websocket" or scope["method"] not in _SAFE else None
        if kind == "websocket":
            if error:
                await send({"type": "websocket.close", "code": CLOSED, "reason": "origin"})
            else:
                await self._app(scope, receive, send)
            return

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await (answer(error) if error else self._app)(scope, receive, secured)


def _ours(path: str) -> bool:
    return path == ROOT or path.startswith(f"{ROOT}/")


def _refusal(scope: Scope) -> DispatchError | None:
    """Why a request may not come in; None: it may."""
    origins, hosts = _values(scope, b"origin"), _values(scope, b"host")
    scheme, _, authority = (origins[0] if len(origins) == 1 else "").partition("://")
    port = _PORTS.get(scheme)
    if port and len(hosts) == 1 and authority.removesuffix(f":{port}") == hosts[0].removesuffix(f":{port}") != "":
        return None
    host = "、".join(hosts)
    told = (
        f"请求来自 {'、'.join(origins) or '未说明的页面（缺少 Origin）'}，不是本站（{host}）的页面；请从本站的"
        f" {ROOT} 操作。经反向代理时，请让它原样转发 Host（nginx：proxy_set_header Host $http_host）。"
    )
    return DispatchError(ErrorKind.FORBIDDEN, told, field="Origin", value="、".join(origins))


def _values(scope: Scope, name: bytes) -> Sequence[str]:
    return [value.decode("latin-1").strip().casefold() for key, value in scope["headers"] if key == name]
