import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI

from dispatch_model.errors import DispatchError, ErrorKind
from serving import server
from serving.routing import Router, route_each
from serving.settings import Settings


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch, router: Router) -> list[tuple[Any, dict[str, Any]]]:
    """What uvicorn was asked to run, with a canned router in place of the model."""
    calls: list[tuple[Any, dict[str, Any]]] = []
    monkeypatch.setattr(uvicorn, "run", lambda app, **options: calls.append((app, options)))
    monkeypatch.setattr(server, "open_router", lambda *_: router)
    return calls


def test_one_worker_serves_the_app_it_has_checked(runs: list[tuple[Any, dict[str, Any]]], tmp_path: Path) -> None:
    server.serve(Settings(data_dir=tmp_path, port=9001))
    ((app, options),) = runs
    assert isinstance(app, FastAPI)
    assert (options["host"], options["port"]) == ("127.0.0.1", 9001)


def test_many_workers_inherit_the_settings(
    runs: list[tuple[Any, dict[str, Any]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment: dict[str, str] = {}
    monkeypatch.setattr(os, "environ", environment)
    settings = Settings(data_dir=tmp_path, workers=2, infer_threads=3)
    server.serve(settings)
    ((app, options),) = runs
    assert (app, options["factory"], options["workers"]) == ("serving.server:build", True, 2)
    assert Settings.load(environment=environment) == settings


def test_a_broken_bundle_stops_the_start(
    runs: list[tuple[Any, dict[str, Any]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(bundle: Path | None, city: str) -> Router:
        raise DispatchError(ErrorKind.INVALID_BUNDLE, f"模型包文件 model.onnx：已损坏（{bundle}，{city}）")

    monkeypatch.setattr(server, "open_router", broken)
    with pytest.raises(DispatchError, match=r"model\.onnx"):
        server.serve(Settings(data_dir=tmp_path))
    assert runs == []


def test_a_database_that_cannot_be_opened_stops_the_start(
    runs: list[tuple[Any, dict[str, Any]]], tmp_path: Path
) -> None:
    (tmp_path / "data").write_text("a file, not a folder")
    with pytest.raises(DispatchError, match="DISPATCH_DATA_DIR"):
        server.serve(Settings(data_dir=tmp_path / "data"))
    assert runs == []


def test_start_makes_the_database(runs: list[tuple[Any, dict[str, Any]]], tmp_path: Path) -> None:
    server.serve(Settings(data_dir=tmp_path / "new"))
    connection = sqlite3.connect(tmp_path / "new" / "dispatch.db")
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    connection.close()
    assert tables == {"cases", "routings"}
    assert len(runs) == 1


def test_no_case_is_no_work(router: Router) -> None:
    assert route_each(router, []) == []


def test_a_worker_builds_its_app_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, router: Router, tmp_path: Path
) -> None:
    asked: list[tuple[Path | None, str]] = []

    def open_router(bundle: Path | None, city: str) -> Router:
        asked.append((bundle, city))
        return router

    monkeypatch.setattr(server, "open_router", open_router)
    monkeypatch.setenv("DISPATCH_CITY", "elsewhere")
    monkeypatch.setenv("DISPATCH_DATA_DIR", str(tmp_path))
    assert "/route" in server.build().openapi()["paths"]
    assert asked == [(None, "elsewhere")]
