"""Slows down who tries passwords: after some failures a pause, and a longer one after each further failure.

In the memory of one process, which is where the console is.
"""

from collections import OrderedDict, deque
from collections.abc import Callable
from math import ceil
from threading import Lock
from time import monotonic

from dispatch_model.errors import DispatchError, ErrorKind

WINDOW = 300.0  # seconds
FIRST_PAUSE = 10.0  # twice as long after each further failure
MOST = 10_000  # logins or addresses that are remembered; the ones longest ago are forgotten first
_COUNTED = 16  # failures beyond the free ones; by then every pause is the longest


class Attempts:
    """Failures of late, by what they are counted for: a login, or an address.

    :param free: failures within `WINDOW` before the first pause.
    :param longest: seconds of a pause; who then leaves it for `WINDOW` begins anew.
    :param clock: seconds that only grow.
    """

    def __init__(self, free: int, longest: float, *, clock: Callable[[], float] = monotonic) -> None:
        self._free = free
        self._longest = longest
        self._clock = clock
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = Lock()

    def begin(self, who: str) -> None:
        """Count an attempt as failed, until it is forgiven: many at once must not be let in together.

        :raises DispatchError: RATE_LIMITED, with the whole seconds to wait.
        """
        with self._lock:
            now = self._clock()
            failures = self._of(who, now)
            seconds = ceil(self._end(failures) - now)
            if seconds > 0:
                told = f"登录失败次数过多；请在{_span(seconds)}后再试。忘记密码请找管理员重设。"
                raise DispatchError(ErrorKind.RATE_LIMITED, told, field="login", retry_after=seconds)
            failures.append(now)

    def forgive(self, who: str) -> None:
        """The last attempt did not fail after all."""
        with self._lock:
            if failures := self._failures.get(who):
                failures.pop()

    def clear(self, who: str) -> None:
        """Forget all failures."""
        with self._lock:
            self._failures.pop(who, None)

    def _of(self, who: str, now: float) -> deque[float]:
        failures = self._failures.setdefault(who, deque(maxlen=self._free + _COUNTED))
        self._failures.move_to_end(who)
        if len(self._failures) > MOST:
            self._failures.popitem(last=False)
        if now > self._end(failures) + WINDOW:
            failures.clear()
        # Once there was a pause, what led to it stays, so that the next one is longer.
        while failures and len(failures) <= self._free and failures[0] < now - WINDOW:
            failures.popleft()
        return failures

    def _end(self, failures: deque[float]) -> float:
        """When the pause after the last failure ends; that failure itself where there is none."""
        if len(failures) < self._free:
            return failures[-1] if failures else 0.0
        return failures[-1] + min(FIRST_PAUSE * 2.0 ** (len(failures) - self._free), self._longest)


def _span(seconds: int) -> str:
    return f" {seconds} 秒" if seconds < 120 else f" {ceil(seconds / 60)} 分钟"
