"""Signing in and out of the console: a plain form, which works without scripts."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from hmac import compare_digest
from importlib.resources import files
from re import ASCII, compile, split
from urllib.parse import parse_qsl, unquote

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, StrictUndefined, Template

from dispatch_model.errors import DispatchError, ErrorKind
from serving.guard.sessions import Sessions
from serving.web.problems import STATUS

HOME = "/console/"
PATH = "/console/login"
COOKIE = "dispatch_console"
FORM_COOKIE = "dispatch_console_form"
FIRST = "dispatch operators add admin --name 管理员 --role admin"
BODY_BYTES = 8 * 1024
AT_ONCE = 2  # each sign-in holds 64 MiB and several cores for its hash; the others wait

_NONCE = compile(r"[\w-]{20,64}", ASCII)
_COOKIE_PATH = "/console"
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
}


@dataclass(frozen=True)
class Form:
    """What was typed.

    :param to: where to go afterwards, a path of the console.
    :param token: that came with the form.
    """

    login: str = ""
    password: str = ""
    to: str = HOME
    token: str = ""


def login_routes(sessions: Sessions | None = None) -> APIRouter:
    """`GET` and `POST /console/login`, `POST /console/logout`.

    :param sessions: None takes `app.state.sessions` at each request, for an application whose store is not open yet.
    """
    routes, limiter = APIRouter(include_in_schema=False), CapacityLimiter(AT_ONCE)

    @routes.get(PATH)
    def page(request: Request) -> Response:
        found, to = _sessions(request, sessions), inside(request.query_params.get("next", ""))
        if found.operator_of(request.cookies.get(COOKIE)):
            return RedirectResponse(to, status_code=303, headers={"Cache-Control": "no-store"})
        return _page(request, found, Form(to=to))

    @routes.post(PATH)
    async def sign_in(request: Request) -> Response:
        found, form = _sessions(request, sessions), Form()
        try:
            form = await _form(request)
            await to_thread.run_sync(partial(_check_token, request, found, form))
            address = request.client.host if request.client else ""
            opened = partial(found.open, form.login, form.password, address=address)
            token = await to_thread.run_sync(opened, limiter=limiter)
            if before := request.cookies.get(COOKIE):
                await to_thread.run_sync(found.close, before)
        except DispatchError as error:
            return await to_thread.run_sync(partial(_page, request, found, form, error))
        response = RedirectResponse(form.to, status_code=303, headers={"Cache-Control": "no-store"})
        _set(response, request, COOKIE, token)
        response.delete_cookie(FORM_COOKIE, path=_COOKIE_PATH)
        return response

    @routes.post("/console/logout")
    def sign_out(request: Request) -> Response:
        if token := request.cookies.get(COOKIE):
            _sessions(request, sessions).close(token)
        response = RedirectResponse(PATH, status_code=303, headers={"Cache-Control": "no-store"})
        response.delete_cookie(COOKIE, path=_COOKIE_PATH)
        return response

    return routes


def inside(path: str) -> str:
    """`path` when it is one of the console's pages, else the first of them: nobody is led to another site."""
    plain = unquote(path)
    steps = unquote(split("[?#]", path)[0]).split("/")
    if steps[:2] != ["", "console"] or "\\" in plain or not plain.isprintable():
        return HOME
    led_away = {".", ".."} & set(steps) or "" in steps[2:-1] or steps[2:] in (["login"], ["logout"])
    return HOME if led_away else path


async def _form(request: Request) -> Form:
    """What a browser sent as `application/x-www-form-urlencoded`.

    :raises DispatchError: BODY_TOO_LARGE, INVALID_BODY.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > BODY_BYTES:
            raise DispatchError(ErrorKind.BODY_TOO_LARGE, "所填内容过长；请核对后重填。")
    try:
        given = dict(parse_qsl(bytes(body).decode(), keep_blank_values=True, max_num_fields=10, errors="replace"))
    except ValueError:
        raise DispatchError(ErrorKind.INVALID_BODY, "所填内容无法读取；请刷新页面后重填。") from None
    named = {name: given.get(name, "") for name in ("login", "password", "token")}
    return Form(**named, to=inside(given.get("next", "")))


def _check_token(request: Request, sessions: Sessions, form: Form) -> None:
    nonce = request.cookies.get(FORM_COOKIE, "")
    if not _NONCE.fullmatch(nonce) or not compare_digest(sessions.form_token(nonce).encode(), form.token.encode()):
        raise DispatchError(ErrorKind.FORBIDDEN, "登录页已过期，或浏览器没有保存 Cookie；请重新填写密码再登录。")


def _page(request: Request, sessions: Sessions, form: Form, error: DispatchError | None = None) -> Response:
    """The form; with `error` as it is shown again, without the password."""
    nonce = request.cookies.get(FORM_COOKIE, "")
    if not _NONCE.fullmatch(nonce):
        nonce = secrets.token_urlsafe()
    page = _template().render(
        path=PATH,
        login=form.login,
        to=form.to,
        token=sessions.form_token(nonce),
        error=error.message if error else "",
        first="" if sessions.anybody() else FIRST,
    )
    status = STATUS[error.kind] if error else 200
    # A refused login may hold half an emoji, which has no UTF-8 form.
    response = HTMLResponse(page.encode("utf-8", "replace"), status, {**_HEADERS, **_told(status, error)})
    _set(response, request, FORM_COOKIE, nonce)
    return response


def _told(status: int, error: DispatchError | None) -> Mapping[str, str]:
    """What a client must be told beside the page (RFC 9110)."""
    if status == 401:
        return {"WWW-Authenticate": f'Cookie form-action="{PATH}"'}
    return {"Retry-After": str(error.retry_after)} if error and error.retry_after else {}


def _set(response: Response, request: Request, name: str, value: str) -> None:
    secure = request.url.scheme == "https"
    response.set_cookie(name, value, path=_COOKIE_PATH, secure=secure, httponly=True, samesite="strict")


def _sessions(request: Request, given: Sessions | None) -> Sessions:
    found: Sessions | None = given or getattr(request.app.state, "sessions", None)
    if found is None:
        raise DispatchError(ErrorKind.NOT_READY, "服务正在启动或停止；请稍后重试。")
    return found


@cache
def _template() -> Template:
    text = files(__package__).joinpath("login.html.j2").read_text(encoding="utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined).from_string(text)
