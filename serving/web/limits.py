"""How much one request may bring, and how many of them one key may send."""

from collections.abc import Iterable
from math import ceil
from time import monotonic

from starlette.types import Message, Receive, Scope, Send

from dispatch_model.errors import DispatchError, ErrorKind
from serving.web.handlers import answer

URL_BYTES = 8 * 1024
HEADER_BYTES = 16 * 1024
MOST_HEADERS = 100

_CLOSE = (b"connection", b"close")


class RateLimit:
    """A bucket of tokens per key: `burst` at most, filled with `rate` a second; each case takes one.

    Used on the event loop's thread alone. Every process has its own.

    :param rate: 0 limits nothing.
    """

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, who: str) -> None:
        """A request of `who` comes in.

        :raises DispatchError: RATE_LIMITED, with the whole seconds until there is a token again.
        """
        if not self._rate:
            return
        tokens, now = self._level(who)
        if tokens < 1.0:
            seconds = max(1, ceil((1.0 - tokens) / self._rate))
            told = f"该密钥所发超过每秒 {self._rate:g} 件；请在 {seconds} 秒后重试，或由管理员调高 rate_limit。"
            raise DispatchError(ErrorKind.RATE_LIMITED, told, retry_after=seconds)
        self._buckets[who] = tokens - 1.0, now

    def charge(self, who: str, more: int) -> None:
        """The request that was let in carries `more` cases than one; it is not refused, the next ones may be."""
        if self._rate and more > 0:
            tokens, now = self._level(who)
            self._buckets[who] = max(tokens - more, -self._burst), now

    def _level(self, who: str) -> tuple[float, float]:
        now = monotonic()
        tokens, since = self._buckets.get(who, (self._burst, now))
        return min(self._burst, tokens + (now - since) * self._rate), now


def check_head(scope: Scope) -> None:
    """Refuse a URL or headers that no client of ours has.

    :raises DispatchError: URL_TOO_LONG or HEADERS_TOO_LARGE; INVALID_PARAMETER for a character that PostgreSQL
        cannot even compare with.
    """
    if "\x00" in scope["path"] or b"%00" in scope["query_string"]:
        raise DispatchError(ErrorKind.INVALID_PARAMETER, "网址含有空字符（%00）；请去掉。", field="url")
    length = len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"])
    if length > URL_BYTES:
        told = f"网址有 {length} 个字节，至多 {URL_BYTES}；请把内容放进请求体。"
        raise DispatchError(ErrorKind.URL_TOO_LONG, told, field="url", value=length)
    headers = scope["headers"]
    size = sum(len(name) + len(value) for name, value in headers)
    if size > HEADER_BYTES or len(headers) > MOST_HEADERS:
        told = f"请求头有 {len(headers)} 项、{size} 个字节，至多 {MOST_HEADERS} 项、{HEADER_BYTES} 个字节。"
        raise DispatchError(ErrorKind.HEADERS_TOO_LARGE, told, field="headers", value=size)


class Body:
    """One request whose body is counted as it comes in, and no further read once it is too long.

    What the application answers to a body that was cut off is replaced.

    :param limit: bytes.
    """

    def __init__(self, limit: int, receive: Receive, send: Send) -> None:
        self._limit = limit
        self._receive = receive
        self._send = send
        self._size = 0
        self._begun = False

    @property
    def refused(self) -> bool:
        """Whether it was too long, and nothing has been answered yet."""
        return self._size > self._limit and not self._begun

    async def receive(self) -> Message:
        """The next part."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._size += len(message.get("body", b""))
            if self._size > self._limit:
                return {"type": "http.disconnect"}
        return message

    async def send(self, message: Message) -> None:
        """Pass on what is answered, unless the body was too long."""
        if not self.refused:
            self._begun = True
            await self._send(message)


def declared_length(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """The Content-Length; None: not said, so that only counting tells."""
    value = next((value for name, value in headers if name == b"content-length"), None)
    return int(value) if value is not None and value.isdigit() else None


def too_large(limit: int) -> DispatchError:
    """The error for a body longer than `limit` bytes."""
    told = f"请求体超过 {limit} 个字节；请分批提交，或去掉多余内容。"
    return DispatchError(ErrorKind.BODY_TOO_LARGE, told, field="body", value=limit)


async def refuse(error: DispatchError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with `error` and end the connection: what is left of the request is not read."""
    await answer(error, {_CLOSE[0].decode(): _CLOSE[1].decode()})(scope, receive, send)
