"""An answer on its way to the disk, and the reply once it is there."""

from concurrent.futures import Future
from time import perf_counter
from typing import NamedTuple

from dispatch_model.cases import Timing
from dispatch_model.errors import DispatchError
from serving.store.record import Content, Record
from serving.web.exchange import note_timing


class Draft(NamedTuple):
    """A case with its answer.

    :param content: as it came in now; that of `record` is what came first.
    :param queued: milliseconds it waited for a thread.
    :param timing: what the router took; None for a case answered before.
    """

    content: Content
    record: Record
    queued: float
    timing: Timing | None


class Outcome(NamedTuple):
    """A draft, and what the store holds under its case_id by now: the same, or what another request put there first.

    :param waited: milliseconds for the store.
    """

    draft: Draft
    stored: Record
    waited: float = 0.0

    def reply(self) -> str | DispatchError:
        """The body of a 200, or CASE_CONFLICT."""
        draft = self.draft
        try:
            self.stored.check_same(draft.content)
        except DispatchError as error:
            return error
        if draft.timing is None or self.stored is not draft.record:
            return self._told(Timing(queue=draft.queued, store=self.waited), replayed=True)
        return self._told(draft.timing.model_copy(update={"queue": draft.queued, "store": self.waited}), replayed=False)

    def _told(self, timing: Timing, *, replayed: bool) -> str:
        note_timing(timing, replayed=replayed)
        return self.stored.reply(timing, replayed=replayed)


def settle(outcome: Future[Outcome], draft: Draft, since: float, saved: Future[dict[str, Record]]) -> None:
    """Hand on what came of saving `draft`; called by the writer.

    :param since: when it was handed to the writer, by `perf_counter`.
    """
    if error := saved.exception():
        outcome.set_exception(error)
        return
    stored = saved.result()[draft.record.case_id]
    outcome.set_result(Outcome(draft, stored, round((perf_counter() - since) * 1e3, 3)))
