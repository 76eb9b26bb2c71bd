from typing import Any

import pytest
from fastapi import FastAPI, Response, WebSocket
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from serving.console.origin import CLOSED, HEADERS, Origin

SITE = "http://desk.test:8000"


def browser(site: str = SITE) -> TestClient:
    app = FastAPI()

    @app.api_route("/console/step", methods=["GET", "POST", "DELETE", "OPTIONS"])
    @app.api_route("/console", methods=["GET", "POST"])
    @app.api_route("/route", methods=["GET", "POST"])
    @app.api_route("/consolex", methods=["GET", "POST"])
    async def step() -> str:
        return "done"

    @app.get("/console/own")
    async def own() -> Response:
        return Response(headers={"Cache-Control": "max-age=60", "Content-Security-Policy": "default-src 'none'"})

    @app.websocket("/console/ws")
    @app.websocket("/ws")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("live")
        await socket.close()

    app.add_middleware(Origin)
    return TestClient(app, base_url=site)


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize(
    "origin",
    [
        *(None, "", "null", "http://evil.test:8000", "http://desk.test", "http://desk.test:8001", "desk.test:8000"),
        *("http://desk.test:8000.evil.test", "ftp://desk.test:8000", "http://evil.test/desk.test:8000"),
    ],
)
def test_what_changes_something_must_come_from_our_pages(method: str, origin: str | None) -> None:
    headers = {} if origin is None else {"Origin": origin}
    answer = browser().request(method, "/console/step", headers=headers)
    assert answer.status_code == 403
    assert answer.json()["kind"] == "forbidden"
    assert "proxy_set_header Host" in answer.json()["message"]
    assert answer.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("origin", [SITE, "https://desk.test:8000", "HTTP://Desk.Test:8000"])
def test_our_own_pages_may(origin: str) -> None:
    client = browser()
    for path in ("/console", "/console/step"):
        assert client.post(path, headers={"Origin": origin}).json() == "done"


@pytest.mark.parametrize(
    ("site", "origin"),
    [
        ("http://desk.test", "https://desk.test"),  # a proxy speaks TLS, we do not
        ("http://desk.test", "https://desk.test:443"),
        ("http://desk.test", "http://desk.test:80"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_a_port_that_goes_without_saying_need_not_be_said(site: str, origin: str) -> None:
    assert browser(site).post("/console/step", headers={"Origin": origin}).status_code == 200


def test_two_origins_or_two_hosts_are_none() -> None:
    client = browser()
    twice: Any = [("Origin", SITE), ("Origin", SITE)]
    assert client.post("/console/step", headers=twice).status_code == 403
    hosts: Any = [("Origin", SITE), ("Host", "desk.test:8000"), ("Host", "desk.test:8000")]
    assert client.post("/console/step", headers=hosts).status_code == 403


def test_reading_needs_no_origin_and_gets_the_headers() -> None:
    client = browser()
    for method in ("GET", "HEAD", "OPTIONS"):
        answer = client.request(method, "/console/step", headers={"Origin": "http://evil.test"})
        assert answer.status_code in (200, 405)
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS


def test_what_an_answer_says_itself_stays() -> None:
    headers = browser().get("/console/own").headers
    assert headers.get_list("cache-control") == ["max-age=60"]
    assert headers.get_list("content-security-policy") == ["default-src 'none'"]


@pytest.mark.parametrize("path", ["/route", "/consolex"])
def test_other_paths_are_left_alone(path: str) -> None:
    answer = browser().post(path)
    assert answer.status_code == 200
    assert "content-security-policy" not in answer.headers


@pytest.mark.parametrize("headers", [{}, {"Origin": "http://evil.test"}, {"Origin": "null"}])
def test_a_websocket_of_another_site_is_closed(headers: dict[str, str]) -> None:
    client = browser()
    with pytest.raises(WebSocketDisconnect) as caught, client.websocket_connect("/console/ws", headers=headers):
        pass
    assert caught.value.code == CLOSED
    with client.websocket_connect("/ws", headers=headers) as socket:
        assert socket.receive_text() == "live"


def test_a_websocket_of_ours_is_open() -> None:
    with browser().websocket_connect("/console/ws", headers={"Origin": SITE, "Host": "desk.test:8000"}) as socket:
        assert socket.receive_text() == "live"
