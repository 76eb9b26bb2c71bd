import gc
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from dispatch_model.cases import Case, Routing
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.rules import RuleKind
from serving import server
from serving.bundles import start as bundle_start
from serving.guard import keys
from serving.guard.scopes import Scope
from serving.routing import Router, route_each
from serving.rules.store import Action, Draft, RuleStore
from serving.settings import Settings
from serving.store.store import Store

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="workers are forked on Linux only")


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def served(
    monkeypatch: pytest.MonkeyPatch, router: Router, free_port: int
) -> Iterator[tuple[list[FastAPI], Callable[..., Settings]]]:
    """The applications that would have been served, and settings to serve them with; nothing listens."""
    apps: list[FastAPI] = []

    def note(app: FastAPI, settings: Settings, sock: socket.socket, parent: int | None = None) -> None:
        assert sock.getsockname()[1] == settings.port
        assert parent is None
        sock.close()
        apps.append(app)

    monkeypatch.setattr(server, "listen", note)
    monkeypatch.setattr(bundle_start, "open_router", lambda *_: router)
    yield apps, lambda folder, **changes: Settings(data_dir=folder, port=free_port, **changes)
    gc.unfreeze()


Served = tuple[list[FastAPI], Callable[..., Settings]]


def test_one_worker_serves_the_app_it_has_checked(served: Served, tmp_path: Path) -> None:
    apps, settings = served
    server.serve(settings(tmp_path))
    (app,) = apps
    assert "/route" in app.openapi()["paths"]


def test_the_first_request_finds_everything_warm(
    served: Served, tmp_path: Path, router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: list[Any] = []
    plain = type(router).route

    def route(self: Router, cases: Sequence[Case], **rest: Any) -> list[Routing]:
        texts.extend(case.transcript for case in cases)
        return plain(self, cases, **rest)

    monkeypatch.setattr(type(router), "route", route)
    server.serve(served[1](tmp_path))
    assert len(texts) == 1
    assert gc.get_freeze_count() > 0


def test_a_broken_bundle_stops_the_start(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(bundle: Path | None, city: str, backend: str) -> Router:
        raise DispatchError(ErrorKind.INVALID_BUNDLE, f"模型包文件 model.onnx：已损坏（{bundle}，{city}，{backend}）")

    apps, settings = served
    monkeypatch.setattr(bundle_start, "open_router", broken)
    with pytest.raises(DispatchError, match=r"model\.onnx"):
        server.serve(settings(tmp_path))
    assert apps == []


def test_a_database_that_cannot_be_opened_stops_the_start(served: Served, tmp_path: Path) -> None:
    apps, settings = served
    (tmp_path / "data").write_text("a file, not a folder")
    with pytest.raises(DispatchError, match="DISPATCH_DATA_DIR"):
        server.serve(settings(tmp_path / "data"))
    assert apps == []


def test_a_port_that_is_taken_stops_the_start(served: Served, tmp_path: Path) -> None:
    apps, settings = served
    with socket.create_server(("127.0.0.1", settings(tmp_path).port)), pytest.raises(DispatchError, match="不能监听"):
        server.serve(settings(tmp_path))
    assert apps == []


def test_a_public_address_is_refused_until_there_is_a_key(served: Served, tmp_path: Path) -> None:
    apps, settings = served
    with pytest.raises(DispatchError, match="dispatch keys create") as caught:
        server.serve(settings(tmp_path, host="0.0.0.0"))
    assert (caught.value.kind, apps) == (ErrorKind.INVALID_CONFIG, [])
    store = Store.open(tmp_path / "dispatch.db")
    store.write(lambda connection: keys.create(connection, keys.new_key(), "甲", [Scope.INTAKE], actor="cli:t"))
    store.close()
    server.serve(settings(tmp_path, host="0.0.0.0"))
    assert len(apps) == 1


def test_stored_rules_that_fit_no_more_stop_the_start(
    served: Served, tmp_path: Path, ruled: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    apps, settings = served
    monkeypatch.setattr(bundle_start, "open_router", lambda *_: ruled)
    store = Store.open(tmp_path / "dispatch.db")
    RuleStore(store).add([Draft(RuleKind.CATALOGUE, "1", Action.UPLOAD, 1, b"id\nM-1\n")], 0, {})
    store.close()
    with pytest.raises(DispatchError, match="数据库中现行的规则表与本版程序不符"):
        server.serve(settings(tmp_path))
    assert apps == []
    server.serve(settings(tmp_path, stored_rules=False))
    assert len(apps) == 1


def test_start_makes_the_database(served: Served, tmp_path: Path) -> None:
    apps, settings = served
    server.serve(settings(tmp_path / "new"))
    assert (tmp_path / "new" / "dispatch.db").exists()
    assert len(apps) == 1


def test_several_workers_are_for_linux(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apps, settings = served
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(DispatchError, match="workers = 2") as caught:
        server.serve(settings(tmp_path, workers=2))
    assert caught.value.field == "workers"
    assert apps == []


def test_no_case_is_no_work(router: Router) -> None:
    assert route_each(router, []) == []


PROGRAM = """
import sys
from serving import server
from serving.bundles import start as bundle_start
from serving.settings import Settings
from tests.canned import CannedRouter

bundle_start.open_router = lambda *_: CannedRouter()
server.serve(Settings.load())
"""


@pytest.fixture
def started(tmp_path: Path, free_port: int) -> Iterator[Callable[..., tuple[subprocess.Popen[bytes], httpx.Client]]]:
    """Starts the service in a process of its own, with a canned router."""
    processes: list[subprocess.Popen[bytes]] = []
    clients: list[httpx.Client] = []

    def start(**changes: object) -> tuple[subprocess.Popen[bytes], httpx.Client]:
        settings = {"data_dir": tmp_path, "port": free_port, "log_level": "warning", **changes}
        environment = {f"DISPATCH_{key.upper()}": str(value) for key, value in settings.items()}
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, **environment},
            cwd=Path(__file__).parent.parent,
            stderr=subprocess.PIPE,
        )
        client = httpx.Client(base_url=f"http://127.0.0.1:{free_port}", timeout=10)
        processes.append(process)
        clients.append(client)
        wait_for(lambda: process.poll() is None and ready(client) == 200)
        return process, client

    yield start
    for client in clients:
        client.close()
    for process in processes:
        process.terminate()
        process.communicate(timeout=20)


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def ready(client: httpx.Client) -> int:
    """Status of /readyz on a connection of its own; 0 when nobody listens."""
    try:
        return client.get("/readyz", headers={"Connection": "close"}).status_code
    except httpx.TransportError:
        return 0


def post(client: httpx.Client, case_id: str) -> httpx.Response:
    return client.post("/route", json={"case_id": case_id, "transcript": "路灯不亮"})


Started = Callable[..., tuple[subprocess.Popen[bytes], httpx.Client]]


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=linux)])
def test_sigterm_makes_it_unready_first_and_loses_nothing(started: Started, workers: int) -> None:
    process, client = started(workers=workers, drain_delay=1.5)
    assert post(client, "before").status_code == 200
    process.send_signal(signal.SIGTERM)
    wait_for(lambda: ready(client) == 503)
    late = post(client, "while leaving")
    assert (late.status_code, late.headers["Connection"]) == (200, "close")
    wait_for(lambda: ready(client) == 0)
    process.wait(20)
    assert process.returncode in (0, -signal.SIGTERM)


def fresh(client: httpx.Client, case_id: str) -> int:
    """Status of a case on a connection of its own, which the kernel gives to any worker; 0 when it broke."""
    body = {"case_id": case_id, "transcript": "路灯不亮"}
    try:
        return client.post("/route", json=body, headers={"Connection": "close"}).status_code
    except httpx.TransportError:
        return 0


def replays(client: httpx.Client) -> float:
    lines = client.get("/metrics", headers={"Connection": "close"}).text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("dispatch_replays_total"))


@linux
def test_workers_outlive_one_of_them(started: Started) -> None:
    process, client = started(workers=2, drain_delay=0)
    assert [fresh(client, "1") for _ in range(20)] == [200] * 20
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    before = children.read_text().split()
    assert len(before) == 2
    os.kill(int(before[0]), signal.SIGKILL)
    wait_for(lambda: len(set(children.read_text().split()) - {before[0]}) == 2)
    wait_for(lambda: [fresh(client, "1") for _ in range(20)] == [200] * 20)
    # More than one of them served; whichever is asked tells of both, and of the one that is gone.
    wait_for(lambda: replays(client) >= 20)


@linux
def test_workers_end_when_the_first_process_is_killed(started: Started) -> None:
    process, client = started(workers=2, drain_delay=0)
    process.kill()
    process.wait(20)
    wait_for(lambda: ready(client) == 0)
