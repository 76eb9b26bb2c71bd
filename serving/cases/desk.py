"""What happens to a case after it was routed, each step on disk when its method returns."""

from datetime import timedelta
from typing import Protocol

from serving.cases import decisions, returns, steps
from serving.cases.casefile import CaseFile
from serving.cases.entries import decision_entry, return_entry, review_entry, step_entry
from serving.cases_wire import (
    Accept,
    Ask,
    CaseView,
    Consult,
    DecisionEntry,
    Merge,
    Override,
    Return,
    ReturnEntry,
    Review,
    ReviewEntry,
    StepEntry,
    Undo,
)
from serving.engine import Engine
from serving.guard.guard import Actor
from serving.store.store import Store

_AT_ONCE = timedelta(0)


class Tally(Protocol):
    """Counts what people do; see `serving.monitoring.metrics`."""

    def decided(self, function: str, action: str) -> None:
        """An operator decided on a case that `function` was suggested for."""

    def returned(self, function: str, reason: str) -> None:
        """A unit of `function` sent a case back."""

    def stepped(self, function: str, action: str) -> None:
        """An operator consulted, asked, merged, or took back: then `undo_` and what, such as `undo_accept`."""


class CaseDesk:
    """Cases, decisions, returns, reviews and steps of a running service.

    Methods block: call them from a worker thread. `hold` is how long subscribers are not told of a step, as it may be
    undone: `steps.UNDO_TIME` where a person works who may, nothing where a system calls.
    """

    def __init__(self, engine: Engine, store: Store, tally: Tally) -> None:
        self._engine = engine
        self._store = store
        self._tally = tally

    def view(self, case_id: str) -> CaseView:
        """The stored answer and all that came after it.

        :raises DispatchError: NOT_FOUND.
        """
        return self._read(case_id).view(self._engine.router.maps)

    def decide(
        self, case_id: str, wish: Accept | Override, actor: Actor, *, hold: timedelta = _AT_ONCE
    ) -> DecisionEntry:
        """Accept a suggestion or name another unit.

        :raises DispatchError: NOT_FOUND, CASE_STATE, and as `decisions.prepare`.
        """
        router, case = self._engine.router, self._read(case_id)
        written = decisions.repetition(case, wish, actor)
        if written is None:
            values = decisions.prepare(router, case, wish, actor)
            written = self._store.write(lambda connection: decisions.write(connection, wish, values, actor, hold=hold))
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

    def consult(self, case_id: str, wish: Consult, actor: Actor, *, hold: timedelta = _AT_ONCE) -> StepEntry:
        """Ask units or the supervisor for an opinion.

        :raises DispatchError: NOT_FOUND, CASE_STATE, INVALID_DECISION for a unit that does not exist.
        """
        return self._step(case_id, wish, actor, hold)

    def ask(self, case_id: str, wish: Ask, actor: Actor, *, hold: timedelta = _AT_ONCE) -> StepEntry:
        """Have the citizen asked.

        :raises DispatchError: NOT_FOUND, CASE_STATE.
        """
        return self._step(case_id, wish, actor, hold)

    def merge(self, case_id: str, wish: Merge, actor: Actor, *, hold: timedelta = _AT_ONCE) -> StepEntry:
        """Close the case: it goes on as another.

        :raises DispatchError: NOT_FOUND, CASE_STATE, INVALID_DECISION for a case to merge into that does not exist.
        """
        return self._step(case_id, wish, actor, hold)

    def undo(self, case_id: str, wish: Undo, actor: Actor) -> StepEntry:
        """Take back what the same operator did less than `steps.UNDO_TIME` ago.

        :raises DispatchError: NOT_FOUND, CASE_STATE, FORBIDDEN, INVALID_DECISION for a step that there is not.
        """
        written = self._store.write(lambda connection: steps.undo(connection, case_id, wish, actor))
        case = self._read(case_id)
        undone = case.find(written.row["undoes_table"], written.row["undoes_id"])
        if undone and not written.repeated:
            self._tally.stepped(case.suggested_function, f"undo_{undone['action']}")
        return step_entry(written.row, undone, replayed=written.repeated)

    def step(self, case_id: str, wish: Consult | Ask | Merge | Undo, actor: Actor) -> StepEntry:
        """Whichever of `consult`, `ask`, `merge` and `undo` it is."""
        return self.undo(case_id, wish, actor) if isinstance(wish, Undo) else self._step(case_id, wish, actor, _AT_ONCE)

    def _step(self, case_id: str, wish: Consult | Ask | Merge, actor: Actor, hold: timedelta) -> StepEntry:
        case = self._read(case_id)
        values = steps.prepare(self._engine.router, case, wish, actor)
        written = self._store.write(lambda connection: steps.write(connection, values, hold=hold))
        if not written.repeated:
            self._tally.stepped(case.suggested_function, wish.action)
        return step_entry(written.row, replayed=written.repeated)

    def _read(self, case_id: str) -> CaseFile:
        with self._store.reading() as connection:
            return CaseFile.read(connection, case_id)
