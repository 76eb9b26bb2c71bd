"""CPU of each stage of one `/route` outside the ONNX session, warm and right after the session has run.

    python bench/stages.py               # a few seconds, in this process

"After the session" is what a request meets: the session reads the whole model through the caches, and what Python
needs next comes from further away.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from route_cpu import TEXT

from dispatch_model import privacy
from dispatch_model.cases import Case
from dispatch_model.router import Router
from serving.settings import Settings
from serving.store.record import Content, Record
from serving.store.store import Store

ROUNDS = 60

Stage = tuple[str, Callable[[], Any]]


def main() -> None:
    """One line per stage to standard output, in microseconds."""
    router = Router.open(Settings.load().bundle)
    backend, feeds = router.encoder.backend, router.encoder.feeds(TEXT)
    with tempfile.TemporaryDirectory() as data:
        store = Store.open(Path(data) / "dispatch.db")
        for name, call in stages(router, store):
            warm = _median(call, lambda: None)
            after = _median(call, lambda: backend.run(feeds))
            sys.stdout.write(f"{name:<24}{warm:8.0f} warm{after:8.0f} after the session\n")
        store.close()


def stages(router: Router, store: Store) -> Iterator[Stage]:
    """What happens to a case, in order; each call does all of its stage."""
    case, now = Case(case_id="B", transcript=TEXT), datetime.now(UTC)
    body = case.model_dump_json()
    reading = router._read(case, now)
    routing = router.route([case], now=now)[0]
    predictions = router.encoder.predict([reading.model_text])
    functions, levels = predictions.function[0], predictions.level[0]
    record = Record.of(Content.of(case, str, store.seal), routing)
    numbers = count()
    yield "validate", lambda: Case.model_validate_json(body)
    yield "mask for the store", lambda: Content.of(case, lambda text: privacy.mask(text).text, store.seal)
    yield "look up the case_id", lambda: store.find([case.case_id])
    yield "read", lambda: router._read(case, now)
    yield "  place", lambda: router.gazetteer.find(TEXT)
    yield "  cue words", lambda: router.rules.cues.scan(TEXT)
    yield "tokens and n-grams", lambda: router.encoder.feeds(TEXT)
    yield "rank, reasons, answer", lambda: router._answer(reading, predictions, 0, functions, levels, (0.0, 0.0))
    yield "serialise", lambda: Record.of(record.content, routing)
    yield "save", lambda: store.save([replace(record, case_id=f"S{next(numbers)}")])


def _median(call: Callable[[], Any], before: Callable[[], Any]) -> float:
    """Median CPU microseconds of `call`, `before` not counted."""
    spent = []
    for _ in range(ROUNDS):
        before()
        started = time.thread_time()
        call()
        spent.append(time.thread_time() - started)
    return statistics.median(spent) * 1e6


if __name__ == "__main__":
    main()
