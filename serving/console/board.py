"""The queue in memory: all cases that wait, brought up to date from the audit log, in the order to work on them."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from threading import Lock
from time import monotonic

from dispatch_model.labels import LabelMaps
from serving.cases.casefile import CaseFile
from serving.cases.claims import Claim, Claims
from serving.console.filters import Filters
from serving.console.pending import TOLD, events_after, last_event, pending
from serving.console.waiting import DUE_STATES, Waiting
from serving.store.connection import Connection
from serving.store.store import Store

__all__ = ["Board", "Filters", "Waiting"]
WINDOW = timedelta(days=90)  # a case that came in earlier is no longer in the queue
MOST = 2000  # cases kept, the newest; nobody works off more by hand
PAUSE = 0.5  # seconds
_FOLLOWED = 1000  # events; after more of them the queue is read anew
UNREAD = -1
_GONE = 500  # cases remembered that have left the queue
_ALL = Filters()


@dataclass(frozen=True)
class _Queue:
    """What waits at one time.

    :param event: the last event of the audit log that is taken in.
    :param cut: whether there were more than are kept.
    """

    revision: int = 0
    event: int = UNREAD
    cases: Mapping[str, Waiting] = field(default_factory=dict)
    cut: bool = False
    claims: Mapping[str, Claim] = field(default_factory=dict)


class Board:
    """All cases that wait. Safe from any thread; `refresh` and `next_after` block: call them from a worker thread."""

    def __init__(self, store: Store, claims: Claims, maps: LabelMaps) -> None:
        self._store = store
        self._claims = claims
        self._maps = maps
        self._lock = Lock()
        self._queue = _Queue()
        self._refreshed = -PAUSE
        self._gone: dict[str, Waiting] = {}
        self._been: dict[str, set[str]] = {}
        self._order: tuple[int, datetime, list[Waiting]] = (-1, datetime.min.replace(tzinfo=UTC), [])

    @property
    def revision(self) -> int:
        """Another number whenever a line or a claim has changed."""
        return self._queue.revision

    @property
    def cut(self) -> bool:
        """Whether more cases wait than are shown."""
        return self._queue.cut

    def refresh(self, *, at_once: bool = False) -> int:
        """Catch up with the store, at most every half second unless `at_once`; returns the revision.

        :raises DispatchError: STORE_UNAVAILABLE.
        """
        with self._lock:
            if at_once or monotonic() - self._refreshed >= PAUSE:
                self._catch_up()
                self._refreshed = monotonic()
            return self._queue.revision

    def rows(self, filters: Filters = _ALL) -> list[Waiting]:
        """What waits, the most pressing first."""
        return [one for one in self._ordered() if filters.passes(one)]

    def find(self, case_id: str) -> Waiting | None:
        """The line of a case, if it waits."""
        queue = self._queue
        one = queue.cases.get(case_id)
        return _claimed(one, queue.claims) if one else None

    def next_after(self, case_id: str, operator: str, filters: Filters = _ALL) -> str | None:
        """The case `operator` should see after that one, which may have left the queue by now; None: no other.

        Skips what others have claimed, and goes on at the top after the last. An urgent case comes before all others,
        unless this operator has been at it before. Catches up with the store first, so it blocks as `refresh` does.

        :raises DispatchError: STORE_UNAVAILABLE.
        """
        self.refresh()
        been = self._been_at(operator, case_id)
        free = [
            one
            for one in self.rows(filters)
            if one.case_id != case_id and (one.claim is None or one.claim.operator == operator)
        ]
        urgent = next((one.case_id for one in free if one.urgent and one.case_id not in been), None)
        if urgent or not free:
            return urgent
        now, left = datetime.now(UTC), self._queue.cases.get(case_id) or self._gone.get(case_id)
        after = (one.case_id for one in free if left is None or one.rank(now) > left.rank(now))
        return next(after, free[0].case_id)

    def counts(self) -> Mapping[str, int]:
        """How many wait by state, and of those due for a decision by disposition, `all`, `urgent` and `overdue`.

        What does not occur counts 0.
        """
        now, counts = datetime.now(UTC), Counter[str]()
        for one in self._queue.cases.values():
            counts[one.state] += 1
            if one.state in DUE_STATES:
                counts.update({"all": 1, one.disposition: 1, "urgent": one.urgent, "overdue": one.overdue(now)})
        return counts

    def districts(self) -> list[str]:
        """Those that occur."""
        return sorted({one.district for one in self._queue.cases.values()} - {""})

    def functions(self) -> list[str]:
        """Those that occur, in the order of the label maps."""
        occur = {one.function for one in self._queue.cases.values()} - {""}
        return [*(name for name in self._maps.functions if name in occur), *sorted(occur - set(self._maps.functions))]

    def _ordered(self) -> list[Waiting]:
        """All lines in order; what is overdue is looked at anew every minute."""
        queue, now = self._queue, datetime.now(UTC)
        minute = now.replace(second=0, microsecond=0)
        revision, then, order = self._order
        if (revision, then) != (queue.revision, minute):
            lines = (_claimed(one, queue.claims) for one in queue.cases.values())
            order = sorted(lines, key=lambda one: one.rank(now))
            self._order = (queue.revision, minute, order)
        return order

    def _been_at(self, operator: str, case_id: str) -> Collection[str]:
        with self._lock:
            been = self._been.setdefault(operator, set())
            been.intersection_update(self._queue.cases)
            been.add(case_id)
            return frozenset(been)

    def _catch_up(self) -> None:
        queue, claims = self._queue, self._claims.all()
        fresh = self._follow() or self._load()
        if fresh.cases == queue.cases and _holders(claims) == _holders(queue.claims) and queue.event != UNREAD:
            self._queue = replace(queue, event=fresh.event, cut=fresh.cut)
            return
        for case_id in queue.cases.keys() - fresh.cases.keys():
            self._gone[case_id] = queue.cases[case_id]
        while len(self._gone) > _GONE:
            del self._gone[next(iter(self._gone))]
        self._queue = replace(fresh, claims=claims, revision=queue.revision + 1)

    def _load(self) -> _Queue:
        with self._store.reading() as connection:
            # First the event: what happens while the cases are read is read again.
            event = last_event(connection)
            found = pending(connection, datetime.now(UTC) - WINDOW, MOST + 1)
            cases = self._read(connection, found[:MOST])
        return _Queue(event=event, cases={case_id: one for case_id, one in cases.items() if one}, cut=len(found) > MOST)

    def _follow(self) -> _Queue | None:
        """The queue after what happened since; None when it is to be read anew."""
        queue = self._queue
        if queue.event == UNREAD:
            return None
        with self._store.reading() as connection:
            told = events_after(connection, queue.event, _FOLLOWED + 1)
            if not told:
                return queue
            if len(told) > _FOLLOWED:
                return None
            named = dict.fromkeys(subject for _, kind, subject in told if kind in TOLD)
            read = self._read(connection, named)
        cases = {case_id: one for case_id, one in {**queue.cases, **read}.items() if one}
        emptied = queue.cut and len(cases) < MOST // 2
        return None if emptied or len(cases) > 2 * MOST else replace(queue, event=told[-1][0], cases=cases)

    def _read(self, connection: Connection, case_ids: Collection[str]) -> dict[str, Waiting | None]:
        return {case_id: Waiting.of(CaseFile.read(connection, case_id), self._maps) for case_id in case_ids}


def _claimed(one: Waiting, claims: Mapping[str, Claim]) -> Waiting:
    claim = claims.get(one.case_id)
    return replace(one, claim=claim) if claim else one


def _holders(claims: Mapping[str, Claim]) -> dict[str, tuple[str, datetime]]:
    """Claims without their end, which every renewal moves."""
    return {case_id: (claim.operator, claim.since) for case_id, claim in claims.items()}
