"""What it costs to see a request: CPU on its path, and afterwards in the observer's thread.

    python bench/observing.py            # a few seconds, in this process; 147 characters

On the path: an empty ASGI application under the middleware, less the same without. Afterwards: metrics, the log line
(to nowhere) and the recheck against the access list, handed on in batches of 20 as under load.
"""

import io
import logging
import statistics
import sys
import time
from collections.abc import Callable

from route_cpu import TEXT
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dispatch_model.cases import Case
from dispatch_model.router import Router
from serving.monitoring.logs import JsonLines, RequestLog
from serving.monitoring.metrics import Metrics
from serving.monitoring.observer import Observer, Watched
from serving.web.exchange import Answer, Exchange

ROUNDS, BATCH = 100, 20
SCOPE = {"type": "http", "method": "POST", "path": "/route", "headers": [(b"host", b"127.0.0.1")]}
START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]}


def main() -> None:
    """Two figures to standard output, microseconds of CPU per request, warm and right after the session has run."""
    stream = logging.StreamHandler(io.StringIO())
    stream.setFormatter(JsonLines())
    logging.basicConfig(level="INFO", handlers=[stream])
    router = Router.open()
    backend, feeds = router.encoder.backend, router.encoder.feeds(TEXT)
    watched = Watched(_empty, Observer([], _lost))
    for name, before in (("warm", _nothing), ("after the session", lambda: backend.run(feeds))):
        path = _cpu(lambda: _ask(watched), before) - _cpu(lambda: _ask(_empty), before)
        after = _cpu(_handing_on(router), before) / BATCH
        sys.stdout.write(f"{name}: on the path {path:.0f} µs · afterwards {after:.0f} µs\n")


def _handing_on(router: Router) -> Callable[[], None]:
    case = Case(case_id="B", transcript=TEXT)
    observer = Observer([Metrics(), RequestLog()], _lost)
    routing = router.route([case])[0]
    stages = {"queue": 0.1, "tokenize": 1.0, "infer": 8.0, "rank": 0.8, "store": 0.7}

    def hand_on() -> None:
        for _ in range(BATCH):
            exchange = Exchange.of(SCOPE, "r-1")
            exchange.stages, exchange.answers = stages, [Answer(router, case, routing)]
            exchange.status, exchange.route = 200, "/route"
            observer.add(exchange)
        observer.flush()

    return hand_on


def _lost(why: str) -> None:
    raise SystemExit(f"not observed: {why}")


async def _empty(_: Scope, __: Receive, send: Send) -> None:
    await send(dict(START))


def _ask(app: ASGIApp) -> None:
    """One request to an application that never waits, without the cost of a loop."""

    async def receive() -> Message:
        return {}

    async def send(_: Message) -> None:
        pass

    async def call() -> None:
        await app(dict(SCOPE), receive, send)

    try:
        call().send(None)
    except StopIteration:
        return


def _nothing() -> None:
    pass


def _cpu(call: Callable[[], object], before: Callable[[], object]) -> float:
    """Median CPU microseconds of `call`, `before` not counted."""
    spent = []
    for _ in range(ROUNDS):
        before()
        started = time.process_time()
        call()
        spent.append(time.process_time() - started)
    return statistics.median(spent[5:]) * 1e6


if __name__ == "__main__":
    main()
