"""Cases that wait for an inference thread, and which of them it takes at once."""

from concurrent.futures import Future
from contextlib import suppress
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from time import perf_counter

from dispatch_model.cases import Case
from serving.drafts import Outcome


@dataclass(slots=True, frozen=True)
class Job:
    """A case in the queue. Cancelling `outcome` takes it out, unless a thread has begun with it."""

    case: Case
    outcome: Future[Outcome] = field(default_factory=Future)
    submitted: float = field(default_factory=perf_counter)
    context: Context = field(default_factory=copy_context)


class JobQueue:
    """First come, first served.

    :param threads: how many take from it.
    :param together: how many cases a thread takes at most; its share of what waits, where there are several.
    """

    def __init__(self, threads: int, together: int) -> None:
        self._threads = threads
        self._together = together
        self._queue: SimpleQueue[Job | None] = SimpleQueue()

    @property
    def waiting(self) -> int:
        """Cases no thread has begun with."""
        return self._queue.qsize()

    def put(self, job: Job) -> None:
        """Let a case wait."""
        self._queue.put(job)

    def end(self) -> None:
        """Nothing comes after this."""
        for _ in range(self._threads):
            self._queue.put(None)

    def take(self) -> list[Job] | None:
        """Wait for a case and take it, with others that wait already; none where all were abandoned, None at the end.

        What is taken is begun with: it cannot be cancelled any more.
        """
        first = self._queue.get()
        if first is None:
            return None
        return [job for job in (first, *self._others()) if job.outcome.set_running_or_notify_cancel()]

    def _others(self) -> list[Job]:
        found: list[Job] = []
        most = min(self._together - 1, self._queue.qsize() // self._threads)
        with suppress(Empty):
            while len(found) < most:
                job = self._queue.get_nowait()
                if job is None:
                    self._queue.put(None)  # a thread still has to hear of the end
                    break
                found.append(job)
        return found
