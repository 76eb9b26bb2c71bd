"""Who may come in: only so many at once that the last one's wait stays short; the rest learn when to ask again.

Counted on the event loop's thread, so that nothing here needs a lock.
"""

from math import ceil

from dispatch_model.errors import DispatchError, ErrorKind

_FIRST_GUESS = 0.01  # seconds, until something was measured
_WEIGHT = 0.1  # of the newest measurement: it takes some twenty cases to follow a change


class Admission:
    """Counts the cases that are being answered or wait for it, and refuses what goes beyond.

    :param queue_limit: how many may wait; `threads` more are being worked on.
    :param threads: how many are worked on at once.
    """

    def __init__(self, *, queue_limit: int = 16, threads: int = 1) -> None:
        self._room = queue_limit + threads
        self._threads = threads
        self._seconds = _FIRST_GUESS
        self._leaving = False
        self._closed = False
        self.inside = 0
        self.refused = 0

    @property
    def leaving(self) -> bool:
        """Whether the end was announced: still working, no longer ready."""
        return self._leaving

    def announce_leaving(self) -> None:
        """From now on the service says that it is not ready, and goes on working."""
        self._leaving = True

    def close(self) -> None:
        """Let nobody in any more; who is inside is finished with."""
        self._leaving = self._closed = True

    def refusal(self, places: int = 1) -> DispatchError | None:
        """Why `places` more cannot come in now; None: they can.

        :returns: OVERLOADED with `retry_after`, or NOT_READY once closed.
        """
        if self._closed:
            return DispatchError(ErrorKind.NOT_READY, "服务正在停止；请稍后重试，或改发其他实例。")
        if self.inside + places <= self._room or not self.inside:
            return None
        seconds = self.retry_after
        return DispatchError(
            ErrorKind.OVERLOADED,
            f"服务繁忙，已有 {self.inside} 件在处理或等待；请在 {seconds} 秒后以同一 case_id 重试。",
            retry_after=seconds,
        )

    def enter(self, places: int = 1) -> None:
        """Take `places`; each has to be left again.

        :raises DispatchError: what `refusal` says.
        """
        if error := self.refusal(places):
            self.refused += 1
            raise error
        self.inside += places

    def leave(self, places: int = 1) -> None:
        """Give back what `enter` took."""
        self.inside -= places

    def measured(self, seconds: float) -> None:
        """A case took a thread so long. Any thread may say so: a lost update does not matter."""
        self._seconds += _WEIGHT * (seconds - self._seconds)

    @property
    def retry_after(self) -> int:
        """Whole seconds, at least 1, until those who are inside now will have been answered."""
        return max(1, ceil(self.inside * self._seconds / self._threads))
