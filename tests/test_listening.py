import asyncio
import os
import signal
import socket
import time
from threading import Thread

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from dispatch_model.errors import DispatchError, ErrorKind
from serving.listening import Listener, bound
from serving.web.admission import Admission


class Site:
    """A listener in a thread; its `slow` path answers after half a second."""

    def __init__(self, *, drain_delay: float, parent: int | None = None) -> None:
        app = FastAPI()

        @app.get("/slow")
        async def slow() -> str:
            await asyncio.sleep(0.5)
            return "done"

        @app.get("/quick")
        async def quick() -> str:
            return "done"

        sock = bound("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        self.admission = Admission()
        config = uvicorn.Config(app, log_config=None, access_log=False)
        self.listener = Listener(config, self.admission, drain_delay=drain_delay, parent=parent)
        self.thread = Thread(target=self.listener.run, args=([sock],))
        self.thread.start()
        while not self.listener.started:
            time.sleep(0.01)

    def signal(self, sig: int) -> None:
        self.listener.handle_exit(sig, None)

    def ended(self) -> None:
        self.thread.join(10)
        assert not self.thread.is_alive()


def test_after_sigterm_it_serves_on_for_the_delay_and_says_that_it_leaves() -> None:
    site = Site(drain_delay=0.8)
    site.signal(signal.SIGTERM)
    began = time.monotonic()
    assert site.admission.leaving
    assert site.admission.refusal() is None
    assert httpx.get(f"{site.url}/quick").status_code == 200
    site.ended()
    assert 0.7 < time.monotonic() - began < 5
    assert site.admission.refusal() is not None
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{site.url}/quick")


def test_what_was_accepted_is_finished() -> None:
    site = Site(drain_delay=0.0)
    answers: list[int] = []
    client = Thread(target=lambda: answers.append(httpx.get(f"{site.url}/slow").status_code))
    client.start()
    while not site.listener.server_state.tasks:
        time.sleep(0.01)
    site.signal(signal.SIGTERM)
    client.join(10)
    site.ended()
    assert answers == [200]


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_the_delay(second: int) -> None:
    site = Site(drain_delay=60)
    site.signal(signal.SIGTERM)
    site.signal(second)
    site.ended()


def test_ctrl_c_does_not_wait() -> None:
    site = Site(drain_delay=60)
    site.signal(signal.SIGINT)
    site.ended()


def test_a_worker_whose_parent_is_gone_leaves() -> None:
    site = Site(drain_delay=0.0, parent=os.getpid())
    site.ended()
    assert site.admission.leaving


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(DispatchError, match=rf"127\.0\.0\.1:{port}") as caught:
            bound("127.0.0.1", port)
    assert (caught.value.kind, caught.value.field) == (ErrorKind.INVALID_CONFIG, "port")


def test_a_port_shared_by_another_service_is_taken_too() -> None:
    with bound("127.0.0.1", 0, shared=True) as theirs:
        theirs.listen()
        with pytest.raises(DispatchError, match="不能监听"):
            bound("127.0.0.1", theirs.getsockname()[1])


def test_workers_share_a_port() -> None:
    with bound("127.0.0.1", 0, shared=True) as first:
        port = first.getsockname()[1]
        with bound("127.0.0.1", port, shared=True) as second:
            assert second.getsockname()[1] == port


def test_a_host_nobody_knows_is_named() -> None:
    with pytest.raises(DispatchError, match=r"nowhere\.invalid:1"):
        bound("nowhere.invalid", 1)
