import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dispatch_model.bundle import Reference
from dispatch_model.cases import Case, Versions
from serving.monitoring.metrics import FOLDER, Metrics, forget_dead
from serving.routing import Router
from serving.web.exchange import Answer, Exchange

REFERENCE = Reference(labels={"category": {"03": 0.5, "08": 0.5}}, scores=[0.1] * 10)
Series = Callable[..., float | None]


def exchange(router: Router, *transcripts: str) -> Exchange:
    one = Exchange.of({"method": "POST", "headers": []}, "r-1")
    one.route, one.status, one.seconds, one.stages = "/route", 200, 0.02, {"infer": 8.0, "store": 2.0}
    cases = [Case(case_id=str(number), transcript=said) for number, said in enumerate(transcripts)]
    one.answers = [Answer(router, case, router.route([case])[0]) for case in cases]
    return one


def series(metrics: Metrics, reference: Reference | None = None) -> Series:
    """What a scrape reads: (name, labels) → value."""
    families = text_string_to_metric_families(metrics.render(reference).decode())
    read = {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}
    return lambda name, **labels: read.get((f"dispatch_{name}", frozenset(labels.items())))


def test_requests_are_counted_and_timed_by_route(router: Router) -> None:
    metrics = Metrics()
    metrics(exchange(router, "路灯不亮"))
    metrics(exchange(router))
    read = series(metrics)
    assert read("requests_total", route="/route", status="200") == 2
    assert read("request_seconds_sum", route="/route") == pytest.approx(0.04)
    assert read("request_seconds_bucket", route="/route", le="0.015") == 0
    assert read("request_seconds_bucket", route="/route", le="0.02") == 2
    assert read("stage_seconds_sum", route="/route", stage="infer") == pytest.approx(0.016)


def test_answers_are_counted_by_disposition(router: Router) -> None:
    metrics, one = Metrics(), exchange(router, "路灯不亮", "井盖丢了")
    one.replays = 3
    metrics(one)
    read = series(metrics)
    assert read("answers_total", disposition="suggest") == 2
    assert read("answers_total", disposition="emergency") == 0
    assert read("replays_total") == 3


def test_errors_are_there_before_the_first_one(router: Router) -> None:
    metrics = Metrics()
    assert series(metrics)("errors_total", kind="store_unavailable") == 0
    one = exchange(router)
    one.error = "store_unavailable"
    metrics(one)
    assert series(metrics)("errors_total", kind="store_unavailable") == 1


def test_every_answer_is_rechecked_and_a_breach_told(router: Router, caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    assert series(metrics)("violations_total") == 0
    metrics(exchange(router, "路灯不亮", "越权"))
    read = series(metrics)
    assert (read("rechecked_total"), read("violations_total")) == (2, 1)
    assert "breach of the access list in case 1" in caplog.text
    assert "J-1" in caplog.text


def test_decisions_are_counted_by_function() -> None:
    metrics = Metrics()
    metrics.decided("城管", "accept")
    metrics.decided("城管", "override")
    metrics.decided("城管", "override")
    metrics.returned("公安", "职能不符")
    read = series(metrics)
    assert read("decisions_total", function="城管", action="override") == 2
    assert read("returns_total", function="公安", reason="职能不符") == 1


def test_drift_is_told_of_enough_answers(router: Router) -> None:
    metrics = Metrics(drift_window=150)
    metrics(exchange(router, *["路灯不亮"] * 99))
    assert str(series(metrics, REFERENCE)("drift_psi", distribution="category")) == "nan"
    metrics(exchange(router, *["路灯不亮"] * 99))
    read = series(metrics, REFERENCE)
    assert read("drift_window", **{"distribution": "category", "class": "03"}) == 150
    psi = read("drift_psi", distribution="category")
    assert psi is not None
    assert psi > 0.25


def test_without_a_reference_there_is_no_drift(router: Router) -> None:
    metrics = Metrics()
    metrics(exchange(router, *["路灯不亮"] * 200))
    assert b"dispatch_drift_psi{" not in metrics.render(None)


def test_the_versions_of_a_process_are_those_it_decides_by() -> None:
    metrics = Metrics()
    first = Versions(bundle="b1", access_list="a1", catalogue="c1", label_maps="m1", triggers="t1")
    metrics.tell_versions(first)
    metrics.tell_versions(first.model_copy(update={"access_list": "a2"}))
    read = series(metrics)
    assert read("version_workers", artefact="access_list", version="a1") == 0
    assert read("version_workers", artefact="access_list", version="a2") == 1
    assert read("version_workers", artefact="bundle", version="b1") == 1


WORKER = """
import sys
from serving.monitoring.metrics import Metrics
metrics = Metrics()
metrics.decided("城管", "override")
metrics.queue.set(3)
metrics.request_seconds.labels("/route").observe(0.02)
sys.stdout.buffer.write(metrics.render(None))
sys.stdout.flush()
sys.stdin.read()
"""


def test_processes_add_up_and_the_dead_are_forgotten(tmp_path: Path) -> None:
    def worker() -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-c", WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, FOLDER: str(tmp_path)},
        )

    def read(process: "subprocess.Popen[bytes]") -> list[str]:
        lines: list[str] = []
        assert process.stdout
        while not lines or not lines[-1].startswith("# TYPE dispatch_drift_psi"):
            lines.append(process.stdout.readline().decode().strip())
        return lines

    def end(process: "subprocess.Popen[bytes]") -> None:
        process.communicate(timeout=20)

    first = worker()
    assert "dispatch_queue_depth 3.0" in read(first)
    second = worker()
    lines = read(second)
    assert "dispatch_queue_depth 6.0" in lines
    assert 'dispatch_request_seconds_count{route="/route"} 2.0' in lines
    end(first)
    third = worker()
    lines = read(third)
    assert "dispatch_queue_depth 6.0" in lines  # second and third
    assert 'dispatch_decisions_total{action="override",function="城管"} 3.0' in lines
    end(second)
    end(third)


def test_only_live_gauges_of_the_dead_are_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait(20)
    names = [f"gauge_livesum_{ended.pid}.db", f"counter_{ended.pid}.db", f"gauge_livesum_{os.getpid()}.db"]
    for name in names:
        (tmp_path / name).touch()
    forget_dead(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])
