"""`POST /route` as intake systems send it, without the parts of FastAPI that it does not need.

Python that runs between two runs of the model comes from cold caches, so what counts is how much of it there is. The
route in `serving.app` stays where the interface is declared and documented, and where everything goes that is not
plain: another content type, no declared length, a body that is no good case.
"""

import json
from collections.abc import Sequence
from typing import Any

from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dispatch_model.cases import Case
from dispatch_model.errors import DispatchError
from serving.engine import Engine
from serving.web.handlers import told

PATH = "/route"
_JSON = b"application/json"
_OK = 200


class Express:
    """ASGI middleware right before the routes.

    :param routes: of the application; what is answered here counts for the one of the same path.
    """

    def __init__(self, app: ASGIApp, routes: Sequence[BaseRoute]) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a plain case; pass everything else on as it came."""
        engine: Engine | None = _engine(scope) if _is_plain(scope) else None
        if engine is None:
            await self._app(scope, receive, send)
            return
        messages = await _whole(receive)
        case = _case(messages)
        if case is None:
            await self._app(scope, _again(messages, receive), send)
            return
        scope["route"] = next((one for one in self._routes if getattr(one, "path", "") == PATH), None)
        try:
            reply = await engine.answer(case)
        except DispatchError as error:
            await told(error)(scope, receive, send)
            return
        await _send(reply.encode("utf-8", "replace"), send)


def _is_plain(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
        return False
    headers = dict(scope["headers"])
    return headers.get(b"content-type") == _JSON and b"content-length" in headers


def _engine(scope: Scope) -> Engine | None:
    """None while the service starts or stops."""
    return getattr(scope["app"].state, "engine", None)


async def _whole(receive: Receive) -> list[Message]:
    """All parts of the body, or what came before the client went away."""
    messages = [await receive()]
    while messages[-1].get("more_body", False):
        messages.append(await receive())
    return messages


def _again(messages: list[Message], receive: Receive) -> Receive:
    """`receive` that begins with what was read already."""
    rest = iter(messages)

    async def again() -> Message:
        return next(rest, None) or await receive()

    return again


def _case(messages: Sequence[Message]) -> Case | None:
    """The case a body holds; None: somebody else has to say what is wrong with it."""
    if messages[-1]["type"] != "http.request":
        return None
    try:
        given: Any = json.loads(b"".join(message.get("body", b"") for message in messages))
        return Case.model_validate(given)
    except (ValueError, RecursionError):
        return None


async def _send(body: bytes, send: Send) -> None:
    headers = [(b"content-length", str(len(body)).encode()), (b"content-type", _JSON)]
    await send({"type": "http.response.start", "status": _OK, "headers": headers})
    await send({"type": "http.response.body", "body": body})
