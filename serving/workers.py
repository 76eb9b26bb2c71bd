"""Several processes that serve one port: forked, so that they share the memory of the model, and kept running."""

import logging
import multiprocessing
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess

from uvicorn.config import STARTUP_FAILURE

logger = logging.getLogger(__name__)

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_LOOK_SECONDS = 1.0
_SOONEST = 1.0  # seconds from one start to the next of a worker: one that cannot live must not be started without end


class Workers:
    """Runs `work` in `count` processes; starts another for each that dies, until SIGTERM or SIGINT ends them all.

    :param work: what a process does; it ends on SIGTERM, and by itself when its parent is gone.
    """

    def __init__(self, count: int, work: Callable[[], None]) -> None:
        self._count = count
        self._work = work
        self._processes: dict[ForkProcess, float] = {}
        self._stopping = False

    def run(self) -> bool:
        """Until all have ended; whether they ended because they were told to."""
        before = {sig: signal.signal(sig, self._stop) for sig in _SIGNALS}
        failed = False
        try:
            for _ in range(self._count):
                self._start()
            while self._processes:
                wait([process.sentinel for process in self._processes], _LOOK_SECONDS)
                failed |= self._look()
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)
        return not failed

    def _start(self) -> None:
        # A signal that came while a worker still has our handlers would be lost on it.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            if not self._stopping:
                process = multiprocessing.get_context("fork").Process(target=self._begin)
                process.start()
                self._processes[process] = time.monotonic()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)

    def _begin(self) -> None:
        for sig in _SIGNALS:
            signal.signal(sig, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        self._work()

    def _look(self) -> bool:
        """Replace the dead; True when one of them could not even start: the next could not either."""
        hopeless = False
        for process, started in list(self._processes.items()):
            if process.exitcode is None:
                continue
            del self._processes[process]
            if self._stopping:
                continue
            logger.error("worker %s ended with status %s", process.pid, process.exitcode)
            if process.exitcode == STARTUP_FAILURE:
                hopeless = True
                self._stop()
            else:
                time.sleep(max(0.0, started + _SOONEST - time.monotonic()))
                self._start()
        return hopeless

    def _stop(self, *_: object) -> None:
        self._stopping = True
        for process in self._processes:
            process.terminate()
