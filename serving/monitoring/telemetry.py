"""Metrics, request log and traces of one application, put together from the settings."""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from fastapi import FastAPI, Response
from fastapi.telemetry import TelemetryConfig

from serving.monitoring.logs import RequestLog
from serving.monitoring.metrics import CONTENT_TYPE, Metrics
from serving.monitoring.observer import Observer, Sink, Watched
from serving.monitoring.tracing import Tracing
from serving.routing import Router
from serving.settings import Settings

_PLAIN: Mapping[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}


# FastAPI's own signals tell exceptions and refused values in full; whatever the environment asks for, they stay off.
NO_NATIVE_SIGNALS: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}


class Served(Protocol):
    """What is asked of an engine."""

    @property
    def router(self) -> Router:
        """The router in force."""

    @property
    def waiting(self) -> int:
        """Cases nobody has begun with."""

    dropped: int
    """Cases that waited longer than their deadline, so far."""


class Telemetry:
    """What an application tells of itself.

    :raises DispatchError: MISSING_EXTRA when traces are asked for and their libraries are not installed.
    """

    def __init__(self, settings: Settings) -> None:
        self.metrics = Metrics(drift_window=settings.drift_window)
        self._tracing = Tracing.to(settings.otlp_endpoint) if settings.otlp_endpoint else None
        sinks: list[Sink] = [self.metrics, RequestLog(enabled=settings.request_log)]
        self._observer = Observer([*sinks, self._tracing] if self._tracing else sinks, self._lost)
        self._served: Served | None = None
        self._dropped = 0

    def attach(self, app: FastAPI) -> None:
        """Add /metrics, and the middleware: call this after every other has been added, so that it sees them too."""
        app.state.metrics = self.metrics
        app.add_middleware(Watched, observer=self._observer)

        @app.get("/metrics", summary="Prometheus 指标", response_class=Response, responses=dict(_PLAIN))
        async def metrics() -> Response:
            return Response(await asyncio.to_thread(self.render), headers={"Content-Type": CONTENT_TYPE})

    def start(self, served: Served) -> None:
        """Begin to look at what `served` does."""
        self._served = served
        self._observer.start(self._look)

    def close(self) -> None:
        """Tell what is left, then stop."""
        self._observer.close()
        if self._tracing:
            self._tracing.close()

    def render(self) -> bytes:
        """The metrics as of now."""
        self._observer.flush()
        return self.metrics.render(self._served.router.reference if self._served else None)

    def _look(self) -> None:
        self.metrics.in_flight.set(self._observer.in_flight)
        if self._served:
            self.metrics.queue.set(self._served.waiting)
            self.metrics.dropped.inc(self._served.dropped - self._dropped)
            self._dropped = self._served.dropped
            self.metrics.tell_versions(self._served.router.versions)

    def _lost(self, why: str) -> None:
        self.metrics.lost.labels(why).inc()
