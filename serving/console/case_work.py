"""An operator's way through the cases: open one, do a step, go on to the next, take a step back.

Methods block: call them from a worker thread. A case that waits for somebody is claimed while it is open.
"""

from dataclasses import dataclass

from dispatch_model.errors import DispatchError, ErrorKind
from serving.cases.steps import UNDO_TIME
from serving.cases_wire import Accept, Ask, Consult, Merge, Override, Return, State
from serving.console.case_forms import Wish
from serving.console.case_told import Written, doing, told
from serving.console.case_view import CasePage, read_case
from serving.console.filters import Filters
from serving.console.room import Room
from serving.console.undo_bar import Doing
from serving.guard import operators
from serving.guard.operators import Operator

_CLOSED = frozenset({State.DISPATCHED, State.MERGED})  # nobody need be kept from these
_TRIES = 5  # others may be quicker as often


@dataclass(frozen=True)
class Shown:
    """What is on the screen.

    :param page: None: no case is left.
    :param holder: name of the other operator who has the case, which can then only be read.
    """

    page: CasePage | None
    holder: str = ""


@dataclass(frozen=True)
class Outcome:
    """A step that was written, and what is on the screen after it.

    :param told: in a sentence.
    :param doing: None: it cannot be taken back.
    :param trouble: why the next case could not be read; then `shown` has none.
    """

    told: str
    doing: Doing | None
    shown: Shown
    trouble: DispatchError | None = None


class CaseWork:
    """The work of one operator.

    :param room: the running service.
    """

    def __init__(self, room: Room, operator: Operator) -> None:
        self._room = room
        self._operator = operator

    def open(self, case_id: str, *, over: bool = False) -> Shown:
        """A case, claimed if it waits and nobody else has it.

        :param over: take it from who has it.
        :raises DispatchError: NOT_FOUND, and FORBIDDEN to take over without being a supervisor.
        """
        if over and not self._operator.role.may(operators.Role.SUPERVISOR):
            told_ = "接管他人正在办理的工单需要主管权限。"
            raise DispatchError(ErrorKind.FORBIDDEN, told_, field="case_id", value=case_id)
        page = self._read(case_id)
        return Shown(page, "" if page.state in _CLOSED else self._claim(case_id, over=over))

    def step(self, page: CasePage, wish: Wish, filters: Filters) -> Outcome:
        """Do what is wished to the case of a page that is open, and go on to the next case, or the same as it is now.

        :raises DispatchError: CASE_TAKEN when another has taken the case over, and as `CaseDesk` does.
        """
        if page.state not in _CLOSED:
            self._room.claims.take(page.case_id, self._operator.login)
        entry = self._write(page.case_id, wish)
        said, done = told(page.case_id, entry), doing(page.case_id, entry)
        try:
            shown = self.open(page.case_id) if _stays(page, wish) else self.next(page.case_id, filters)
        except DispatchError as error:
            return Outcome(said, done, Shown(None), error)
        return Outcome(said, done, shown)

    def next(self, case_id: str, filters: Filters) -> Shown:
        """The next case that nobody else has, claimed; none when the queue is through."""
        for _ in range(_TRIES):
            found = self._room.board.next_after(case_id, self._operator.login, filters)
            if found is None:
                break
            if not self._claim(found):
                page = self._read(found)
                if page.state not in _CLOSED:
                    return Shown(page)
                self._room.claims.release(found, self._operator.login)
            self._room.board.refresh(at_once=True)  # others were quicker
        return Shown(None)

    def skip(self, case_id: str, filters: Filters) -> Shown:
        """`next`; the same case where it is the only one that waits."""
        shown = self.next(case_id, filters)
        alone = shown.page is None and self._room.board.find(case_id) is not None
        return self.open(case_id) if alone else shown

    def undo(self, doing: Doing) -> Outcome:
        """Take a step back and show its case again.

        :raises DispatchError: as `CaseDesk.undo`.
        """
        entry = self._room.cases.undo(doing.case_id, doing.undo(self._operator.login), self._operator.actor)
        return Outcome(told(doing.case_id, entry), None, self.open(doing.case_id))

    def renew(self, page: CasePage) -> str:
        """Keep the claim; the name of who has the case by now, when that is another operator."""
        if page.state in _CLOSED or self._room.claims.renew(page.case_id, self._operator.login):
            return ""
        return self._claim(page.case_id)

    def leave(self, case_id: str) -> None:
        """Give the case back, and catch up with what others did."""
        self._room.claims.release(case_id, self._operator.login)
        self._room.board.refresh()

    def _read(self, case_id: str) -> CasePage:
        return read_case(self._room.store, self._room.engine.router, case_id)

    def _claim(self, case_id: str, *, over: bool = False) -> str:
        """'' when the case is ours now, else the name of who has it."""
        try:
            self._room.claims.take(case_id, self._operator.login, over=over)
        except DispatchError as error:
            if error.kind is not ErrorKind.CASE_TAKEN:
                raise
            return self._name(str(error.value))
        return ""

    def _name(self, login: str) -> str:
        with self._room.store.reading() as connection:
            found = operators.find(connection, login)
        return found.name if found else login

    def _write(self, case_id: str, wish: Wish) -> Written:
        desk, actor = self._room.cases, self._operator.actor
        if isinstance(wish, Accept | Override):
            return desk.decide(case_id, wish, actor, hold=UNDO_TIME)
        if isinstance(wish, Consult):
            return desk.consult(case_id, wish, actor, hold=UNDO_TIME)
        if isinstance(wish, Ask):
            return desk.ask(case_id, wish, actor, hold=UNDO_TIME)
        if isinstance(wish, Merge):
            return desk.merge(case_id, wish, actor, hold=UNDO_TIME)
        return desk.send_back(case_id, wish, actor) if isinstance(wish, Return) else desk.review(case_id, wish, actor)


def _stays(page: CasePage, wish: Wish) -> bool:
    """A case that was dispatched already was not come to by the queue; one that must be decided anew goes on here."""
    return page.state is State.DISPATCHED or getattr(wish, "verdict", "") == "upheld"
