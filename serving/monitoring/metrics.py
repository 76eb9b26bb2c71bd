"""What Prometheus reads from /metrics: one set of series however many worker processes share the port.

With several, each keeps its numbers in mapped files of one folder, named by PROMETHEUS_MULTIPROC_DIR, and whichever is
asked adds them up. That variable must stand before `prometheus_client` is first imported, see `serving.server`.
"""

import logging
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from dispatch_model.bundle import Reference
from dispatch_model.cases import Disposition, Versions
from dispatch_model.errors import ErrorKind
from serving.monitoring.drift import Window, expected, psi
from serving.web.exchange import Answer, Exchange

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
# Of the old exposition format, which every Prometheus reads.
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_REQUEST_SECONDS = (0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10)
_STAGE_SECONDS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.25, 0.5, 1, 5)
_LIVE_FILE = re.compile(r"gauge_live[a-z]+_(\d+)\.db")
_DRIFT_WINDOW = "dispatch_drift_window"

logger = logging.getLogger(__name__)


class Metrics:
    """The series of one worker process, and their sum over all of them.

    :param drift_window: answers per process that drift is measured over.
    """

    def __init__(self, *, drift_window: int = 1000) -> None:
        self._window = Window(drift_window)
        self._versions: Versions | None = None
        self._registry = CollectorRegistry()
        self._count_requests()
        self._count_answers()
        self._count_people()
        self._watch_load()
        if FOLDER not in os.environ:
            ProcessCollector(registry=self._registry)

    def _count_requests(self) -> None:
        registry = self._registry
        self.requests = Counter("dispatch_requests", "请求数", ["route", "status"], registry=registry)
        self.errors = Counter("dispatch_errors", "以错误结束的请求数，按错误类别", ["kind"], registry=registry)
        for kind in ErrorKind:  # a rate counts from what was there before
            self.errors.labels(kind.value)
        self.request_seconds = Histogram(
            "dispatch_request_seconds", "请求用时（秒）", ["route"], buckets=_REQUEST_SECONDS, registry=registry
        )
        self.stage_seconds = Histogram(
            "dispatch_stage_seconds", "各阶段用时（秒）", ["route", "stage"], buckets=_STAGE_SECONDS, registry=registry
        )

    def _count_answers(self) -> None:
        registry = self._registry
        self.answers = Counter("dispatch_answers", "新作出的派单答复数", ["disposition"], registry=registry)
        for disposition in Disposition:
            self.answers.labels(disposition.value)
        self.replays = Counter("dispatch_replays", "由存储重放的答复数", registry=registry)
        self.shadow = Counter("dispatch_shadow", "影子答复过的工单数", ["outcome"], registry=registry)
        for outcome in ("stored", "dropped", "failed"):
            self.shadow.labels(outcome)
        self.rechecked = Counter("dispatch_rechecked", "事后按准入清单复核过的派单建议数", registry=registry)
        self.violations = Counter("dispatch_violations", "违反准入清单的派单建议数，必须为 0", registry=registry)
        self.drift = Gauge(
            _DRIFT_WINDOW,
            "最近若干件答复的分布",
            ["distribution", "class"],
            registry=registry,
            multiprocess_mode="livesum",
        )

    def _count_people(self) -> None:
        registry = self._registry
        self.decisions = Counter("dispatch_decisions", "坐席的决定数", ["function", "action"], registry=registry)
        self.steps = Counter("dispatch_steps", "会商、待补充、并案与撤销数", ["function", "action"], registry=registry)
        self.returns = Counter("dispatch_returns", "退单数", ["function", "reason"], registry=registry)

    def _watch_load(self) -> None:
        registry = self._registry
        self.queue = Gauge("dispatch_queue_depth", "等待计算的工单数", registry=registry, multiprocess_mode="livesum")
        self.in_flight = Gauge(
            "dispatch_in_flight_requests", "正在处理的请求数", registry=registry, multiprocess_mode="livesum"
        )
        self.version_workers = Gauge(
            "dispatch_version_workers",
            "以该版本作答的进程数",
            ["artefact", "version"],
            registry=registry,
            multiprocess_mode="livesum",
        )
        self.dropped = Counter("dispatch_dropped", "等到超时、未曾计算的工单数", registry=registry)
        self.lost = Counter("dispatch_unobserved", "未能计入指标与日志的请求数", ["why"], registry=registry)
        for why in ("full", "fault"):
            self.lost.labels(why)

    def __call__(self, exchange: Exchange) -> None:
        """Count one exchange."""
        self.requests.labels(exchange.route, str(exchange.status)).inc()
        self.request_seconds.labels(exchange.route).observe(exchange.seconds)
        for stage, spent in exchange.stages.items():
            self.stage_seconds.labels(exchange.route, stage).observe(spent / 1e3)
        if exchange.error:
            self.errors.labels(exchange.error).inc()
        self.replays.inc(exchange.replays)
        for answer in exchange.answers:
            self._count_answer(answer)

    def decided(self, function: str, action: str) -> None:
        """An operator decided on a case.

        :param function: of the unit that was suggested first.
        :param action: `accept` or `override`.
        """
        self.decisions.labels(function, action).inc()

    def returned(self, function: str, reason: str) -> None:
        """A unit of `function` sent a case back."""
        self.returns.labels(function, reason).inc()

    def stepped(self, function: str, action: str) -> None:
        """An operator did something short of a decision, or took something back.

        :param function: of the unit that was suggested first.
        :param action: `consult`, `ask`, `merge`, or `undo_` with one of these, `accept` or `override`.
        """
        self.steps.labels(function, action).inc()

    def shadowed(self, outcome: str, cases: int = 1) -> None:
        """A second bundle dealt with that many cases: `stored`, `dropped` or `failed`."""
        self.shadow.labels(outcome).inc(cases)

    def tell_versions(self, versions: Versions) -> None:
        """This process decides by `versions` now."""
        if versions == self._versions:
            return
        for artefact, version in self._versions or ():
            self.version_workers.labels(artefact, version).set(0)
        for artefact, version in versions:
            self.version_workers.labels(artefact, version).set(1)
        self._versions = versions

    def render(self, reference: Reference | None) -> bytes:
        """All series in the text format.

        :param reference: of the bundle in force; None: drift is not told.
        """
        source: Collector = self._registry
        if folder := os.environ.get(FOLDER):
            forget_dead(Path(folder))
            source = MultiProcessCollector(CollectorRegistry())  # type: ignore[no-untyped-call]
        return generate_latest(_WithDrift(source, reference))

    def _count_answer(self, answer: Answer) -> None:
        routing = answer.routing
        self.answers.labels(routing.disposition.value).inc()
        for (distribution, name), by in self._window.add(routing).items():
            self.drift.labels(distribution, name).inc(by)
        for found in answer.router.recheck(answer.case, routing, datetime.now(UTC)):
            self.violations.inc()
            logger.error("breach of the access list in case %s: %s", answer.case.case_id, found)
        self.rechecked.inc(len(routing.suggestions))


class _WithDrift(Collector):
    """A collector's series, and the PSI of each distribution worked out from their sums."""

    def __init__(self, source: Collector, reference: Reference | None) -> None:
        self._source = source
        self._shares = expected(reference) if reference else {}

    def collect(self) -> Iterable[Metric]:
        """The series of the source, then drift."""
        counts: dict[str, dict[str, float]] = {}
        for family in self._source.collect():
            yield family
            if family.name == _DRIFT_WINDOW:
                for sample in family.samples:
                    counts.setdefault(sample.labels["distribution"], {})[sample.labels["class"]] = sample.value
        drift = GaugeMetricFamily("dispatch_drift_psi", "答复分布偏离参照的程度（PSI）", labels=["distribution"])
        for distribution, shares in self._shares.items():
            drift.add_metric([distribution], psi(counts.get(distribution, {}), shares))
        yield drift


def forget_dead(folder: Path) -> None:
    """Remove what processes that are no more left of gauges, which would be summed up for ever."""
    for file in folder.glob("gauge_live*.db"):
        found = _LIVE_FILE.fullmatch(file.name)
        if found and not _alive(int(found[1])):
            # Another worker, asked at the same moment, may be first.
            file.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    with suppress(PermissionError):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
    return True
