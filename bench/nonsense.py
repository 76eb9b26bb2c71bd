"""Requests that no sane client sends, made by hand: bodies, texts, dates, paths and heads that once broke something."""

import json
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote, quote_from_bytes

from bench.odd_values import DATES, IDS, NASTY, NUMBERS, RAW, TEXTS
from serving.web.wire import DIALOGUE, EXAMPLE

RULES = Path(__file__).parent.parent / "configs" / "haikou"
_ACCEPT = {"action": "accept", "rank": 1, "note": "", "operator": "A017", "replaces": None, "force": False}
_OVERRIDE = {
    "action": "override",
    "unit": "海口市龙华区金贸街道办事处",
    "category": "030703",
    "level": "镇街",
    "function": "",
    "reason_code": "层级不符",
}
_RETURN = {"reason": "职能不符", "clause": "《示例办法》第十二条", "proposed_unit": "", "note": "不属本局"}
_REVIEW = {"verdict": "upheld", "note": "属实"}
_WHOLE = ({**EXAMPLE, "caller": "13800000000"}, DIALOGUE, {**EXAMPLE, "address": "龙华区金贸街道 8 号"})
_PATHS = (
    *(
        "/cases/{}",
        "/rules/{}",
        "/rules/{}.csv",
        "/rules/{}.xlsx",
        "/rules/access_list/{}",
        "/open311/v2/requests/{}.json",
    ),
    *("/open311/v2/services/{}.json", "/docs/{}", "/{}", "/admin/{}", "/static/{}"),
)
_MOMENTS = ("start_date", "end_date", "since", "day")
_QUERIES = {
    "/rules/access_list": ("category", "level", "region", "day", "q", "limit", "offset", "id"),
    "/rules/catalogue": ("category", "region", "day", "q", "limit", "offset"),
    "/rules/triggers.csv": ("version",),
    "/open311/v2/requests.json": ("service_request_id", "service_code", *_MOMENTS, "status", "page", "page_size"),
    "/open311/v2/services.json": ("jurisdiction_id",),
    "/admin/rules/history": ("kind",),
    "/admin/shadow/report": ("bundle", "since"),
    "/admin/bundles": ("x",),
    "/metrics": ("name[]",),
}
_TYPES = (
    *(b"application/json", b"application/json; charset=utf-7", b"text/plain", b"application/x-www-form-urlencoded"),
    *(
        b"multipart/form-data",
        b"multipart/form-data; boundary=",
        b"application/octet-stream",
        b"application/xml",
        b"/",
        b"",
    ),
)
_METHODS = (b"GET", b"HEAD", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"POST", b"CONNECT", b"BREW")


@dataclass(frozen=True)
class Sent:
    """One request, as bytes."""

    method: bytes
    path: bytes
    body: bytes = b""
    headers: tuple[tuple[bytes, bytes], ...] = ((b"Content-Type", b"application/json"),)
    chunked: bool = False


class Nonsense:
    """Makes requests; the same seed makes the same ones.

    :param key: shown with all of them but one in twenty; '': with none.
    """

    def __init__(self, seed: int, key: str = "") -> None:
        self._chance = Random(seed)
        self._key = key.encode()
        self._number = 0
        kinds: Sequence[tuple[Callable[[], Sent], int]] = (
            *((self._body, 60), (self._broken, 12), (self._address, 10), (self._query, 10)),
            *((self._head, 6), (self._upload, 1), (self._change, 1)),
        )
        self._kinds, self._weights = zip(*kinds, strict=True)

    def next(self) -> Sent:
        """One more."""
        (kind,) = self._chance.choices(self._kinds, self._weights)
        made: Sent = kind()
        if not self._key or self._chance.random() < 0.05:
            return made
        return replace(made, headers=((b"Authorization", b"Bearer " + self._key), *made.headers))

    def _body(self) -> Sent:
        """A body of the right kind with something wrong in it, most of the time."""
        path, body = self._plain()
        for _ in range(self._chance.choice((0, 1, 1, 1, 2, 4))):
            body = self._spoil(body)
        return Sent(b"POST", path, dumped(body))

    def _plain(self) -> tuple[bytes, Any]:
        about = f"/cases/{quote(self._chance.choice(IDS[:4]), safe='')}"
        pairs: list[tuple[str, Any]] = [
            *(("/route", self._case()) for _ in range(4)),
            ("/route/batch", {"cases": [self._case() for _ in range(self._chance.choice((0, 1, 2, 5)))]}),
            (f"{about}/decision", self._chance.choice((_ACCEPT, _OVERRIDE))),
            (f"{about}/return", _RETURN),
            (f"{about}/return/review", _REVIEW),
        ]
        path, body = self._chance.choice(pairs)
        return path.encode(), deepcopy(body)

    def _case(self) -> dict[str, Any]:
        self._number += 1
        told = self._chance.choice(_WHOLE)
        return {**told, "case_id": f"N-{self._number}"} if self._chance.random() < 0.7 else dict(told)

    def _spoil(self, node: Any) -> Any:
        """Something in `node` is another value, gone, there twice, or deeper than before."""
        if isinstance(node, dict) and node and self._chance.random() < 0.85:
            key = self._chance.choice(list(node))
            return self._spoil_in(node, key)
        if isinstance(node, list) and node and self._chance.random() < 0.85:
            return self._spoil_in(node, self._chance.randrange(len(node)))
        return deepcopy(self._chance.choice(NASTY))

    def _spoil_in(self, node: Any, key: Any) -> Any:
        act = self._chance.random()
        if act < 0.1:
            del node[key]
        elif act < 0.2 and isinstance(node, dict):
            node[self._chance.choice(("__proto__", "", "x" * 5000, "case_id ", "转写", "\x00"))] = node[key]
        else:
            node[key] = self._spoil(node[key])
        return node

    def _broken(self) -> Sent:
        """A body that is not what its head says."""
        path, body = self._plain()
        text = json.dumps(body, ensure_ascii=False)
        plain = text.encode()
        forms = (
            *(
                plain[: self._chance.randrange(len(plain))],
                plain + b"}",
                b"\xef\xbb\xbf" + plain,
                text.encode("utf-16"),
            ),
            *(
                text.encode("gb18030"),
                b"",
                b"[" * 100_000,
                b'{"a":' * 50_000,
                b"\xff\xfe\x00",
                b"null",
                b'"',
                b"1" * 5000,
            ),
            *(plain.replace(b'"', b"'"), b"\x1f\x8b" + plain, b"a=b&c=d", plain * 2, bytes(5000), b"-" + plain),
        )
        headers = [(b"Content-Type", self._chance.choice(_TYPES))]
        if self._chance.random() < 0.2:
            headers.append((b"Content-Encoding", b"gzip"))
        return Sent(b"POST", path, self._chance.choice(forms), tuple(headers), self._chance.random() < 0.3)

    def _address(self) -> Sent:
        """A path with something odd in it."""
        odds: list[str | bytes] = [*IDS, *(text for text in TEXTS if len(text) < 400), *RAW]
        odd = self._chance.choice(odds)
        part = odd if isinstance(odd, bytes) else quoted(odd)
        path = str(self._chance.choice(_PATHS)).encode().replace(b"{}", part)
        end = self._chance.choice((b"", b"", b"/", b"/decision", b"/return", b"/return/review"))
        method = b"GET" if self._chance.random() < 0.5 else self._chance.choice(_METHODS)
        return Sent(method, path + end, b"{}")

    def _query(self) -> Sent:
        """A query string with something odd in one or two of its values."""
        path = self._chance.choice(list(_QUERIES))
        names = self._chance.choices(_QUERIES[path], k=self._chance.choice((1, 1, 2)))
        pairs = b"&".join(b"%b=%b" % (name.encode(), self._value(name)) for name in names)
        return Sent(b"GET", path.encode() + b"?" + pairs, headers=())

    def _value(self, name: str) -> bytes:
        short = [text for text in TEXTS if len(text) < 400]
        pools: list[Sequence[Any]] = [DATES, DATES, short] if name in _MOMENTS else [short, NUMBERS, DATES, RAW]
        value = self._chance.choice(self._chance.choice(pools))
        return value if isinstance(value, bytes) else quoted(str(value)[:2000])

    def _head(self) -> Sent:
        """Headers that are odd, many or long."""
        path, body = self._plain()
        value = self._chance.choice(
            (b"", b" ", b"\xff\xfe", b"x" * 5000, b"x" * 40_000, b"Bearer ", b"Bearer \xff", b"0")
        )
        names = (b"Authorization", b"X-Request-ID", b"traceparent", b"Accept", b"Accept-Encoding", b"Content-Length")
        headers = ((b"Content-Type", b"application/json"), (self._chance.choice((*names, b"Host", b"Origin")), value))
        many = tuple((b"X-%d" % number, b"1") for number in range(self._chance.choice((0, 0, 99, 300))))
        return Sent(b"POST", path, dumped(body), headers + many)

    def _upload(self) -> Sent:
        """A rule file with some bytes changed, or none."""
        kind = self._chance.choice(("access_list", "catalogue", "triggers"))
        content = bytearray((RULES / f"{kind}.csv").read_bytes())
        for _ in range(self._chance.choice((0, 1, 20))):
            content[self._chance.randrange(len(content))] = self._chance.randrange(256)
        content = self._chance.choice((content, content, bytearray(b"PK\x03\x04") + content[:3000], content[:300]))
        dry = self._chance.choice(("true", "false", "x"))
        return Sent(b"POST", f"/admin/rules?kind={kind}&dry_run={dry}".encode(), bytes(content), ())

    def _change(self) -> Sent:
        """A change of what is in force."""
        paths = (
            *("/admin/rules/rollback?kind=access_list", "/admin/rules/rollback?kind=triggers&version=x"),
            *("/admin/bundle?path=copy&dry_run=true", "/admin/bundle?path=..", "/admin/bundle?path=%00"),
            *("/admin/bundle/rollback", "/admin/shadow?path=copy&share=0.1", "/admin/shadow?path=copy&share=nan"),
        )
        return Sent(b"POST", self._chance.choice(paths).encode(), b"", ())


def dumped(body: Any) -> bytes:
    """JSON, in one of the forms that clients write; half an emoji is left as it is escaped."""
    return json.dumps(body).encode()


def quoted(text: str) -> bytes:
    """Text as a part of a URL."""
    return quote_from_bytes(text.encode("utf-8", "surrogatepass"), safe="").encode()
