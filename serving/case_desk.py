"""What happens to a case after it was routed, each step on disk when its method returns."""

from typing import Protocol

from serving import decisions, returns
from serving.casefile import CaseFile, decision_entry, return_entry, review_entry
from serving.cases_wire import Accept, CaseView, DecisionEntry, Override, Return, ReturnEntry, Review, ReviewEntry
from serving.engine import Engine
from serving.guard import Actor
from serving.store import Store


class Tally(Protocol):
    """Counts what people do; see `serving.metrics`."""

    def decided(self, function: str, action: str) -> None:
        """An operator decided on a case that `function` was suggested for."""

    def returned(self, function: str, reason: str) -> None:
        """A unit of `function` sent a case back."""


class CaseDesk:
    """Cases, decisions, returns and reviews of a running service. Methods block: call them from a worker thread."""

    def __init__(self, engine: Engine, store: Store, tally: Tally) -> None:
        self._engine = engine
        self._store = store
        self._tally = tally

    def view(self, case_id: str) -> CaseView:
        """The stored answer and all that came after it.

        :raises DispatchError: NOT_FOUND.
        """
        return self._read(case_id).view(self._engine.router.maps)

    def decide(self, case_id: str, wish: Accept | Override, actor: Actor) -> DecisionEntry:
        """Accept a suggestion or name another unit.

        :raises DispatchError: NOT_FOUND, CASE_STATE, and as `decisions.prepare`.
        """
        router, case = self._engine.router, self._read(case_id)
        written = decisions.repetition(case, wish, actor)
        if written is None:
            values = decisions.prepare(router, case, wish, actor)
            written = self._store.write(lambda connection: decisions.write(connection, wish, values, actor))
            if not written.repeated:
                self._tally.decided(case.suggested_function, wish.action)
        return decision_entry(written.row, router.maps, replayed=written.repeated)

    def send_back(self, case_id: str, wish: Return, actor: Actor) -> ReturnEntry:
        """A unit objects to having the case.

        :raises DispatchError: NOT_FOUND, CASE_STATE, INVALID_DECISION for a proposed unit that does not exist.
        """
        case = self._read(case_id)
        values = returns.prepare(self._engine.router, case, wish, actor)
        written = self._store.write(lambda connection: returns.write(connection, values))
        if not written.repeated:
            self._tally.returned(case.decision["function"] if case.decision else case.suggested_function, wish.reason)
        return return_entry(written.row, replayed=written.repeated)

    def review(self, case_id: str, wish: Review, actor: Actor) -> ReviewEntry:
        """Uphold or reject the return that waits.

        :raises DispatchError: NOT_FOUND, CASE_STATE.
        """
        written = self._store.write(lambda connection: returns.review(connection, case_id, wish, actor))
        return review_entry(written.row, replayed=written.repeated)

    def _read(self, case_id: str) -> CaseFile:
        with self._store.reading() as connection:
            return CaseFile.read(connection, case_id)
