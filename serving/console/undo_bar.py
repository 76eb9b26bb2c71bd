"""What an operator did in the last seconds on this page and may take back, across cases."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from serving.cases.steps import UNDO_TIME
from serving.cases_wire import Undo, Undoable

SECONDS = UNDO_TIME.total_seconds()


@dataclass(frozen=True)
class Doing:
    """A step as it was written.

    :param told: what was done, in words.
    """

    case_id: str
    event: Undoable
    id: int
    told: str

    def undo(self, operator: str) -> Undo:
        """What to ask of the desk."""
        return Undo(action="undo", event=self.event, id=self.id, operator=operator)


class UndoBar:
    """The steps of one page, the last one first to be taken back.

    :param clock: seconds; another one in tests.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._done: list[tuple[float, Doing]] = []

    def push(self, doing: Doing) -> None:
        """It was just done."""
        self._done = [*self._running(), (self._clock() + SECONDS, doing)]

    def drop(self, doing: Doing) -> None:
        """It was taken back, or can no longer be."""
        self._done = [(until, one) for until, one in self._done if one != doing]

    @property
    def last(self) -> Doing | None:
        """What `z` takes back now."""
        running = self._running()
        return running[-1][1] if running else None

    @property
    def left(self) -> float:
        """Seconds that the last one can still be taken back; 0 for none."""
        running = self._running()
        return running[-1][0] - self._clock() if running else 0.0

    def _running(self) -> list[tuple[float, Doing]]:
        now = self._clock()
        return [(until, doing) for until, doing in self._done if until > now]
