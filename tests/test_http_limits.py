import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from serving.web import http_limits
from serving.web.http_limits import HEAD_BYTES, BoundedHttp


async def echo(_: Scope, receive: Receive, send: Send) -> None:
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"8")]})
    await send({"type": "http.response.body", "body": b"%8d" % size})


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    monkeypatch.setattr(http_limits, "REQUEST_SECONDS", 0.3)
    sock = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(echo, http=BoundedHttp, lifespan="off", log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
    thread.start()
    yield sock.getsockname()
    server.should_exit = True
    thread.join()


def said(client: socket.socket) -> bytes:
    client.settimeout(10)
    parts = []
    with contextlib.suppress(ConnectionResetError):
        while part := client.recv(65536):
            parts.append(part)
    return b"".join(parts)


def test_a_usual_request_is_served_and_the_connection_kept(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as client:
        for _ in range(2):
            client.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc")
            answer = client.recv(65536)
            while not answer.endswith(b"       3"):
                answer += client.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200")
            time.sleep(0.4)  # longer than a request may take


@pytest.mark.parametrize("begun", [b"GET / HTTP/1.1\r\nhost: x\r\nx-long: ", b"GET /?"])
def test_a_head_without_end_is_cut_off(address: tuple[str, int], begun: bytes) -> None:
    with socket.create_connection(address) as client:
        client.sendall(begun)
        with contextlib.suppress(ConnectionError):
            for _ in range(HEAD_BYTES // 1000 + 2):
                client.sendall(b"a" * 1000)
        assert said(client).startswith(b"HTTP/1.1 431")


@pytest.mark.parametrize(
    ("begun", "answer"),
    [
        (b"", b""),
        (b"GET / HTTP/1.1\r\nhost: x\r\n", b"HTTP/1.1 408"),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nabc", b""),
    ],
)
def test_who_never_ends_is_left(address: tuple[str, int], begun: bytes, answer: bytes) -> None:
    with socket.create_connection(address) as client:
        started = time.monotonic()
        client.sendall(begun)
        assert said(client)[: len(b"HTTP/1.1 408")] == answer
        assert 0.2 < time.monotonic() - started < 8
