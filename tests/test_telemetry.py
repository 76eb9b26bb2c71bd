import gzip
import logging
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from fastapi.testclient import TestClient

from serving.app import create_app
from serving.routing import Router
from serving.settings import Settings

CASE = {"case_id": "1", "transcript": "路灯不亮"}


@pytest.fixture
def client(tmp_path: Path, router: Router) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(data_dir=tmp_path), router)) as client:
        yield client


def scraped(client: TestClient) -> list[str]:
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    return response.text.splitlines()


def test_what_is_answered_shows_in_the_metrics_at_once(client: TestClient) -> None:
    client.post("/route", json=CASE)
    client.post("/route", json=CASE)
    client.post("/route/batch", json={"cases": [{**CASE, "case_id": "2"}, {**CASE, "case_id": "3"}, {}]})
    lines = scraped(client)
    assert 'dispatch_requests_total{route="/route",status="200"} 2.0' in lines
    assert 'dispatch_answers_total{disposition="suggest"} 3.0' in lines
    assert "dispatch_replays_total 1.0" in lines
    assert "dispatch_rechecked_total 3.0" in lines
    assert "dispatch_violations_total 0.0" in lines
    assert 'dispatch_stage_seconds_count{route="/route",stage="infer"} 1.0' in lines
    assert 'dispatch_version_workers{artefact="bundle",version="bundle-1"} 1.0' in lines
    assert "dispatch_queue_depth 0.0" in lines
    assert "dispatch_in_flight_requests 1.0" in lines  # this very scrape


def test_a_breach_of_the_access_list_counts(client: TestClient) -> None:
    client.post("/route", json={**CASE, "transcript": "越权"})
    assert "dispatch_violations_total 1.0" in scraped(client)


def test_errors_count_by_kind_and_unknown_paths_under_one_name(client: TestClient) -> None:
    client.post("/route", json={**CASE, "transcript": " "})
    for path in ("/a", "/b", "/cases/../../etc"):
        client.get(path)
    lines = scraped(client)
    assert 'dispatch_errors_total{kind="transcript_empty"} 1.0' in lines
    assert 'dispatch_requests_total{route="(none)",status="404"} 3.0' in lines


def test_a_response_names_request_and_stages(client: TestClient) -> None:
    response = client.post("/route", json=CASE, headers={"X-Request-ID": "intake-1"})
    assert response.headers["X-Request-ID"] == "intake-1"
    stages = dict(part.split(";dur=") for part in response.headers["Server-Timing"].split(", "))
    assert list(stages) == ["queue", "tokenize", "infer", "rank", "store", "total"]
    assert stages["infer"] == "2.500"
    assert client.get("/nowhere").headers["X-Request-ID"]


def test_a_fault_of_the_program_is_seen_too(client: TestClient) -> None:
    response = client.post("/route", json={**CASE, "transcript": "崩溃"})
    assert response.status_code == 500
    assert response.headers["X-Request-ID"]
    assert 'dispatch_errors_total{kind="internal"} 1.0' in scraped(client)


def test_every_request_is_logged_by_the_end(tmp_path: Path, router: Router, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "serving.requests")
    with TestClient(create_app(Settings(data_dir=tmp_path), router)) as client:
        for number in range(5):
            client.post("/route", json={**CASE, "case_id": f"n{number}"})
        client.get("/healthz")
    told = [vars(record)["fields"] for record in caplog.records if record.name == "serving.requests"]
    assert [fields["cases"] for fields in told] == [["n0"], ["n1"], ["n2"], ["n3"], ["n4"]]


def test_a_line_of_the_log_while_routing_names_the_request(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, router: Router
) -> None:
    from serving.web.exchange import current

    seen: list[str] = []
    plain = type(router).route

    def route(self: Any, cases: Any, *, now: Any = None) -> Any:
        exchange = current.get()
        seen.append(exchange.request_id if exchange else "")
        return plain(self, cases, now=now)

    monkeypatch.setattr(type(router), "route", route)
    client.post("/route", json=CASE, headers={"X-Request-ID": "intake-1"})
    assert seen == ["intake-1"]


@pytest.fixture
def collector() -> Iterator[tuple[str, list[bytes]]]:
    """Address of an OTLP collector, and what it was sent."""
    bodies: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            bodies.append(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Collector)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", bodies
    server.shutdown()
    thread.join()
    server.server_close()


def test_traces_arrive_at_a_collector(tmp_path: Path, router: Router, collector: tuple[str, list[bytes]]) -> None:
    address, bodies = collector
    settings = Settings(data_dir=tmp_path, otlp_endpoint=f"{address}/v1/traces")
    with TestClient(create_app(settings, router)) as client:
        client.post("/route", json=CASE)
    sent = b"".join(bodies)
    assert b"POST /route" in sent
    assert b"hotline-dispatch" in sent
    assert "路灯".encode() not in sent


def test_no_environment_makes_the_framework_tell_what_was_said(
    tmp_path: Path, router: Router, collector: tuple[str, list[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, bodies = collector
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
    with TestClient(create_app(Settings(data_dir=tmp_path), router)) as client:
        client.post("/route", json={**CASE, "address": [1]})
    assert bodies == []


def test_what_was_dropped_is_counted(client: TestClient) -> None:
    assert "dispatch_dropped_total 0.0" in scraped(client)
    engine = client.app.state.engine  # type: ignore[attr-defined]
    engine.dropped += 2
    assert "dispatch_dropped_total 2.0" in scraped(client)
    assert "dispatch_dropped_total 2.0" in scraped(client)


def test_without_an_endpoint_no_tracing_library_is_loaded() -> None:
    code = (
        "import sys; from serving.settings import Settings; from serving.monitoring.telemetry import Telemetry;"
        "Telemetry(Settings()); sys.exit(any(name.startswith('opentelemetry.sdk') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
