"""The one thread of a process that writes. Jobs that wait together share a transaction, and its wait for the disk."""

import logging
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, TypeVar

from dispatch_model.errors import DispatchError, ErrorKind
from serving.store.connection import Connection
from serving.store.database import Database

MOST_JOBS = 256  # in one transaction; bounds how long the first of them waits for the last
TRIES = 3  # of a transaction that PostgreSQL ended to resolve a deadlock

T = TypeVar("T")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Job:
    run: Callable[[Connection], Any]
    future: Future[Any]


@dataclass(frozen=True)
class _Failed:
    error: Exception


class Writer:
    """Runs jobs one after another, many to a transaction; a future is done when its rows are on disk.

    There is no timer: a transaction takes what came in while the one before it waited for the disk. When the database
    cannot be reached, all jobs of the transaction fail with STORE_UNAVAILABLE; the next one connects again.

    :param most: jobs in one transaction.
    """

    def __init__(self, database: Database, *, most: int = MOST_JOBS) -> None:
        self._database = database
        self._most = most
        self._connection: Connection | None = None
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._trouble = ""
        self._closed = False
        self._closing = Lock()
        self._thread = Thread(target=self._serve, name="writer", daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[Connection], T]) -> Future[T]:
        """Queue `job`. It runs in the writer's thread, so it must not wait for another job.

        A job runs inside a savepoint: when it raises, its own rows alone are taken back and its future gets the
        error, a driver's as STORE_UNAVAILABLE and any other as it is. It may run twice, after a deadlock: it must have
        no effect but on the connection. A future that is cancelled before its transaction begins is not run.

        :raises DispatchError: STORE_UNAVAILABLE after `close`.
        """
        future: Future[T] = Future()
        with self._closing:
            if self._closed:
                raise DispatchError(ErrorKind.STORE_UNAVAILABLE, "服务正在停止，不再写入；请稍后重试。")
            self._queue.put(_Job(job, future))
        return future

    @property
    def waiting(self) -> int:
        """Jobs that no transaction has taken yet."""
        return self._queue.qsize()

    def close(self) -> None:
        """Finish what was submitted, then stop."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _serve(self) -> None:
        going = True
        while going:
            taken = [self._queue.get(), *self._waiting()]
            going = None not in taken
            jobs = [job for job in taken if job is not None and job.future.set_running_or_notify_cancel()]
            if jobs:
                self._answer(jobs)
        self._forget()

    def _waiting(self) -> list[_Job | None]:
        taken: list[_Job | None] = []
        while len(taken) < self._most - 1:
            try:
                taken.append(self._queue.get_nowait())
            except Empty:
                break
        return taken

    def _answer(self, jobs: list[_Job]) -> None:
        """Whatever happens, every future gets its answer: someone waits at the other end."""
        try:
            outcomes = self._transact(jobs)
            self._note("")
        except self._database.error as error:
            self._note(type(error).__name__)
            outcomes = [_Failed(self._database.unavailable(error))] * len(jobs)
        except Exception as error:  # noqa: BLE001 - the thread must outlive it, and the callers learn of it
            self._forget()
            outcomes = [_Failed(error)] * len(jobs)
        for job, outcome in zip(jobs, outcomes, strict=True):
            if isinstance(outcome, _Failed):
                job.future.set_exception(outcome.error)
            else:
                job.future.set_result(outcome)

    def _note(self, trouble: str) -> None:
        """Log when writing begins to fail and when it works again, not every failure between."""
        if trouble and not self._trouble:
            logger.error("database %s cannot be written: %s", self._database.name, trouble)
        elif self._trouble and not trouble:
            logger.warning("database %s can be written again", self._database.name)
        self._trouble = trouble

    def _transact(self, jobs: list[_Job]) -> list[Any]:
        """The results of all jobs, committed; raises the driver's error when nothing was."""
        for left in reversed(range(TRIES)):
            try:
                return self._try(jobs)
            except self._database.error as error:
                self._forget()
                if not (left and self._database.gave_up(error)):
                    raise
        raise RuntimeError("the last try returns or raises. This is a bug.")

    def _try(self, jobs: list[_Job]) -> list[Any]:
        connection = self._begin()
        if len(jobs) == 1:
            outcome = self._run(connection, jobs[0])
            if isinstance(outcome, _Failed):
                self._take_back(connection, outcome, "ROLLBACK")
            else:
                connection.run("COMMIT")
            return [outcome]
        outcomes = [self._run_apart(connection, job) for job in jobs]
        connection.run("COMMIT")
        return outcomes

    def _run_apart(self, connection: Connection, job: _Job) -> Any:
        connection.run("SAVEPOINT job")
        outcome = self._run(connection, job)
        if isinstance(outcome, _Failed):
            self._take_back(connection, outcome, "ROLLBACK TO SAVEPOINT job")
        connection.run("RELEASE SAVEPOINT job")
        return outcome

    def _take_back(self, connection: Connection, failed: _Failed, statement: str) -> None:
        try:
            connection.run(statement)
        except self._database.error:
            # The failure took the whole transaction along, as a full disk does.
            raise failed.error.__cause__ or failed.error from None

    def _run(self, connection: Connection, job: _Job) -> Any:
        try:
            return job.run(connection)
        except self._database.error as error:
            if self._database.gave_up(error) or self._database.lost(connection):
                raise
            failure = self._database.unavailable(error)
            failure.__cause__ = error
            return _Failed(failure)
        except Exception as error:  # noqa: BLE001 - it belongs to whoever submitted the job
            return _Failed(error)

    def _begin(self) -> Connection:
        connection, known = self._connection or self._database.connect(), self._connection is not None
        self._connection = connection
        try:
            connection.run(self._database.begin)
        except self._database.error:
            if not (known and self._database.lost(connection)):
                raise
            # The server was restarted while nobody wrote.
            self._forget()
            return self._begin()
        return connection

    def _forget(self) -> None:
        """Give the connection up, and with it what was not committed."""
        if self._connection:
            self._connection.close()
            self._connection = None
