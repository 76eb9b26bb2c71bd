"""From cases to stored answers without blocking the event loop.

    loop: admit, queue ─► inference thread: mask, look up, route ─► writer: on disk ─► loop: reply

A case wakes the event loop once. While the writer waits for the disk, the inference thread has the next cases. Those
that wait together are read together, then go through the model one by one, then are answered together: after a run of
the model, what Python needs comes from cold caches, and is fetched once for all of them.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from threading import Lock, Thread
from time import perf_counter
from typing import NamedTuple, ParamSpec, Protocol, TypeVar

from dispatch_model.cases import Case, Routing
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.transcript import check_length
from serving.drafts import Draft, Outcome, settle
from serving.job_queue import Job, JobQueue
from serving.routing import Router, route_each
from serving.store.record import Content, Mask, Record
from serving.store.seal import Seal
from serving.web.admission import Admission
from serving.web.exchange import note_answer

P = ParamSpec("P")
R = TypeVar("R")


class Records(Protocol):
    """The part of `serving.store.store.Store` that is used here."""

    @property
    def seal(self) -> Seal:
        """What makes the digests of its contents."""

    def ping(self) -> None:
        """Raise STORE_UNAVAILABLE when it cannot be read."""

    def find(self, case_ids: Sequence[str]) -> dict[str, Record]:
        """The stored records among `case_ids`."""

    def submit(self, records: Sequence[Record]) -> Future[dict[str, Record]]:
        """Write; done when on disk, with what is now stored under each case_id: ours, or what was there before."""


class Opened(NamedTuple):
    """A case that is to be routed.

    :param queued: milliseconds it waited for a thread.
    """

    job: Job
    content: Content
    queued: float


class Engine:
    """Answers cases: looks up what was answered before, routes the rest, stores, replies.

    :param router: may be replaced at any time by who holds `changing`; what is under way goes on with the one it
        began with.
    :param mask: replaces personal data in a text; nothing unmasked reaches the store.
    :param threads: how many cases are routed at once.
    :param together: how many cases that wait a thread takes at most; its share of them, where there are several.
    :param admission: who may come in; without one everybody may.
    :param deadline: seconds a case may take, from when it came in.
    :param batch_deadline: the same for a batch as a whole.
    :param repeats: adds to an answer what the caller brought before; called where a caller is known.
    """

    def __init__(
        self,
        router: Router,
        store: Records,
        mask: Mask,
        *,
        threads: int = 1,
        together: int = 1,
        admission: Admission | None = None,
        deadline: float = 10.0,
        batch_deadline: float = 60.0,
        repeats: Callable[[Router, Content, Routing], Routing] | None = None,
    ) -> None:
        self.router = router
        self.admission = admission or Admission(queue_limit=2**31, threads=threads)
        self.dropped = 0
        self.changing = Lock()
        self.shadow: Callable[[Case], None] | None = None
        self.caution: Callable[[Router, Routing], Routing] | None = None
        self._store = store
        self._mask = mask
        self._repeats = repeats
        self._deadline, self._batch_deadline = deadline, batch_deadline
        self._queue = JobQueue(threads, together)
        self._threads = [Thread(target=self._work, name=f"route-{number}", daemon=True) for number in range(threads)]
        self._started = False

    @property
    def waiting(self) -> int:
        """Cases no thread has begun with."""
        return self._queue.waiting

    def close(self) -> None:
        """Finish what is queued, then stop the threads."""
        if self._started:
            self._queue.end()
            for thread in self._threads:
                thread.join()

    async def ping(self) -> None:
        """Raise STORE_UNAVAILABLE when the store cannot be read."""
        await asyncio.to_thread(self._store.ping)

    async def answer(self, case: Case) -> str:
        """The reply to one case as JSON; it is on disk when this returns.

        :raises DispatchError: OVERLOADED, NOT_READY, DEADLINE_EXCEEDED, or what is wrong with the case or the store.
        """
        self.admission.enter()
        try:
            reply = await self._answer(case, asyncio.get_running_loop().time() + self._deadline, self._deadline)
        finally:
            self.admission.leave()
        if isinstance(reply, DispatchError):
            raise reply
        return reply

    async def answer_each(self, cases: Sequence[Case]) -> list[str | DispatchError]:
        """One reply or error per case, in order.

        Of a batch only one case more than there are threads is in the queue at a time: single cases pass in between.

        :raises DispatchError: OVERLOADED or NOT_READY; STORE_UNAVAILABLE, when what was answered is on disk and
            the rest was not begun with.
        """
        late = asyncio.get_running_loop().time() + self._batch_deadline
        replies: list[str | DispatchError] = [_late(self._batch_deadline)] * len(cases)
        rest = deque(enumerate(cases))
        abreast = min(len(self._threads) + 1, len(cases))
        self.admission.enter(abreast)
        try:
            failures = await asyncio.gather(*(self._take(rest, replies, late) for _ in range(abreast)))
        finally:
            self.admission.leave(abreast)
        for failure in filter(None, failures):
            raise failure
        return replies

    async def _take(
        self, rest: deque[tuple[int, Case]], replies: list[str | DispatchError], late: float
    ) -> DispatchError | None:
        """Answer from `rest` until nothing is left or it is too `late`; the error when the store fails."""
        now = asyncio.get_running_loop().time
        while rest and now() < late:
            index, case = rest.popleft()
            replies[index] = reply = await self._answer(case, late, self._batch_deadline)
            if isinstance(reply, DispatchError) and reply.kind is ErrorKind.STORE_UNAVAILABLE:
                rest.clear()
                return reply
        return None

    async def _answer(self, case: Case, late: float, allowed: float) -> str | DispatchError:
        """Queue and wait until `late`, by the loop's clock; that is `allowed` seconds from when the request came."""
        job = Job(case)
        self._put(job)
        try:
            async with asyncio.timeout_at(late):
                outcome = await asyncio.wrap_future(job.outcome)
        except TimeoutError:
            self.dropped += job.outcome.cancelled()
            return _late(allowed)
        except DispatchError as error:
            return error
        return outcome.reply()

    def _put(self, job: Job) -> None:
        if not self._started:
            self._started = True
            for thread in self._threads:
                thread.start()
        self._queue.put(job)

    def _work(self) -> None:
        """What an inference thread does."""
        while (jobs := self._queue.take()) is not None:
            if jobs:
                self._route(jobs)

    def _route(self, jobs: Sequence[Job]) -> None:
        began = perf_counter()
        router = self.router
        opened = [draft for job in jobs if (draft := self._guarded(job, self._open, job, began))]
        routings = _route_all(router, opened)
        for draft, routing in zip(opened, routings, strict=True):
            self._guarded(draft.job, self._finish, draft, router, routing)
        self.admission.measured((perf_counter() - began) / len(jobs))

    def _guarded(self, job: Job, call: Callable[P, R], *given: P.args, **named: P.kwargs) -> R | None:
        """`call` in the context of the request; what it raises belongs to who waits, and the thread to the others."""
        try:
            return job.context.run(call, *given, **named)
        except BaseException as error:  # noqa: BLE001
            job.outcome.set_exception(error)
            return None

    def _open(self, job: Job, began: float) -> Opened | None:
        """What there is to route; None: it was answered before, and is again."""
        case = job.case
        check_length(case)
        opened = Opened(job, Content.of(case, self._mask, self._store.seal), round((began - job.submitted) * 1e3, 3))
        record = self._store.find([case.case_id]).get(case.case_id)
        if record is None:
            return opened
        job.outcome.set_result(Outcome(Draft(opened.content, record, opened.queued, None), record))
        return None

    def _finish(self, opened: Opened, router: Router, routing: Routing | DispatchError) -> None:
        """Hand an answer to the writer."""
        if isinstance(routing, DispatchError):
            raise routing
        job, content, queued = opened
        if self.caution:
            routing = self.caution(router, routing)
        if self._repeats and content.caller:
            routing = self._repeats(router, content, routing)
        note_answer(router, job.case, routing)
        if self.shadow:
            self.shadow(job.case)
        draft, done = Draft(content, Record.of(content, routing), queued, routing.timing_ms), perf_counter()
        self._store.submit([draft.record]).add_done_callback(partial(settle, job.outcome, draft, done))


def _route_all(router: Router, opened: Sequence[Opened]) -> Sequence[Routing | DispatchError]:
    """Together; where that fails or there is but one, each in the context of its request, which a log line names."""
    if len(opened) > 1:
        with suppress(Exception):
            return router.route([each.job.case for each in opened])
    return [each.job.context.run(route_each, router, [each.job.case])[0] for each in opened]


def _late(seconds: float) -> DispatchError:
    return DispatchError(
        ErrorKind.DEADLINE_EXCEEDED, f"未能在 {seconds:g} 秒内答复；请稍后以同一 case_id 重试，已算出的答复会直接返回。"
    )
