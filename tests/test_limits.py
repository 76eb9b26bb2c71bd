import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.types import Message

from dispatch_model.errors import DispatchError, ErrorKind
from serving.app import create_app
from serving.routing import Router
from serving.settings import Settings
from serving.web import limits
from serving.web.limits import HEADER_BYTES, MOST_HEADERS, URL_BYTES, Body, RateLimit, check_head, declared_length

LIMIT = 64 * 1024


@pytest.fixture
def client(tmp_path: Path, router: Router) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(data_dir=tmp_path, body_limit=LIMIT), router)) as client:
        yield client


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(limits, "monotonic", lambda: now[0])
    return now


def taken(rate: RateLimit, who: str) -> int | None:
    """Seconds to wait; None when let in."""
    try:
        rate.take(who)
    except DispatchError as error:
        return error.retry_after
    return None


def test_a_bucket_holds_its_burst_and_fills_with_its_rate(clock: list[float]) -> None:
    rate = RateLimit(2.0, 3)
    assert [taken(rate, "a") for _ in range(4)] == [None, None, None, 1]
    with pytest.raises(DispatchError, match="每秒 2 件") as caught:
        rate.take("a")
    assert caught.value.kind is ErrorKind.RATE_LIMITED
    assert taken(rate, "b") is None
    clock[0] += 0.5
    assert [taken(rate, "a") for _ in range(2)] == [None, 1]
    clock[0] += 1000
    assert [taken(rate, "a") for _ in range(4)] == [None, None, None, 1]


def test_the_wait_told_is_enough(clock: list[float]) -> None:
    rate = RateLimit(0.3, 1)
    assert taken(rate, "a") is None
    wait = taken(rate, "a")
    assert wait == 4
    clock[0] += wait
    assert taken(rate, "a") is None


def test_a_batch_is_let_in_and_paid_for_afterwards(clock: list[float]) -> None:
    rate = RateLimit(1.0, 10)
    assert taken(rate, "a") is None
    rate.charge("a", 255)
    assert taken(rate, "a") == 11  # never more in debt than a burst
    clock[0] += 11
    assert taken(rate, "a") is None


def test_no_rate_limits_nothing(clock: list[float]) -> None:
    rate = RateLimit(0.0, 1)
    rate.charge("a", 1000)
    assert [taken(rate, "a") for _ in range(1000)] == [None] * 1000
    assert clock == [100.0]


def scope(path: str = "/", query: bytes = b"", headers: list[tuple[bytes, bytes]] | None = None) -> dict[str, Any]:
    return {"path": path, "raw_path": path.encode(), "query_string": query, "headers": headers or []}


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        (scope("/" + "a" * URL_BYTES), ErrorKind.URL_TOO_LONG),
        (scope(query=b"a" * URL_BYTES), ErrorKind.URL_TOO_LONG),
        (scope("/cases/a\x00b"), ErrorKind.INVALID_PARAMETER),
        (scope(query=b"version=%00"), ErrorKind.INVALID_PARAMETER),
        (scope(headers=[(b"x", b"a" * HEADER_BYTES)]), ErrorKind.HEADERS_TOO_LARGE),
        (scope(headers=[(b"x", b"")] * (MOST_HEADERS + 1)), ErrorKind.HEADERS_TOO_LARGE),
    ],
)
def test_a_head_has_its_bounds(told: dict[str, Any], kind: ErrorKind) -> None:
    with pytest.raises(DispatchError) as caught:
        check_head(told)
    assert caught.value.kind is kind


def test_a_usual_head_is_within_them() -> None:
    check_head(scope("/rules/access_list", b"q=" + b"a" * 1000, [(b"authorization", b"Bearer " + b"a" * 46)] * 20))


@pytest.mark.parametrize(("value", "length"), [(b"12", 12), (b"-1", None), (b"x", None), (b"", None)])
def test_a_declared_length_is_a_number(value: bytes, length: int | None) -> None:
    assert declared_length([(b"host", b"x"), (b"content-length", value)]) == length
    assert declared_length([]) is None


def body(size: int) -> bytes:
    told = {"case_id": "1", "transcript": "路灯不亮", "city": ""}
    return json.dumps({**told, "city": " " * (size - len(json.dumps(told)))}).encode()


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_may_be_as_long_as_the_setting_and_no_longer(client: TestClient, chunked: bool) -> None:
    def post(content: bytes) -> tuple[int, dict[str, Any], str | None]:
        parts = iter([content[:1000], content[1000:]]) if chunked else content
        response = client.post("/route", content=parts, headers={"Content-Type": "application/json"})
        return response.status_code, response.json(), response.headers.get("Connection")

    assert post(body(LIMIT))[0] == 200
    status, problem, connection = post(body(LIMIT + 1))
    assert (status, problem["kind"], problem["field"], connection) == (413, "body_too_large", "body", "close")


def test_no_more_is_read_than_the_limit() -> None:
    parts, sent = iter([b"a" * 60] * 1000), []

    async def receive() -> Message:
        return {"type": "http.request", "body": next(parts), "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    async def read() -> None:
        counted = Body(100, receive, send)
        while (await counted.receive())["type"] == "http.request":
            pass
        await counted.send({"type": "http.response.start", "status": 400})
        assert counted.refused

    asyncio.run(read())
    assert len(list(parts)) == 998
    assert sent == []


def test_a_rule_file_has_a_limit_of_its_own(client: TestClient) -> None:
    response = client.post("/admin/rules?kind=triggers", content=b"x" * (LIMIT * 2))
    assert response.json()["kind"] == "invalid_rules"


@pytest.mark.parametrize(
    ("path", "headers", "status", "kind"),
    [
        ("/version?q=" + "a" * URL_BYTES, {}, 414, "url_too_long"),
        ("/version", {"X-Long": "a" * HEADER_BYTES}, 431, "headers_too_large"),
        ("/healthz", {"X-Long": "a" * HEADER_BYTES}, 431, "headers_too_large"),
    ],
)
def test_what_is_too_long_is_told(
    client: TestClient, path: str, headers: dict[str, str], status: int, kind: str
) -> None:
    response = client.get(path, headers=headers)
    assert (response.status_code, response.json()["kind"]) == (status, kind)
