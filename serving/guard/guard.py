"""Who may do what: every request shows a key, and each path asks for one of the scopes of the one table here.

Before a body is read: head, key, scope, rate and declared length. What the table does not name needs `admin`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Send
from starlette.types import Scope as AsgiScope

from dispatch_model.errors import DispatchError, ErrorKind
from serving.guard.keyring import Keyring, is_public, unauthorized
from serving.guard.keys import LOCAL_NAME
from serving.guard.scopes import Scope
from serving.web.exchange import note_key
from serving.web.limits import Body, RateLimit, check_head, declared_length, refuse, too_large

__all__ = ["LOCAL", "OPEN_PATHS", "RULES", "STATUSES", "Actor", "Guard", "Rule", "Scope", "acting", "charge"]

STATUSES = frozenset({401, 403, 413, 414, 429, 431})  # what any path that asks for a key may answer
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/docs", "/docs/oauth2-redirect", "/redoc", "/openapi.json"})
METRICS = "/metrics"
CONSOLE = "/console"  # asks for an operator's login instead of a key, see `serving.console`
_SCHEME = b"bearer"
_READING = frozenset({"GET", "HEAD"})
_ANY = frozenset(Scope)


@dataclass(frozen=True)
class Actor:
    """Who sends a request, and what they may do."""

    name: str
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        """Whether a request of theirs may do what `scope` allows."""
        return scope in self.scopes


@dataclass(frozen=True)
class Rule:
    """Who may use a path and all below it.

    :param scopes: one of them is enough.
    :param reading: of GET and HEAD only; other methods go by the next rule that fits.
    """

    path: str
    scopes: frozenset[Scope]
    reading: bool = False

    def fits(self, path: str, method: str) -> bool:
        """Whether this rule decides."""
        if self.reading and method not in _READING:
            return False
        return path == self.path or path.startswith(f"{self.path}/")


# The first that fits decides.
RULES: Sequence[Rule] = (
    Rule("/route", frozenset({Scope.INTAKE})),
    Rule("/cases", _ANY - {Scope.ADMIN}, reading=True),
    Rule("/cases", frozenset({Scope.OPERATOR})),
    Rule("/rules", _ANY, reading=True),
    Rule("/version", _ANY, reading=True),
    Rule("/open311", frozenset({Scope.DATA}), reading=True),
    Rule(METRICS, frozenset({Scope.DATA}), reading=True),
    Rule("/admin", frozenset({Scope.ADMIN})),
)
_ELSE = Rule("", frozenset({Scope.ADMIN}))
# A rule file has a limit of its own, counted where it is read.
_UPLOADS = frozenset({"/admin/rules"})

LOCAL = Actor(LOCAL_NAME, _ANY)


async def acting(request: Request) -> Actor:
    """A dependency that names who sent the request; on a service without keys, whoever is on this machine."""
    actor: Actor = request.scope.get("actor", LOCAL)
    return actor


class Guard:
    """ASGI middleware before everything that reads a body.

    :param ring: the keys in force.
    :param rate: requests a second and key; their cases, when told by `charge`.
    :param body_limit: bytes.
    :param open_metrics: whether /metrics is shown without a key.
    """

    def __init__(
        self, app: ASGIApp, ring: Keyring, rate: RateLimit, *, body_limit: int, open_metrics: bool = True
    ) -> None:
        self._app = app
        self._ring = ring
        self._rate = rate
        self._body_limit = body_limit
        self._open = OPEN_PATHS | {METRICS} if open_metrics else OPEN_PATHS

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Let one request in, or answer why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            length = self._admit(scope)
        except DispatchError as error:
            await refuse(error, scope, receive, send)
            return
        if length is not None or scope["method"] in _READING or scope["path"] in _UPLOADS:
            await self._app(scope, receive, send)
            return
        body = Body(self._body_limit, receive, send)
        try:
            await self._app(scope, body.receive, body.send)
        except ClientDisconnect:
            if not body.refused:
                raise
        if body.refused:
            await refuse(too_large(self._body_limit), scope, receive, send)

    def _admit(self, scope: AsgiScope) -> int | None:
        """The declared length of a request that may come in; notes in `scope` who sends it.

        :raises DispatchError: why it may not.
        """
        check_head(scope)
        path = scope["path"]
        if path not in self._open and not path.startswith(f"{CONSOLE}/") and path != CONSOLE:
            scope["actor"] = self._actor(scope, path)
        length = declared_length(scope["headers"])
        if length is not None and length > self._body_limit and path not in _UPLOADS:
            raise too_large(self._body_limit)
        return length

    def _actor(self, scope: AsgiScope, path: str) -> Actor:
        headers = dict(scope["headers"])
        if self._ring.open:
            _check_local(headers)
            return LOCAL
        key = self._ring.find(_bearer(headers))
        note_key(key.name)
        method = scope["method"]
        rule = next((rule for rule in RULES if rule.fits(path, method)), _ELSE)
        if not rule.scopes & key.scopes:
            wanted = "、".join(one for one in Scope if one in rule.scopes)
            held = "、".join(sorted(key.scopes))
            told = f"密钥 {key.prefix}…（{key.name}）只有 {held} 权限，此处需要 {wanted}；请换密钥。"
            raise DispatchError(ErrorKind.FORBIDDEN, told, field="Authorization")
        self._rate.take(key.prefix)
        scope["key"] = key.prefix
        return Actor(key.name, key.scopes)


def charge(request: Request, cases: int) -> None:
    """Count a batch as the cases it carries, against the rate of the key it came with."""
    if key := request.scope.get("key"):
        rate: RateLimit = request.app.state.rate
        rate.charge(key, cases - 1)


def _bearer(headers: Mapping[bytes, bytes]) -> str:
    """The key a request shows.

    :raises DispatchError: UNAUTHORIZED when it shows none.
    """
    scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() != _SCHEME or not given.strip():
        raise unauthorized("缺少密钥")
    return given.strip().decode("latin-1")


def _check_local(headers: Mapping[bytes, bytes]) -> None:
    """Refuse what a page of another site makes the browser on this machine send; only browsers say an origin.

    A name with a dot is one that a site can point at this machine.

    :raises DispatchError: FORBIDDEN.
    """
    host = _host(headers.get(b"host", b""))
    origin = headers.get(b"origin")
    foreign = origin is not None and _host(origin.partition(b"://")[2]) != host
    if foreign or ("." in host and not host.replace(".", "").isdigit() and is_public(host)):
        told = "本服务没有密钥，只供本机使用；请以 127.0.0.1 或 localhost 访问，供他人使用请先 dispatch keys create。"
        raise DispatchError(ErrorKind.FORBIDDEN, told, field="Host", value=host)


def _host(authority: bytes) -> str:
    """The host of `host:port` or `[::1]:port`."""
    text = authority.decode("latin-1").strip().casefold()
    return text.partition("]")[0].lstrip("[") if text.startswith("[") else text.rpartition(":")[0] or text
