from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dispatch_model.errors import DispatchError, ErrorKind
from serving.cases.desk import CaseDesk
from serving.cases_wire import Accept, Ask, Consult, Merge, Override, Return, Review, State, Undo
from serving.engine import Engine
from serving.guard.guard import LOCAL
from serving.masking import mask
from serving.routing import Router
from serving.store.store import Store

OVERRIDE = Override.model_validate({"action": "override", "unit": "460100-交警", "reason_code": "职能不符"})


class Counted:
    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def decided(self, function: str, action: str) -> None:
        self.seen.append((function, action))

    def returned(self, function: str, reason: str) -> None:
        self.seen.append((function, reason))

    def stepped(self, function: str, action: str) -> None:
        self.seen.append((function, action))


@pytest.fixture
def tally() -> Counted:
    return Counted()


@pytest.fixture
def desk(store: Store, ruled: Router, tally: Counted) -> Iterator[CaseDesk]:
    engine = Engine(ruled, store, mask)
    yield CaseDesk(engine, store, tally)
    engine.close()


def test_a_case_goes_all_the_way(desk: CaseDesk, tally: Counted, routed: Callable[..., None]) -> None:
    routed("1", transcript="路灯不亮")
    first = desk.decide("1", Accept(action="accept"), LOCAL)
    desk.send_back("1", Return.model_validate({"reason": "职能不符"}), LOCAL)
    desk.review("1", Review.model_validate({"verdict": "upheld"}), LOCAL)
    assert desk.view("1").state is State.REDISPATCH
    second = desk.decide("1", OVERRIDE, LOCAL)
    view = desk.view("1")
    assert [step.event for step in view.history] == ["dispatch", "decision", "return", "review", "redispatch"]
    assert (view.state, view.decision, second.return_id) == (State.DISPATCHED, second, view.history[2].id)
    assert (first.unit.code, second.unit.code, second.category.code) == ("u1", "460100-交警", "030703")
    assert (view.routing.case_id, first.operator) == ("1", "local")
    assert tally.seen == [("城管", "accept"), ("城管", "职能不符"), ("城管", "override")]


def test_a_repetition_is_told_and_not_counted(desk: CaseDesk, tally: Counted, routed: Callable[..., None]) -> None:
    routed("1")
    calls: list[Callable[[], Any]] = [
        lambda: desk.decide("1", OVERRIDE, LOCAL),
        lambda: desk.send_back("1", Return.model_validate({"reason": "权属不清"}), LOCAL),
        lambda: desk.review("1", Review.model_validate({"verdict": "rejected"}), LOCAL),
    ]
    for call in calls:
        first, again = call(), call()
        assert (first.replayed, again.replayed) == (False, True)
        assert again.model_copy(update={"replayed": False}) == first
    assert tally.seen == [("城管", "override"), ("交警", "权属不清")]


def test_a_repetition_is_found_though_the_rules_have_changed(
    desk: CaseDesk, store: Store, ruled: Router, routed: Callable[..., None]
) -> None:
    routed("1", address={"street": "金贸街道"})
    wish = Override.model_validate(
        {"action": "override", "unit": "金贸街道办", "category": "030701", "reason_code": "层级不符"}
    )
    desk.decide("1", wish, LOCAL)
    closed = Engine(ruled.with_rules(), store, mask)
    closed.router.rule_sets = {}  # type: ignore[misc]
    assert CaseDesk(closed, store, Counted()).decide("1", wish, LOCAL).replayed


def test_a_case_that_is_not_there_is_not_found(desk: CaseDesk) -> None:
    for call in (
        lambda: desk.view("2"),
        lambda: desk.decide("2", OVERRIDE, LOCAL),
        lambda: desk.send_back("2", Return.model_validate({"reason": "权属不清"}), LOCAL),
    ):
        with pytest.raises(DispatchError, match="没有工单 2") as caught:
            call()
        assert caught.value.kind is ErrorKind.NOT_FOUND


def test_what_was_done_and_undone_is_shown_in_order(
    desk: CaseDesk, tally: Counted, routed: Callable[..., None]
) -> None:
    routed("1")
    routed("2")
    asked = desk.consult("1", Consult(action="consult", units=("460100-交警",)), LOCAL)
    question = desk.ask("1", Ask(action="ask", question="哪个路口？"), LOCAL)
    decided = desk.decide("1", OVERRIDE, LOCAL)
    undone = desk.undo("1", Undo(action="undo", event="decision", id=decided.id), LOCAL)
    desk.undo("1", Undo(action="undo", event="ask", id=question.id), LOCAL)
    desk.merge("1", Merge(action="merge", into="2"), LOCAL)
    view = desk.view("1")
    assert (view.state, view.merged_into, view.decision) == (State.MERGED, "2", None)
    steps = [(step.event, step.undone) for step in view.history]
    assert steps == [
        ("dispatch", False),
        ("consult", False),
        ("ask", True),
        ("decision", True),
        ("undo", False),
        ("undo", False),
        ("merge", False),
    ]
    assert view.history[1] == asked
    assert view.history[4] == undone
    assert (asked.units[0].name, question.question) == ("海口市公安局交通警察支队", "哪个路口？")
    assert undone.undoes is not None
    assert (undone.undoes.event, undone.undoes.id) == ("decision", decided.id)
    actions = ["consult", "ask", "override", "undo_override", "undo_ask", "merge"]
    assert tally.seen == [("城管", action) for action in actions]


def test_a_step_repeated_is_told_and_not_counted(desk: CaseDesk, tally: Counted, routed: Callable[..., None]) -> None:
    routed("1")
    calls: list[Callable[[], Any]] = [
        lambda: desk.step("1", Ask(action="ask", question="哪个路口？"), LOCAL),
        lambda: desk.step("1", Undo(action="undo", event="ask", id=1), LOCAL),
    ]
    for call in calls:
        first, again = call(), call()
        assert (first.replayed, again.replayed) == (False, True)
        assert again.model_copy(update={"replayed": False}) == first
    assert tally.seen == [("城管", "ask"), ("城管", "undo_ask")]
