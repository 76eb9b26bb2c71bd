"""From cases to stored answers without blocking the event loop.

A thread of the pool takes a request all the way: each switch of threads costs more than the query it would move.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter

from dispatch_model.cases import Case, Timing
from dispatch_model.errors import DispatchError
from serving.record import Content, Mask, Record
from serving.routing import Router, route_each
from serving.store import Store


@dataclass(frozen=True)
class Draft:
    """A case on its way through: its record and what the router took; None for a case answered before."""

    content: Content
    record: Record
    timing: Timing | None


class Engine:
    """Answers cases: looks up what was answered before, routes the rest, stores, replies.

    :param mask: replaces personal data in a text; nothing unmasked reaches the store.
    :param threads: how many requests are answered at once; the model of one runs while another waits for the disk.
    """

    def __init__(self, router: Router, store: Store, mask: Mask, *, threads: int = 1) -> None:
        self._router = router
        self._store = store
        self._mask = mask
        self._threads = ThreadPoolExecutor(threads, "route")

    def close(self) -> None:
        """Finish what is under way, then stop the threads."""
        self._threads.shutdown()

    async def ping(self) -> None:
        """Raise STORE_UNAVAILABLE when the store cannot be read."""
        await asyncio.to_thread(self._store.ping)

    async def answer(self, case: Case) -> str:
        """The reply to one case as JSON; it is on disk when this returns."""
        reply = (await self.answer_each([case]))[0]
        if isinstance(reply, DispatchError):
            raise reply
        return reply

    async def answer_each(self, cases: Sequence[Case]) -> list[str | DispatchError]:
        """One reply or error per case, in order; all new answers are written in one transaction."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._answer_each, cases, perf_counter())

    def _answer_each(self, cases: Sequence[Case], submitted: float) -> list[str | DispatchError]:
        queued = _milliseconds(submitted)
        drafts = self._draft_each(cases)
        new = [draft.record for draft in drafts if isinstance(draft, Draft) and draft.timing]
        started = perf_counter()
        stored = self._store.save(new) if new else {}
        spent = {"queue": queued, "store": _milliseconds(started)}
        return [draft if isinstance(draft, DispatchError) else _reply(draft, stored, spent) for draft in drafts]

    def _draft_each(self, cases: Sequence[Case]) -> list[Draft | DispatchError]:
        contents = [Content.of(case, self._mask) for case in cases]
        known = self._store.find([case.case_id for case in cases])
        fresh = [case for case in cases if case.case_id not in known]
        routings = iter(route_each(self._router, fresh))
        drafts: list[Draft | DispatchError] = []
        for case, content in zip(cases, contents, strict=True):
            if record := known.get(case.case_id):
                drafts.append(Draft(content, record, None))
                continue
            routing = next(routings)
            if isinstance(routing, DispatchError):
                drafts.append(routing)
            else:
                drafts.append(Draft(content, Record.of(content, routing), routing.timing_ms))
        return drafts


def _reply(draft: Draft, stored: dict[str, Record], spent: dict[str, float]) -> str | DispatchError:
    """Our own answer, or that of another request which took the case_id first."""
    record = stored.get(draft.record.case_id, draft.record)
    replayed = record is not draft.record or draft.timing is None
    try:
        record.check_same(draft.content)
    except DispatchError as error:
        return error
    timing = Timing(queue=spent["queue"]) if draft.timing is None else draft.timing.model_copy(update=spent)
    return record.reply(timing, replayed=replayed)


def _milliseconds(since: float) -> float:
    return round((perf_counter() - since) * 1000, 3)
