import asyncio
import logging
import threading
from typing import Any

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.monitoring import observer as module
from serving.monitoring.observer import Observer, Watched
from serving.web.exchange import CLIENT_GONE, Exchange, current

SCOPE: dict[str, Any] = {"type": "http", "method": "GET", "path": "/", "headers": [(b"x-request-id", b"r-1")]}


def some(count: int) -> list[Exchange]:
    return [Exchange.of(SCOPE, "own-1") for _ in range(count)]


def ask(app: ASGIApp, scope: dict[str, Any] = SCOPE) -> list[Message]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    async def call() -> None:
        await app(dict(scope), receive, send)

    asyncio.run(call())
    return sent


def test_exchanges_are_handed_to_every_sink_in_order() -> None:
    one: list[Exchange] = []
    other: list[Exchange] = []
    observer = Observer([one.append, other.append], lambda _: None)
    exchanges = some(20)
    for exchange in exchanges:
        observer.add(exchange)
    assert one == []
    observer.flush()
    assert one == other == exchanges


def test_a_sink_that_fails_keeps_nothing_from_the_others(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: Exchange) -> None:
        raise ValueError("来电人李蕉 13812345678")

    seen: list[Exchange] = []
    lost: list[str] = []
    observer = Observer([broken, seen.append], lost.append)
    for exchange in some(2):
        observer.add(exchange)
    observer.flush()
    assert len(seen) == 2
    assert lost == ["fault", "fault"]
    assert "not observed: ValueError at" in caplog.text
    assert "李蕉" not in caplog.text


def test_what_cannot_be_held_is_counted_as_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_WAITING", 2)
    seen: list[Exchange] = []
    lost: list[str] = []
    observer = Observer([seen.append], lost.append)
    for exchange in some(5):
        observer.add(exchange)
    observer.flush()
    assert (len(seen), lost) == (2, ["full"] * 3)


def test_looking_happens_in_a_thread_of_its_own() -> None:
    seen = threading.Event()
    names: list[str] = []

    def sink(_: Exchange) -> None:
        names.append(threading.current_thread().name)
        seen.set()

    observer = Observer([sink], lambda _: None)
    observer.start(lambda: None)
    observer.add(some(1)[0])
    assert seen.wait(5)
    observer.close()
    assert names == ["observer"]


def test_closing_hands_on_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 60)
    seen: list[Exchange] = []
    looks: list[int] = []
    observer = Observer([seen.append], lambda _: None)
    observer.start(lambda: looks.append(1))
    for exchange in some(3):
        observer.add(exchange)
    observer.close()
    assert (len(seen), looks) == (3, [1])


async def _hello(_: Scope, __: Receive, send: Send) -> None:
    exchange = current.get()
    assert exchange is not None
    exchange.stages = {"infer": 8.0}
    await send({"type": "http.response.start", "status": 201, "headers": [(b"a", b"b")]})
    await send({"type": "http.response.body", "body": b"hello"})


async def _breaks(_: Scope, __: Receive, ___: Send) -> None:
    raise ValueError("gone")


def watched(app: ASGIApp) -> tuple[Watched, Observer, list[Exchange]]:
    seen: list[Exchange] = []
    observer = Observer([seen.append], lambda _: None)
    return Watched(app, observer), observer, seen


def test_a_response_says_its_id_and_timings() -> None:
    app, observer, seen = watched(_hello)
    start, body = ask(app)
    headers = dict(start["headers"])
    assert headers[b"a"] == b"b"
    assert headers[b"x-request-id"] == b"r-1"
    assert headers[b"server-timing"].startswith(b"infer;dur=8.000, total;dur=")
    assert body["body"] == b"hello"
    observer.flush()
    assert [(one.status, one.request_id) for one in seen] == [(201, "r-1")]
    assert observer.in_flight == 0


def test_a_request_without_a_response_is_seen_too() -> None:
    app, observer, seen = watched(_breaks)
    with pytest.raises(ValueError, match="gone"):
        ask(app)
    observer.flush()
    assert [one.status for one in seen] == [CLIENT_GONE]
    assert observer.in_flight == 0
    assert current.get() is None


def test_every_request_has_an_id_of_its_own() -> None:
    scope = {**SCOPE, "headers": []}
    given = [dict(ask(watched(_hello)[0], scope)[0]["headers"])[b"x-request-id"] for _ in range(3)]
    app = watched(_hello)[0]
    given += [dict(ask(app, scope)[0]["headers"])[b"x-request-id"] for _ in range(3)]
    assert len(set(given)) == 6


def test_what_is_no_request_passes_by() -> None:
    scopes: list[str] = []

    async def app(scope: Scope, _: Receive, __: Send) -> None:
        scopes.append(scope["type"])

    wrapped, observer, seen = watched(app)
    ask(wrapped, {"type": "lifespan"})
    observer.flush()
    assert (scopes, seen) == (["lifespan"], [])


def test_the_log_of_a_fault_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        raise KeyError("x")

    lost: list[str] = []
    observer = Observer([], lost.append)
    observer.start(broken)
    observer.close()
    assert lost
    assert {record.levelno for record in caplog.records} == {logging.ERROR}
