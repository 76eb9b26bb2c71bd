"""The audit chain checked on demand; the last result is remembered as long as the service runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock
from time import perf_counter

from dispatch_model.cases import CHINA_TIME
from dispatch_model.errors import DispatchError, ErrorKind
from serving.give_way import giving_way
from serving.store.audit import verify
from serving.store.store import Store


@dataclass(frozen=True)
class Verification:
    """One check.

    :param by: who asked for it.
    :param lines: the report as a person reads it.
    """

    at: datetime
    by: str
    seconds: float
    flawed: int
    lines: Sequence[str]


class Verifier:
    """Checks the chain of one store, once at a time: on a large store it takes minutes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._running = Lock()
        self.last: Verification | None = None

    @property
    def running(self) -> bool:
        """Whether somebody is at it."""
        return self._running.locked()

    def run(self, by: str) -> Verification:
        """Check everything; the service goes on meanwhile.

        :raises DispatchError: OVERLOADED while another check runs, STORE_UNAVAILABLE.
        """
        if not self._running.acquire(blocking=False):
            raise DispatchError(ErrorKind.OVERLOADED, "正在核对审计链；请等它结束，结果会显示在本页。")
        try:
            at, began = datetime.now(CHINA_TIME), perf_counter()
            with giving_way(), self._store.reading() as connection:
                report = verify(connection)
            self.last = Verification(at, by, perf_counter() - began, report.flawed, list(report.lines()))
            return self.last
        finally:
            self._running.release()
