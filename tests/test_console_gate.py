from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI, WebSocket
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from serving.console.gate import Gate
from serving.console.login import COOKIE, login_routes
from serving.guard import operators
from serving.guard.passwords import Hash
from serving.guard.roles import Role
from serving.guard.sessions import Sessions
from serving.store.seal import Seal
from serving.store.store import Store
from serving.web.handlers import add_handlers

GOOD = "three blue doors"
WEAK = Hash(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(GOOD))
SOCKET = "/console/_nicegui_ws/socket.io/"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sessions]:
    monkeypatch.setattr("serving.guard.passwords.renewed", lambda *_: None)
    store = Store.open(tmp_path / "dispatch.db", seal=Seal.of("a key for tests, of some length"))
    store.write(partial(operators.add, login="zhang", password=WEAK, name="张三", role=Role.OPERATOR, actor="cli:t"))
    yield Sessions(store)
    store.close()


def browser(desk: Sessions | None, reached: list[str]) -> TestClient:
    """A console whose inside notes what came to it."""
    app = FastAPI()
    app.state.sessions = desk
    app.include_router(login_routes())

    @app.websocket("/console/{path:path}")
    async def socket(websocket: WebSocket, path: str) -> None:
        reached.append(path)
        await websocket.accept()
        await websocket.close()

    @app.api_route("/{path:path}", methods=["GET", "POST"])
    def inside(path: str) -> str:
        reached.append(path)
        return path

    app.add_middleware(Gate)
    add_handlers(app)
    return TestClient(app, base_url="http://console.test", follow_redirects=False)


def test_without_a_session_pages_lead_to_the_login_and_nothing_else_answers(desk: Sessions) -> None:
    reached: list[str] = []
    client = browser(desk, reached)
    for cookies in ({}, {COOKIE: "made up"}):
        client.cookies.update(cookies)
        page = client.get("/console/case/a%2Fb?state=asked")
        assert page.status_code == 303
        assert page.headers["location"] == "/console/login?next=%2Fconsole%2Fcase%2Fa%2Fb%3Fstate%3Dasked"
        assert client.get("/console/no-such-page").status_code == 303
        for path in (SOCKET, "/console/_nicegui/client/x/upload/3"):
            assert client.get(path).status_code == 401
            assert client.post(path, files={"file": b"x"}).status_code == 401
        with pytest.raises(WebSocketDisconnect), client.websocket_connect(SOCKET):
            pass
    assert reached == []


def test_login_files_and_what_is_no_console_need_no_session(desk: Sessions) -> None:
    reached: list[str] = []
    client = browser(desk, reached)
    assert client.get("/console/login").status_code == 200
    assert client.post("/console/logout").headers["location"] == "/console/login"
    for path in ("/console/static/console.css", "/route", "/consoles/x"):
        assert client.get(path).status_code == 200
    assert reached == ["console/static/console.css", "route", "consoles/x"]


def test_a_session_lets_everything_in_until_it_ends(desk: Sessions) -> None:
    reached: list[str] = []
    client = browser(desk, reached)
    token = desk.open("zhang", GOOD, address="::1")
    client.cookies.set(COOKIE, token)
    assert client.get("/console/").status_code == 200
    assert client.post("/console/_nicegui/client/x/upload/3").status_code == 200
    with client.websocket_connect(SOCKET):
        pass
    assert len(reached) == 3
    desk.close(token)
    assert client.get("/console/").status_code == 303
    assert len(reached) == 3


def test_before_the_service_has_started_nobody_is_let_in() -> None:
    reached: list[str] = []
    assert browser(None, reached).get("/console/").status_code == 503
    assert reached == []
