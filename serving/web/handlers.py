"""Whatever goes wrong in a request leaves as problem+json; the status comes from the one table."""

import json
import logging
from collections.abc import Mapping

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dispatch_model.errors import DispatchError, ErrorKind
from serving.routing import internal
from serving.web.exchange import note_error
from serving.web.problems import MEDIA_TYPE, STATUS, TITLES, invalid_body, invalid_case, invalid_parameter, problem

RETRY_AFTER_SECONDS = 1  # where an error does not say

_TRY_AGAIN = frozenset({429, 503})

logger = logging.getLogger(__name__)
_SENTENCES = {
    ErrorKind.INVALID_BODY: "请求体不是 UTF-8 编码的 JSON；请核对编码（GBK 文本需先转为 UTF-8）。",
    ErrorKind.NOT_FOUND: "没有这个路径；可用的见 /docs。",
    ErrorKind.METHOD_NOT_ALLOWED: "该路径不支持这个方法；可用的见 /docs。",
}


def add_handlers(app: FastAPI) -> None:
    """Register the kinds of failure a request can end in."""
    app.add_middleware(_Shield)
    app.add_exception_handler(DispatchError, _on_dispatch_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_error)


class _Shield:
    """Answers what nothing else caught; a handler of `Exception` would still let the server log its message."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def noted(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception as error:
            if scope["type"] != "http" or started:
                raise
            await answer(internal(error))(scope, receive, send)


async def _on_dispatch_error(_: Request, error: Exception) -> Response:
    if not isinstance(error, DispatchError):
        raise error
    return told(error)


def told(error: DispatchError) -> Response:
    """The response to what the service itself raised; a fault of ours is logged."""
    if STATUS[error.kind] >= 500:
        logger.error("%s: %s", error.kind.value, error.message)
    return answer(error)


async def _on_invalid_request(_: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    items = error.errors()
    if items[0]["loc"][0] == "query":
        return answer(invalid_parameter(items))
    return answer(invalid_body(items) or invalid_case(items))


async def _on_http_error(_: Request, error: Exception) -> Response:
    """Starlette's and FastAPI's own refusals: unknown path, wrong method, a body that cannot be decoded."""
    if not isinstance(error, HTTPException):
        raise error
    kinds = {status: kind for kind, status in STATUS.items() if kind in _SENTENCES}
    kind = kinds.get(error.status_code, ErrorKind.INTERNAL)
    field = "body" if kind is ErrorKind.INVALID_BODY else None
    return answer(DispatchError(kind, _SENTENCES.get(kind, TITLES[kind]), field=field), error.headers)


def answer(error: DispatchError, headers: Mapping[str, str] | None = None) -> Response:
    """The response that tells `error`; it counts as what the request ended in."""
    status = STATUS[error.kind]
    note_error(error.kind)
    # A refused value may hold half an emoji, which has no UTF-8 form.
    body = json.dumps(problem(error), ensure_ascii=False).encode("utf-8", "replace")
    return Response(body, status, {**(headers or {}), **_headers(status, error)}, MEDIA_TYPE)


def _headers(status: int, error: DispatchError) -> dict[str, str]:
    """What a client must be told beside the problem (RFC 9110)."""
    if status == 401:
        return {"WWW-Authenticate": "Bearer"}
    return {"Retry-After": str(error.retry_after or RETRY_AFTER_SECONDS)} if status in _TRY_AGAIN else {}
