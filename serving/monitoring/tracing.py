"""Spans of OpenTelemetry, sent by OTLP over HTTP; needs the extra `otel`, and nothing of it is loaded without.

A request is told once it is over: a span for the whole, of the caller's trace where a `traceparent` came with it, and
one within it for each stage, laid end to end, as the stages are timed and not their beginnings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dispatch_model.errors import DispatchError, ErrorKind
from serving.monitoring.logs import PROBES
from serving.web.exchange import Exchange

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

SERVICE = "hotline-dispatch"
_ORDER = ("queue", "tokenize", "infer", "rank", "store")


class Tracing:
    """Makes spans of exchanges.

    :param provider: what makes and sends spans.
    """

    def __init__(self, provider: TracerProvider) -> None:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer(SERVICE)
        self._propagator = TraceContextTextMapPropagator()

    @classmethod
    def to(cls, endpoint: str) -> Tracing:
        """Send to an OTLP collector, such as http://127.0.0.1:4318/v1/traces, in batches from a thread of its own.

        :raises DispatchError: MISSING_EXTRA when the libraries are not installed.
        """
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ModuleNotFoundError as error:
            raise DispatchError(
                ErrorKind.MISSING_EXTRA,
                f"配置了 otlp_endpoint，但缺少 {error.name}；请安装扩展 pip install 'hotline-dispatch[otel]'，"
                "或将 otlp_endpoint 置空。",
                field="otlp_endpoint",
            ) from None
        provider = TracerProvider(resource=Resource.create({"service.name": SERVICE}))
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
        return cls(provider)

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()

    def __call__(self, exchange: Exchange) -> None:
        """One span, and one per stage within it."""
        from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

        if exchange.route in PROBES:
            return
        begun = int(exchange.at * 1e9)
        span = self._tracer.start_span(
            f"{exchange.method} {exchange.route}",
            context=self._propagator.extract({"traceparent": exchange.traceparent}),
            kind=SpanKind.SERVER,
            start_time=begun,
            attributes=_attributes(exchange),
        )
        within, at = set_span_in_context(span), begun
        for stage in _ORDER:
            if spent := exchange.stages.get(stage):
                part = self._tracer.start_span(stage, context=within, start_time=at)
                at += int(spent * 1e6)
                part.end(end_time=at)
        if exchange.status >= 500:
            span.set_status(Status(StatusCode.ERROR, exchange.error))
        span.end(end_time=begun + int(exchange.seconds * 1e9))


def _attributes(exchange: Exchange) -> dict[str, str | int]:
    """By the semantic conventions where they have a name; no text of a case."""
    told: dict[str, str | int] = {
        "http.request.method": exchange.method,
        "http.route": exchange.route,
        "http.response.status_code": exchange.status,
        "dispatch.request_id": exchange.request_id,
        "dispatch.answered": len(exchange.answers),
        "dispatch.replayed": exchange.replays,
    }
    return {**told, "error.type": exchange.error} if exchange.error else told
