"""Everything the case page shows, in one read of the store."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Literal

from dispatch_model.calendar import Calendar
from dispatch_model.cases import CHINA_TIME, Routing
from dispatch_model.city import City
from serving.cases.casefile import CaseFile
from serving.cases.overrides import is_own
from serving.cases_wire import CaseView, State
from serving.console.history_view import HistoryLine, history_lines
from serving.console.holding import ReturnOpen, Taken
from serving.console.similar import RepeatCase, SimilarCase, repeated_cases, similar_cases
from serving.console.suggestion_view import Answer, answer_of
from serving.console.transcript_view import SpokenTurn, spoken_turns, summary_of
from serving.guard import operators
from serving.routing import Router
from serving.rules.check import shipped_folder
from serving.store.connection import Connection
from serving.store.store import Store
from serving.words import STATES

Action = Literal["accept", "override", "consult", "ask", "merge", "return", "review"]
WAITING = frozenset({State.ROUTED, State.REDISPATCH, State.CONSULTING, State.ASKED})


@dataclass(frozen=True)
class CasePage:
    """A case as an operator sees it.

    :param state_name: the word for `state`.
    :param actions: what may be done now; accept and override need `replaces` when that is not None (a correction).
    :param replaces: number of the decision in force that a correction names; None when the next decision is no
        correction.
    :param merged_into: the case it goes on as.
    :param came: when it came in, in words; `received_at` the same as a moment.
    :param address: as given, masked; "" when none was.
    :param place: full name of the place that was read; "" when none was. `path` its region codes, narrowest first.
    :param day: whose rules hold.
    :param city: as the case says it; None: the own one. `own_city` whether units can be named at all.
    :param erased: its texts were blanked: `turns` is empty.
    :param turns: the transcript; `summary` what it is about, one line.
    :param decision: in force; None: one is due.
    :param objection: the return that waits for its review, or was upheld and waits for another decision.
    :param repeats: of the same caller; the first is the one `m` merges into, if it is mergeable.
    :param routing: the answer itself, for `why_not`; `bundle` and rule versions are in `routing.versions`.
    """

    case_id: str
    state: State
    state_name: str
    actions: frozenset[Action]
    replaces: int | None
    merged_into: str | None
    received_at: datetime
    came: str
    address: str
    place: str
    path: tuple[str, ...]
    day: date
    city: str | None
    own_city: bool
    erased: bool
    summary: str
    turns: tuple[SpokenTurn, ...]
    answer: Answer
    decision: Taken | None
    objection: ReturnOpen | None
    history: tuple[HistoryLine, ...]
    similar: tuple[SimilarCase, ...]
    repeats: tuple[RepeatCase, ...]
    routing: Routing


def read_case(store: Store, router: Router, case_id: str, *, now: datetime | None = None) -> CasePage:
    """The page of a case. Blocks: call it from a worker thread.

    :param now: what deadlines are counted from; None: this moment.
    :raises DispatchError: NOT_FOUND.
    """
    with store.reading() as connection:
        rows = _Rows.read(connection, router, case_id)
    return _page(rows, router.city, now or datetime.now(UTC))


@dataclass(frozen=True)
class _Rows:
    """What the store has on a case, and the place that the router reads in it.

    :param names: of operators, by login.
    """

    case: CaseFile
    view: CaseView
    own_city: bool
    path: tuple[str, ...]
    names: Mapping[str, str]
    similar: tuple[SimilarCase, ...]
    repeats: tuple[RepeatCase, ...]

    @classmethod
    def read(cls, connection: Connection, router: Router, case_id: str) -> "_Rows":
        case = CaseFile.read(connection, case_id)
        view, own = case.view(router.maps), is_own(router, case.city)
        path = router.place(view.routing.transcript, case.address) if own else ()
        names = {one.login: one.name for one in operators.all_(connection)}
        similar = similar_cases(connection, router.city, case, path)
        return cls(case, view, own, path, names, similar, repeated_cases(connection, view.routing.repeat_of))


def _page(rows: _Rows, city: City, now: datetime) -> CasePage:
    case, view, names = rows.case, rows.view, rows.names
    routing, address, state = view.routing, case.address, view.state
    answer = answer_of(routing, now, own_city=rows.own_city, calendar=_calendar(city.slug))
    received_at = view.received_at or view.stored_at
    objection = case.open_return or case.upheld_return
    decision = Taken.of(view.decision, names, now) if view.decision else None
    return CasePage(
        case_id=case.case_id,
        state=state,
        state_name=STATES[state],
        actions=_actions(state, answer, own_city=rows.own_city),
        replaces=decision.id if decision and state is State.DISPATCHED else None,
        merged_into=view.merged_into,
        received_at=received_at,
        came=f"{received_at.astimezone(CHINA_TIME):%Y-%m-%d %H:%M}",
        address=address.text() if address else "",
        place=city.region_path(rows.path[0]) if rows.path else "",
        path=rows.path,
        day=case.day,
        city=case.city,
        own_city=rows.own_city,
        erased=not routing.transcript,
        summary=summary_of(routing.transcript),
        turns=spoken_turns(routing),
        answer=answer,
        decision=decision,
        objection=ReturnOpen.of(objection, names, now) if objection else None,
        history=history_lines(view.history, names, now),
        similar=rows.similar,
        repeats=rows.repeats,
        routing=routing,
    )


def _actions(state: State, answer: Answer, *, own_city: bool) -> frozenset[Action]:
    """What the state allows, and the answer has something for."""
    if state is State.RETURNED:
        return frozenset({"review"})
    if state is State.MERGED:
        return frozenset()
    deciding: set[Action] = {"override"} if own_city else set()
    if any(not card.blocked for card in answer.cards):
        deciding.add("accept")
    return frozenset(deciding | ({"consult", "ask", "merge"} if state in WAITING else {"return"}))


@lru_cache(maxsize=4)
def _calendar(slug: str) -> Calendar:
    """That of the city, as it travels with the program; deadlines themselves come with the answer."""
    return Calendar.of(shipped_folder(slug))
