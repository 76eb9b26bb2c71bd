import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from dispatch_model.bundle import MANIFEST
from serving.app import create_app
from serving.routing import Router
from serving.settings import Settings
from serving.web.problems import MEDIA_TYPE

CASE = {"case_id": "1", "transcript": "路灯不亮"}


@pytest.fixture
def settings(tmp_path: Path, bundles: Path) -> Settings:
    return Settings(data_dir=tmp_path, bundles_dir=bundles)


@pytest.fixture
def client(settings: Settings, ruled: Router) -> Iterator[TestClient]:
    with TestClient(create_app(settings, ruled)) as client:
        yield client


def sent(client: TestClient, method: str, path: str, /, **query: Any) -> dict[str, Any]:
    response = client.request(method, path, params=query)
    assert response.status_code == 200, response.text
    reply: dict[str, Any] = response.json()
    return reply


def refused(client: TestClient, method: str, path: str, /, **query: Any) -> tuple[int, str]:
    response = client.request(method, path, params=query)
    assert response.headers["Content-Type"] == MEDIA_TYPE
    return response.status_code, response.json()["kind"]


def test_a_bundle_is_loaded_and_one_call_rolls_back(client: TestClient) -> None:
    first = client.post("/route", json=CASE).json()["versions"]["bundle"]
    swap = sent(client, "POST", "/admin/bundle", path="two", note="更准", replaces=first)
    version = swap["bundle"]["version"]
    assert (swap["replaced"], swap["revision"]["note"], swap["revision"]["author"]) == ("bundle-1", "更准", "local")
    assert client.post("/route", json={**CASE, "case_id": "2"}).json()["versions"]["bundle"] == version
    assert client.get("/version").json()["versions"]["bundle"] == version
    assert client.post("/route", json=CASE).json()["versions"]["bundle"] == first, "a replay stays what it was"
    one = sent(client, "POST", "/admin/bundle", path="one")["bundle"]["version"]
    assert sent(client, "POST", "/admin/bundle/rollback")["bundle"]["version"] == version
    assert sent(client, "POST", "/admin/bundle/rollback", version=one, note="又好了")["replaced"] == version
    shown = sent(client, "GET", "/admin/bundles")
    assert shown["current"]["version"] == one == shown["revision"]["bundle"]["version"]
    assert [row["action"] for row in shown["revisions"]] == ["rollback", "rollback", "load", "load", "shipped"]
    assert [row["path"] for row in shown["available"]] == ["one", "two"]


def test_the_next_start_takes_it_over_unless_told_not_to(client: TestClient, settings: Settings, ruled: Router) -> None:
    version = sent(client, "POST", "/admin/bundle", path="two")["bundle"]["version"]
    with TestClient(create_app(settings, ruled)) as again:
        assert again.get("/version").json()["versions"]["bundle"] == version
        assert sent(again, "GET", "/admin/bundles")["revision"]["bundle"]["version"] == version
    plain = settings.model_copy(update={"stored_bundle": False})
    with TestClient(create_app(plain, ruled)) as again:
        assert again.get("/version").json()["versions"]["bundle"] == "bundle-1"


def test_another_process_follows_within_two_seconds(client: TestClient, settings: Settings, ruled: Router) -> None:
    with TestClient(create_app(settings, ruled)) as other:
        version = sent(client, "POST", "/admin/bundle", path="two")["bundle"]["version"]
        sent(client, "POST", "/admin/shadow", path="one")
        began = time.perf_counter()
        while True:
            shadow = sent(other, "GET", "/admin/bundles")["shadow"]
            if other.get("/version").json()["versions"]["bundle"] == version and shadow:
                break
            assert time.perf_counter() - began < 2
            time.sleep(0.02)


def test_a_dry_run_changes_nothing(client: TestClient) -> None:
    assert sent(client, "POST", "/admin/bundle", path="two", dry_run="true")["revision"] is None
    shown = sent(client, "GET", "/admin/bundles")
    assert (shown["current"]["version"], shown["revision"], shown["revisions"]) == ("bundle-1", None, [])


def test_what_cannot_be_met_is_told(client: TestClient, bundles: Path) -> None:
    (bundles / "one" / MANIFEST).write_text("{}", encoding="utf-8")
    asked: list[tuple[str, dict[str, Any], int, str]] = [
        ("/admin/bundle", {}, 422, "invalid_parameter"),
        ("/admin/bundle", {"path": "two", "dryrun": "true"}, 422, "invalid_parameter"),
        ("/admin/bundle", {"path": "../two"}, 404, "not_found"),
        ("/admin/bundle", {"path": "one"}, 422, "invalid_bundle"),
        ("/admin/bundle", {"path": "two", "replaces": "x"}, 409, "bundle_conflict"),
        ("/admin/bundle/rollback", {}, 409, "bundle_conflict"),
        ("/admin/bundle/rollback", {"version": "x"}, 404, "not_found"),
        ("/admin/shadow", {"path": "two", "share": 0}, 422, "invalid_parameter"),
        ("/admin/shadow", {"path": "two", "share": "nan"}, 422, "invalid_parameter"),
    ]
    for path, query, status, kind in asked:
        assert refused(client, "POST", path, **query) == (status, kind)
    assert refused(client, "DELETE", "/admin/shadow") == (404, "not_found")
    assert refused(client, "GET", "/admin/shadow/report") == (404, "not_found")
    assert refused(client, "GET", "/admin/shadow/report", since="昨天") == (422, "invalid_parameter")


def test_without_a_folder_nothing_may_be_loaded(tmp_path: Path, ruled: Router) -> None:
    with TestClient(create_app(Settings(data_dir=tmp_path), ruled)) as client:
        assert refused(client, "POST", "/admin/bundle", path="two") == (403, "forbidden")
        assert sent(client, "GET", "/admin/bundles")["available"] == []


def test_a_second_bundle_answers_in_the_shadow(client: TestClient) -> None:
    shadow = sent(client, "POST", "/admin/shadow", path="two", note="试")
    assert sent(client, "GET", "/admin/bundles")["shadow"] == shadow
    for number in range(3):
        reply = client.post("/route", json={**CASE, "case_id": str(number)}).json()
        assert reply["versions"]["bundle"] == "bundle-1"
    for _ in range(200):
        report = sent(client, "GET", "/admin/shadow/report")
        if report["total"]["cases"] == 3:
            break
        time.sleep(0.01)
    assert (report["bundle"], report["total"]["cases"], report["total"]["unit"]) == (shadow["bundle"]["version"], 3, 3)
    assert [(row["name"], row["cases"]) for row in report["functions"]] == [("城管", 3)]
    assert report["changes"] == []
    assert 'dispatch_shadow_total{outcome="stored"} 3.0' in client.get("/metrics").text
    assert client.delete("/admin/shadow").status_code == 204
    assert sent(client, "GET", "/admin/bundles")["shadow"] is None
    since = {"bundle": report["bundle"], "since": "2026-01-01T00:00:00"}
    assert sent(client, "GET", "/admin/shadow/report", **since)["total"] == report["total"]


def test_before_the_start_there_is_no_bundle(tmp_path: Path, ruled: Router) -> None:
    client = TestClient(create_app(Settings(data_dir=tmp_path), ruled))
    assert refused(client, "GET", "/admin/bundles") == (503, "not_ready")
    assert refused(client, "GET", "/admin/shadow/report") == (503, "not_ready")


def test_who_changed_what_is_in_the_audit_chain(client: TestClient, settings: Settings) -> None:
    from serving.store.audit import opened, verify

    sent(client, "POST", "/admin/bundle", path="two")
    sent(client, "POST", "/admin/shadow", path="one")
    with opened(settings) as connection:
        assert list(verify(connection).flaws) == []
        rows = connection.run("SELECT details FROM audit_events WHERE action = 'bundle' ORDER BY id").fetchall()
    assert [json.loads(details)["action"] for (details,) in rows] == ["shipped", "load", "shadow"]
