"""A second bundle that answers what the first has answered, off the path of every request.

Its thread begins with no case while others wait for the model, and what it cannot keep up with is dropped and counted.
"""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from queue import SimpleQueue
from threading import Event, Thread
from typing import NamedTuple, Protocol
from zlib import crc32

from dispatch_model.cases import Case, Routing
from dispatch_model.errors import DispatchError
from serving.engine import Engine
from serving.give_way import giving_way
from serving.routing import Router, route_each, under_rules_of
from serving.store import moments
from serving.store.connection import Values
from serving.store.record import Top

ROOM = 256  # cases that may wait, which with their texts are about a megabyte
ROWS = 32  # in one write
_LOOK_SECONDS = 0.01
_GRAINS = 10_000  # how finely a share is cut

logger = logging.getLogger(__name__)
Save = Callable[[Sequence[Values]], None]


class Tally(Protocol):
    """Counts what became of cases; see `serving.monitoring.metrics`."""

    def shadowed(self, outcome: str, cases: int = 1) -> None:
        """`stored`, `dropped` (no room, or the service stopped) or `failed` (no answer, or not stored)."""


class _Job(NamedTuple):
    case: Case
    now: datetime


class _Setup(NamedTuple):
    """:param grains: how many of _GRAINS cases are taken."""

    router: Router
    grains: int


class Shadow:
    """Answers cases a second time and saves the answers.

    :param save: writes rows of `shadow_routings`; raises DispatchError.
    """

    def __init__(self, engine: Engine, save: Save, tally: Tally, *, room: int = ROOM) -> None:
        self._engine = engine
        self._save = save
        self._tally = tally
        self._room = room
        self._setup: _Setup | None = None
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._stop = Event()
        self._thread: Thread | None = None

    @property
    def router(self) -> Router | None:
        """What answers in the shadow; None: nothing."""
        return self._setup.router if self._setup else None

    def begin(self, router: Router, share: float = 1.0) -> None:
        """From now on `router` answers too.

        :param share: of the cases, 0 to 1; the same ones in every process.
        """
        self._setup = _Setup(router, round(share * _GRAINS))
        self._engine.shadow = self.offer
        if self._thread is None:
            self._thread = Thread(target=self._work, name="shadow", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """No more answers; what waits is left."""
        self._engine.shadow = self._setup = None

    def close(self) -> None:
        """`end`, and save what was answered."""
        self.end()
        self._stop.set()
        if self._thread:
            self._queue.put(None)
            self._thread.join()

    def offer(self, case: Case) -> None:
        """Called with each case that was answered anew; never blocks."""
        setup = self._setup
        if setup is None or setup.router.bundle.sha256 == self._engine.router.bundle.sha256:
            return  # what is in force itself has nothing to be compared with
        if crc32(case.case_id.encode("utf-8", "replace")) % _GRAINS >= setup.grains:
            return
        if self._queue.qsize() >= self._room:
            self._tally.shadowed("dropped")
            return
        self._queue.put(_Job(case, datetime.now(UTC)))

    def _work(self) -> None:
        going = True
        while going:
            taken = self._take()
            going = None not in taken
            self._store([row for job in taken if job and (row := self._answer(job))])

    def _take(self) -> list[_Job | None]:
        """What waits, as much as is written at once; None: it is time to stop."""
        taken = [self._queue.get()]
        while len(taken) < ROWS and not self._queue.empty():
            taken.append(self._queue.get())
        return taken

    def _answer(self, job: _Job) -> Values | None:
        while self._engine.waiting and not self._stop.is_set():
            time.sleep(_LOOK_SECONDS)
        setup = self._setup
        if setup is None or self._stop.is_set():
            self._tally.shadowed("dropped")
            return None
        router = self._under_rules_in_force(setup)
        with giving_way():
            (routing,) = route_each(router, [job.case], now=job.now)
        if isinstance(routing, DispatchError):
            self._tally.shadowed("failed")
            return None
        return _row(routing)

    def _under_rules_in_force(self, setup: _Setup) -> Router:
        router = under_rules_of(setup.router, self._engine.router)
        if router is not setup.router and self._setup is setup:
            self._setup = setup._replace(router=router)
        return router

    def _store(self, rows: Sequence[Values]) -> None:
        if not rows:
            return
        try:
            self._save(rows)
        except DispatchError as error:
            logger.error("%d answers of the shadow not stored: %s", len(rows), error.message)
            self._tally.shadowed("failed", len(rows))
        else:
            self._tally.shadowed("stored", len(rows))


def _row(routing: Routing) -> Values:
    probability = routing.suggestions[0].probability if routing.suggestions else None
    return {
        "case_id": routing.case_id,
        "bundle": routing.versions.bundle,
        "disposition": routing.disposition.value,
        **Top.of(routing)._asdict(),
        "probability": probability,
        "stored_at": moments.now(),
    }
