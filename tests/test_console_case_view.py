from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from dispatch_model.cases import CHINA_TIME
from dispatch_model.errors import DispatchError, ErrorKind
from serving.cases.desk import CaseDesk
from serving.cases_wire import Accept, Ask, Consult, Merge, Return, Review, State
from serving.console.case_view import CasePage, read_case
from serving.engine import Engine
from serving.guard import operators, passwords
from serving.guard.guard import LOCAL
from serving.masking import mask
from serving.store import erasure
from serving.store.store import Store
from tests.canned import SUGGESTION, UNIT, CannedRouter
from tests.test_console_similar import Untold

Routed = Callable[..., None]
NOW = datetime(2026, 5, 4, 9, tzinfo=CHINA_TIME)
DECIDE = frozenset({"accept", "override"})
STEPS = frozenset({"consult", "ask", "merge"})


@pytest.fixture
def desk(store: Store, ruled: CannedRouter) -> Iterator[CaseDesk]:
    engine = Engine(ruled, store, mask)
    yield CaseDesk(engine, store, Untold())
    engine.close()


@pytest.fixture
def read(store: Store, ruled: CannedRouter) -> Callable[[str], CasePage]:
    return lambda case_id: read_case(store, ruled, case_id, now=NOW)


def test_a_page_has_everything_of_a_new_case(routed: Routed, read: Callable[[str], CasePage]) -> None:
    routed("1", address={"street": "金贸街道"}, received_at="2026-05-03T09:30:00+08:00")
    page = read("1")
    assert (page.state, page.state_name, page.actions, page.replaces) == (State.ROUTED, "待决定", DECIDE | STEPS, None)
    assert (page.came, page.address, page.place) == ("2026-05-03 09:30", "金贸街道", "海口市/龙华区/金贸街道")
    assert page.path[-1] == "460100"
    assert (page.summary, [turn.text for turn in page.turns]) == ("路灯不亮", ["路灯不亮"])
    assert [card.unit for card in page.answer.cards] == ["龙华区城市管理局"]
    assert (page.decision, page.objection, page.similar, page.repeats) == (None, None, (), ())
    assert [(line.who, line.text) for line in page.history] == [("系统", "派单建议：建议")]
    assert page.routing.versions.bundle == "bundle-1"


def test_what_may_be_done_follows_the_state(routed: Routed, desk: CaseDesk, read: Callable[[str], CasePage]) -> None:
    routed("1")
    routed("2")
    assert _after(read, lambda: desk.consult("1", Consult(action="consult", supervisor=True), LOCAL)) == DECIDE | STEPS
    assert _after(read, lambda: desk.ask("1", Ask(action="ask", question="哪里？"), LOCAL)) == DECIDE | STEPS
    decided = desk.decide("1", Accept(action="accept"), LOCAL)
    page = read("1")
    assert (page.state_name, page.actions, page.replaces) == ("已派单", DECIDE | {"return"}, decided.id)
    assert page.decision is not None
    assert (page.decision.unit, page.decision.who) == ("龙华区城市管理局", "local")
    assert _after(read, lambda: desk.send_back("1", Return.model_validate({"reason": "职能不符"}), LOCAL)) == {"review"}
    page = read("1")
    assert page.objection is not None
    assert (page.objection.reason, page.replaces) == ("职能不符", None)
    upheld = Review.model_validate({"verdict": "upheld"})
    assert _after(read, lambda: desk.review("1", upheld, LOCAL)) == DECIDE | STEPS
    page = read("1")
    assert (page.state_name, page.decision, page.replaces, page.objection is None) == ("待重派", None, None, False)
    assert _after(read, lambda: desk.merge("1", Merge(action="merge", into="2"), LOCAL)) == frozenset()
    assert read("1").merged_into == "2"


def _after(read: Callable[[str], CasePage], step: Callable[[], Any]) -> frozenset[str]:
    step()
    return frozenset(read("1").actions)


def test_without_a_unit_to_accept_only_an_override_is_left(routed: Routed, read: Callable[[str], CasePage]) -> None:
    nobody = SUGGESTION.model_copy(update={"unit": UNIT.model_copy(update={"code": ""})})
    routed("1", answer={"suggestions": (nobody,)})
    assert read("1").actions == STEPS | {"override"}


def test_a_case_of_another_city_takes_suggestions_only(routed: Routed, read: Callable[[str], CasePage]) -> None:
    routed("1", city="三亚市")
    page = read("1")
    assert (page.own_city, page.city, page.path, page.actions) == (False, "三亚市", (), STEPS | {"accept"})


def test_an_erased_case_says_so(store: Store, routed: Routed, read: Callable[[str], CasePage]) -> None:
    routed("1", address={"street": "金贸街道"})
    store.write(lambda connection: erasure.erase(connection, ["1"], actor="local"))
    page = read("1")
    assert (page.erased, page.turns, page.summary, page.address) == (True, (), "", "")


def test_operators_are_told_by_name(store: Store, routed: Routed, desk: CaseDesk, read: Any) -> None:
    hashed = passwords.hashed("demo-password-1", "li")
    role = operators.Role.OPERATOR
    li = store.write(
        lambda connection: operators.add(connection, login="li", password=hashed, name="李明", role=role, actor="local")
    )
    routed("1")
    desk.decide("1", Accept(action="accept", operator="li"), li.actor)
    page = read("1")
    assert page.decision.who == "李明"
    assert [line.who for line in page.history] == ["系统", "李明"]


def test_a_hostile_text_is_text(routed: Routed, read: Callable[[str], CasePage]) -> None:
    text = "<script>alert(1)</script>占道\u202e经营"
    routed("1", answer={"transcript": text})
    (turn,) = read("1").turns
    assert turn.text == "<script>alert(1)</script>占道\ufffd经营"


def test_a_case_that_is_not_there_is_not_found(read: Callable[[str], CasePage]) -> None:
    with pytest.raises(DispatchError, match="没有工单 9") as caught:
        read("9")
    assert caught.value.kind is ErrorKind.NOT_FOUND
