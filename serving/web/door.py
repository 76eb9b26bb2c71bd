"""The first thing a request meets: what cannot be taken on is refused before its body is read.

Under four times the load that can be served most requests end here, and what each costs is taken from those inside.
"""

from collections.abc import Sequence

from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.web.admission import Admission
from serving.web.handlers import answer

WORK = frozenset({"/route", "/route/batch"})
_CLOSE = (b"connection", b"close")


class Door:
    """ASGI middleware before the routes that need the model.

    :param routes: of the application; a refusal counts for the route it was meant for.
    """

    def __init__(self, app: ASGIApp, admission: Admission, routes: Sequence[BaseRoute]) -> None:
        self._app = app
        self._admission = admission
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._admission.leaving:
            send = _parting(send)
        error = self._admission.refusal() if scope["path"] in WORK and scope["method"] == "POST" else None
        if error is None:
            await self._app(scope, receive, send)
            return
        self._admission.refused += 1
        scope["route"] = next((one for one in self._routes if getattr(one, "path", "") == scope["path"]), None)
        await answer(error)(scope, receive, send)


def _parting(send: Send) -> Send:
    """`send`, telling the client to take another connection for its next request: this one will soon be closed."""

    async def parting(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), _CLOSE]
        await send(message)

    return parting
