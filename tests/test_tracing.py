import sys
from datetime import timedelta
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from dispatch_model.cases import Case
from dispatch_model.errors import DispatchError, ErrorKind
from serving.monitoring.tracing import Tracing
from serving.routing import Router
from serving.web.exchange import Answer, Exchange

PHONE = "13812345678"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def exchange(route: str = "/route", status: int = 200, traceparent: str = "", **changes: Any) -> Exchange:
    headers = [(b"traceparent", traceparent.encode())] if traceparent else []
    one = Exchange.of({"method": "POST", "headers": headers}, "r-1")
    one.route, one.status, one.seconds = route, status, 0.02
    for name, value in changes.items():
        setattr(one, name, value)
    return one


def spans(*exchanges: Exchange) -> list[ReadableSpan]:
    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    tracing = Tracing(provider)
    for one in exchanges:
        tracing(one)
    found = list(kept.get_finished_spans())
    tracing.close()
    return found


def test_a_request_is_a_span_with_its_stages_inside() -> None:
    one = exchange(stages={"queue": 1.0, "infer": 8.0, "store": 2.0})
    *stages, whole = spans(one)
    assert whole.name == "POST /route"
    assert [stage.name for stage in stages] == ["queue", "infer", "store"]
    assert whole.context is not None
    assert {stage.parent.span_id for stage in stages if stage.parent} == {whole.context.span_id}
    assert whole.start_time == int(one.at * 1e9)
    assert whole.end_time == whole.start_time + int(timedelta(seconds=0.02) / timedelta(microseconds=1)) * 1000
    infer = stages[1]
    assert infer.start_time == whole.start_time + 1_000_000
    assert infer.end_time == infer.start_time + 8_000_000


def test_a_callers_trace_goes_on() -> None:
    (whole,) = spans(exchange(traceparent=f"00-{TRACE}-{PARENT}-01"))
    assert whole.context is not None
    assert whole.parent is not None
    assert f"{whole.context.trace_id:032x}" == TRACE
    assert f"{whole.parent.span_id:016x}" == PARENT


@pytest.mark.parametrize("traceparent", ["", "nonsense", "00-0-0-01"])
def test_without_a_valid_parent_a_trace_begins(traceparent: str) -> None:
    (whole,) = spans(exchange(traceparent=traceparent))
    assert whole.parent is None


def test_a_failure_is_marked_with_its_kind() -> None:
    (whole,) = spans(exchange(status=503, error="store_unavailable"))
    assert whole.status.status_code is StatusCode.ERROR
    assert whole.attributes is not None
    assert whole.attributes["error.type"] == "store_unavailable"
    assert whole.attributes["http.response.status_code"] == 503


def test_a_span_holds_no_personal_text(router: Router) -> None:
    case = Case(case_id=PHONE, transcript=f"路灯不亮，手机{PHONE}")
    (whole,) = spans(exchange(answers=[Answer(router, case, router.route([case])[0])]))
    assert PHONE not in whole.to_json()
    assert "路灯" not in whole.to_json()


def test_probes_are_not_traced() -> None:
    assert spans(exchange("/healthz"), exchange("/metrics")) == []


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    with pytest.raises(DispatchError, match=r"hotline-dispatch\[otel\]") as caught:
        Tracing.to("http://127.0.0.1:9/v1/traces")
    assert caught.value.kind is ErrorKind.MISSING_EXTRA
