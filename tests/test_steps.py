import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from dispatch_model.cases import Disposition
from dispatch_model.errors import DispatchError, ErrorKind
from serving.cases import decisions, returns, steps
from serving.cases.casefile import CaseFile
from serving.cases.decisions import Written
from serving.cases_wire import Accept, Ask, Consult, Merge, Return, Review, State, Undo, Undoable
from serving.guard.guard import Actor, Scope
from serving.hooks import hooks, outbox
from serving.routing import Router
from serving.store import moments
from serving.store.audit import verify
from serving.store.schema import audit_events
from serving.store.schema import outbox as messages
from serving.store.store import Store

AGENT = Actor("console:a017", frozenset({Scope.OPERATOR}))
OTHER = Actor("console:b203", frozenset({Scope.OPERATOR}))
CONSULT = Consult(action="consult", units=("市交警支队", "460100-交警"), supervisor=True, note="电话13812345678")
ASK = Ask(action="ask", question="是哪个路口？联系13812345678")
ACCEPT = Accept(action="accept")


class Desk:
    """One case on a store, and what an operator does with it."""

    def __init__(self, store: Store, router: Router) -> None:
        self.store = store
        self.router = router

    def read(self, case_id: str = "1") -> CaseFile:
        with self.store.reading() as connection:
            return CaseFile.read(connection, case_id)

    def do(self, wish: Any, case_id: str = "1", *, actor: Actor = AGENT, hold: timedelta = timedelta(0)) -> Written:
        case = self.read(case_id)
        if isinstance(wish, Accept):
            values = decisions.prepare(self.router, case, wish, actor)
            return self.store.write(lambda connection: decisions.write(connection, wish, values, actor, hold=hold))
        values = steps.prepare(self.router, case, wish, actor)
        return self.store.write(lambda connection: steps.write(connection, values, hold=hold))

    def undo(self, event: Undoable, number: int, *, actor: Actor = AGENT, operator: str = "") -> Written:
        wish = Undo(action="undo", event=event, id=number, operator=operator)
        return self.store.write(lambda connection: steps.undo(connection, "1", wish, actor))

    def send_back(self) -> None:
        values = returns.prepare(self.router, self.read(), Return(reason="权属不清"), OTHER)
        self.store.write(lambda connection: returns.write(connection, values))

    def uphold(self) -> None:
        self.send_back()
        self.store.write(lambda connection: returns.review(connection, "1", Review(verdict="upheld"), OTHER))

    def told(self) -> list[tuple[str, str, dict[str, Any]]]:
        with self.store.reading() as connection:
            rows = connection.rows(select(messages).order_by(messages.c.id))
        return [(row["event"], row["state"], json.loads(row["payload"])) for row in rows]

    def events(self) -> list[tuple[str, str, Mapping[str, Any]]]:
        with self.store.reading() as connection:
            rows = connection.rows(select(audit_events).order_by(audit_events.c.id))
        return [(row["action"], row["actor"], json.loads(row["details"])) for row in rows]


@pytest.fixture
def desk(store: Store, ruled: Router, routed: Callable[..., None]) -> Desk:
    routed("1")
    return Desk(store, ruled)


def refused(call: Callable[[], object]) -> DispatchError:
    with pytest.raises(DispatchError) as caught:
        call()
    return caught.value


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """From now on the clock of the service goes ahead."""
    now = moments.now
    monkeypatch.setattr(moments, "now", lambda: moments.stored(moments.read(now()) + timedelta(seconds=seconds)))


def test_a_consultation_names_units_of_the_directory_once(desk: Desk) -> None:
    row = desk.do(CONSULT).row
    case = desk.read()
    assert (case.state, case.decision) == (State.CONSULTING, None)
    assert json.loads(row["units"]) == [{"code": "460100-交警", "name": "海口市公安局交通警察支队"}]
    assert (row["return_id"], row["decision_id"], row["operator"]) == (None, None, "console:a017")
    assert "13812345678" not in row["note"]
    action, actor, details = desk.events()[-1]
    assert (action, actor, details["units"][0]["code"], details["supervisor"]) == (
        "consult",
        "console:a017",
        "460100-交警",
        True,
    )
    assert "note" not in details


def test_what_the_citizen_is_to_be_asked_is_masked_and_not_told(desk: Desk) -> None:
    row = desk.do(ASK).row
    assert desk.read().state is State.ASKED
    assert "路口" in row["question"]
    assert "13812345678" not in row["question"]
    assert "路口" not in str(desk.events())


def test_a_unit_that_is_not_there_is_refused(desk: Desk) -> None:
    error = refused(lambda: desk.do(Consult(action="consult", units=("460100-交警", "某局"))))
    assert (error.kind, error.field) == (ErrorKind.INVALID_DECISION, "units.1")
    assert desk.read().steps == []


def test_a_city_without_a_directory_has_only_the_supervisor(desk: Desk, routed: Callable[..., None]) -> None:
    routed("2", city="示例市")
    assert refused(lambda: desk.do(CONSULT, "2")).field == "units"
    desk.do(Consult(action="consult", supervisor=True), "2")
    assert desk.read("2").state is State.CONSULTING


def test_the_same_again_is_no_second_step(desk: Desk) -> None:
    first, again = desk.do(CONSULT), desk.do(CONSULT)
    assert (first.repeated, again.repeated, again.row["id"]) == (False, True, first.row["id"])
    assert not desk.do(Consult(action="consult", supervisor=True)).repeated
    assert [row["id"] for row in desk.read().steps] == [1, 2]


def test_a_decision_ends_them(desk: Desk) -> None:
    desk.do(CONSULT)
    desk.do(ASK)
    assert desk.read().state is State.ASKED
    desk.do(ACCEPT)
    case = desk.read()
    assert (case.state, case.step) == (State.DISPATCHED, None)
    error = refused(lambda: desk.do(CONSULT))
    assert (error.kind, error.value) == (ErrorKind.CASE_STATE, "dispatched")
    assert desk.do(ACCEPT).repeated


def test_a_merged_case_is_closed_and_names_where_it_goes_on(desk: Desk, routed: Callable[..., None]) -> None:
    routed("2")
    routed("3")
    desk.do(Merge(action="merge", into="2"))
    assert (desk.read().state, desk.read().merged_into) == (State.MERGED, "2")
    for call in (lambda: desk.do(ACCEPT), lambda: desk.do(ASK), desk.send_back):
        error = refused(call)
        assert (error.kind, error.value) == (ErrorKind.CASE_STATE, "merged")
        assert "已并入工单 2" in error.message
    assert desk.do(Merge(action="merge", into="2")).repeated
    into_merged = refused(lambda: desk.do(Merge(action="merge", into="1"), "3"))
    assert (into_merged.kind, "已并入工单 2" in into_merged.message) == (ErrorKind.CASE_STATE, True)
    desk.do(ACCEPT, "2")
    desk.do(Merge(action="merge", into="2"), "3")


@pytest.mark.parametrize("into", ["1", "nobody"])
def test_what_cannot_be_merged_into_is_refused(desk: Desk, into: str) -> None:
    error = refused(lambda: desk.do(Merge(action="merge", into=into)))
    assert (error.kind, error.field, error.value) == (ErrorKind.INVALID_DECISION, "into", into)
    assert desk.read().state is State.ROUTED


def test_what_was_dispatched_automatically_needs_no_step_before_it_comes_back(
    desk: Desk, routed: Callable[..., None]
) -> None:
    routed("2", answer={"disposition": Disposition.AUTO})
    assert refused(lambda: desk.do(ASK, "2")).value == "dispatched"


def test_after_an_upheld_return_a_case_may_be_consulted_on_anew(desk: Desk) -> None:
    desk.do(CONSULT)
    desk.do(ACCEPT)
    desk.send_back()
    assert refused(lambda: desk.do(CONSULT)).value == "returned"
    desk.store.write(lambda connection: returns.review(connection, "1", Review(verdict="upheld"), OTHER))
    assert desk.read().state is State.REDISPATCH
    row = desk.do(CONSULT).row
    assert (row["return_id"], row["decision_id"], desk.read().state) == (1, 1, State.CONSULTING)
    assert "不能再退" in refused(lambda: steps_return(desk)).message
    assert desk.do(ACCEPT).row["return_id"] == 1
    assert desk.read().state is State.DISPATCHED


def steps_return(desk: Desk) -> Written:
    values = returns.prepare(desk.router, desk.read(), Return(reason="属地不符"), OTHER)
    return desk.store.write(lambda connection: returns.write(connection, values))


def test_a_decision_undone_leaves_the_case_where_it_was(desk: Desk) -> None:
    desk.do(CONSULT)
    number = desk.do(ACCEPT).row["id"]
    undone = desk.undo("decision", number)
    case = desk.read()
    assert (case.state, case.decision, len(case.decisions)) == (State.CONSULTING, None, 1)
    assert (undone.row["undoes_table"], undone.row["undoes_id"]) == ("decisions", number)
    assert desk.undo("decision", number).repeated
    second = desk.do(ACCEPT)
    assert not second.repeated
    assert desk.read().state is State.DISPATCHED


def test_a_correction_undone_puts_the_first_decision_back_in_force(desk: Desk) -> None:
    first = desk.do(ACCEPT).row["id"]
    second = desk.do(Accept(action="accept", replaces=first, note="更正")).row["id"]
    desk.undo("decision", second)
    case = desk.read()
    assert (case.decision and case.decision["id"], case.state) == (first, State.DISPATCHED)
    desk.undo("decision", first)
    assert desk.read().state is State.ROUTED


def test_a_redispatch_undone_leaves_the_return_open_for_decision(desk: Desk) -> None:
    desk.do(ACCEPT)
    desk.uphold()
    number = desk.do(ACCEPT).row["id"]
    desk.undo("redispatch", number)
    case = desk.read()
    assert (case.state, case.upheld_return and case.upheld_return["id"]) == (State.REDISPATCH, 1)
    assert desk.do(ACCEPT).row["return_id"] == 1


def test_steps_are_undone_one_after_the_other(desk: Desk, routed: Callable[..., None]) -> None:
    routed("2")
    consulted, asked = desk.do(CONSULT).row["id"], desk.do(ASK).row["id"]
    merged = desk.do(Merge(action="merge", into="2")).row["id"]
    assert refused(lambda: desk.undo("ask", asked)).kind is ErrorKind.CASE_STATE
    desk.undo("merge", merged)
    assert desk.read().state is State.ASKED
    desk.undo("ask", asked)
    desk.undo("consult", consulted)
    assert desk.read().state is State.ROUTED


def test_only_who_did_it_may_undo_it(desk: Desk) -> None:
    number = desk.do(ACCEPT).row["id"]
    for call in (
        lambda: desk.undo("decision", number, actor=OTHER),
        lambda: desk.undo("decision", number, operator="B203"),
    ):
        error = refused(call)
        assert (error.kind, "console:a017" in error.message) == (ErrorKind.FORBIDDEN, True)
    desk.undo("decision", number)
    by_another = refused(lambda: desk.undo("decision", number, actor=OTHER))
    assert (by_another.kind, "撤销" in by_another.message) == (ErrorKind.CASE_STATE, True)


def test_it_is_soon_too_late(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    number = desk.do(ACCEPT).row["id"]
    later(monkeypatch, 37)
    error = refused(lambda: desk.undo("decision", number))
    assert error.kind is ErrorKind.CASE_STATE
    assert "已过 37 秒" in error.message
    assert "10 秒" in error.message
    assert desk.read().state is State.DISPATCHED


def test_what_was_undone_in_time_stays_so_for_who_asks_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    number = desk.do(ASK).row["id"]
    desk.undo("ask", number)
    later(monkeypatch, 60)
    assert desk.undo("ask", number).repeated


def test_what_others_rest_on_stays(desk: Desk) -> None:
    number = desk.do(ACCEPT).row["id"]
    desk.send_back()
    assert "之后已另有办理" in refused(lambda: desk.undo("decision", number)).message
    desk.store.write(lambda connection: returns.review(connection, "1", Review(verdict="rejected"), OTHER))
    assert refused(lambda: desk.undo("decision", number)).kind is ErrorKind.CASE_STATE


@pytest.mark.parametrize(("event", "number"), [("decision", 9), ("ask", 1), ("merge", 9)])
def test_a_step_that_is_not_there_cannot_be_undone(desk: Desk, event: Undoable, number: int) -> None:
    desk.do(CONSULT)
    error = refused(lambda: desk.undo(event, number))
    assert (error.kind, error.field) == (ErrorKind.INVALID_DECISION, "id")


def test_every_row_is_vouched_for(desk: Desk) -> None:
    desk.do(CONSULT)
    desk.undo("decision", desk.do(ACCEPT).row["id"])
    with desk.store.reading() as connection:
        report = verify(connection)
    assert report.flaws == []
    assert (report.rows["desk_steps"], report.rows["decisions"]) == (2, 1)


@pytest.fixture
def subscribed(desk: Desk) -> Desk:
    """With two subscribers, of whom one listens to reviews only."""
    url = "https://hooks.example.gov.cn/in"
    desk.store.write(partial(hooks.add, name="crm", url=url))
    desk.store.write(partial(hooks.add, name="archive", url=url, events=("review",)))
    return desk


def test_what_is_held_and_undone_is_never_told(subscribed: Desk) -> None:
    desk = subscribed
    desk.undo("decision", desk.do(ACCEPT, hold=steps.UNDO_TIME).row["id"])
    desk.undo("consult", desk.do(CONSULT, hold=steps.UNDO_TIME).row["id"])
    assert [(event, state) for event, state, _ in desk.told()] == [("decision", "undone"), ("consult", "undone")]
    assert [event for event, _, _ in desk.events()][-4:] == ["decision", "undo", "consult", "undo"]
    revived = desk.store.write(partial(outbox.revive, name="crm"))
    assert revived == 0


def test_what_is_held_is_told_when_the_time_is_over(subscribed: Desk) -> None:
    desk = subscribed
    desk.do(ACCEPT, hold=steps.UNDO_TIME)
    now = moments.read(moments.now())
    assert desk.store.write(lambda connection: outbox.take(connection, (), now)) == []
    (message,) = desk.store.write(lambda connection: outbox.take(connection, (), now + steps.UNDO_TIME))
    assert (message.event, message.hook) == ("decision", "crm")


def test_who_was_told_is_told_that_it_was_undone(subscribed: Desk) -> None:
    desk = subscribed
    number = desk.do(ACCEPT).row["id"]
    now = moments.read(moments.now())
    desk.store.write(lambda connection: outbox.take(connection, (), now))
    undone = desk.undo("decision", number).row
    told = desk.told()
    assert [(event, state) for event, state, _ in told] == [("decision", "pending"), ("undo", "pending")]
    payload = told[1][2]
    assert payload["undoes"] == {"event": "decision", "id": number}
    assert (payload["event"], payload["case_id"], payload["id"]) == ("undo", "1", undone["id"])
    assert payload["event_id"] == len(desk.events())


def test_who_has_left_is_told_nothing(subscribed: Desk) -> None:
    desk = subscribed
    number = desk.do(ACCEPT).row["id"]
    now = moments.read(moments.now())
    (message,) = desk.store.write(lambda connection: outbox.take(connection, (), now))
    desk.store.write(lambda connection: outbox.end(connection, [outbox.Outcome(message.id, outbox.DELIVERED, now)]))
    desk.store.write(partial(hooks.remove, name="crm"))
    desk.undo("decision", number)
    assert [event for event, _, _ in desk.told()] == ["decision"]
