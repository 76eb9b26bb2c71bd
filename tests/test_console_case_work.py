from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from fastapi import FastAPI

from dispatch_model.errors import DispatchError, ErrorKind
from serving.cases.desk import CaseDesk
from serving.cases_wire import Accept, Ask, Consult, Merge, Override, Return, Review, State
from serving.console.case_forms import Wish
from serving.console.case_view import CasePage
from serving.console.case_work import CaseWork, Outcome
from serving.console.filters import Filters
from serving.console.room import Room
from serving.engine import Engine
from serving.guard import operators, passwords
from serving.guard.guard import LOCAL
from serving.guard.operators import Operator, Role
from serving.masking import mask
from serving.settings import Settings
from serving.store.store import Store
from tests.canned import SUGGESTION, CannedRouter
from tests.test_console_similar import Untold

ALL = Filters()
LI, ZHOU = (
    Operator(login, name, Role.OPERATOR, datetime.now(UTC)) for login, name in (("li", "李明"), ("zhou", "周岚"))
)
WANG = Operator("wang", "王芳", Role.SUPERVISOR, datetime.now(UTC))
UNIT = SUGGESTION.unit.model_copy(update={"code": "460100-交警", "function": "交警", "level": "市", "region": "海口市"})


@pytest.fixture
def room(store: Store, ruled: CannedRouter) -> Iterator[Room]:
    app, engine = FastAPI(), Engine(ruled, store, mask)
    app.state._state.update(engine=engine, store=store, cases=CaseDesk(engine, store, Untold()))
    yield Room.of(app, Settings())
    engine.close()


@pytest.fixture
def waiting(routed: Callable[..., None], room: Room) -> Room:
    for number in ("1", "2", "3"):
        routed(number, answer={"suggestions": (SUGGESTION, SUGGESTION.model_copy(update={"rank": 2, "unit": UNIT}))})
    room.board.refresh(at_once=True)
    return room


def _page(work: CaseWork, case_id: str) -> CasePage:
    page = work.open(case_id).page
    if page is None:
        pytest.fail("no case")
    return page


def _do(work: CaseWork, case_id: str, wish: Wish) -> Outcome:
    return work.step(_page(work, case_id), wish, ALL)


def test_a_decision_brings_the_next_case_claimed_and_is_told_to_nobody_yet(waiting: Room) -> None:
    work = CaseWork(waiting, LI)
    done = _do(work, "1", Accept(action="accept", operator="li"))
    assert done.told == "工单 1 已派往龙华区城市管理局"
    assert done.doing is not None
    assert (done.doing.event, done.doing.case_id) == ("decision", "1")
    assert done.shown.page is not None
    assert done.shown.page.case_id == "2"
    assert waiting.claims.all()["2"].operator == "li"
    entry = waiting.cases.view("1").decision
    assert entry is not None
    assert (entry.actor, entry.operator) == ("console:li", "li")


def test_the_queue_ends_and_skips_what_others_have(waiting: Room) -> None:
    CaseWork(waiting, ZHOU).open("2")
    work = CaseWork(waiting, LI)
    first = work.next("1", ALL).page
    assert first is not None
    assert first.case_id == "3"
    waiting.cases.decide("1", Accept(action="accept"), LOCAL)  # elsewhere, unseen by the board
    assert work.next("3", ALL).page is None
    assert set(waiting.claims.all()) == {"2", "3"}


def test_the_only_case_that_waits_stays_when_it_is_skipped(waiting: Room) -> None:
    work = CaseWork(waiting, LI)
    for case_id in ("1", "2"):
        _do(work, case_id, Accept(action="accept", operator="li"))
    page = work.skip("3", ALL).page
    assert page is not None
    assert page.case_id == "3"
    assert waiting.claims.all()["3"].operator == "li"


def test_what_another_has_is_only_read_until_it_is_taken_over(waiting: Room, store: Store) -> None:
    adding = partial(
        operators.add,
        login="li",
        password=passwords.hashed("a long password", "li"),
        name="李明",
        role=Role.OPERATOR,
        actor="test",
    )
    store.write(adding)
    first, second = CaseWork(waiting, LI), CaseWork(waiting, WANG)
    mine = _page(first, "1")
    assert second.open("1").holder == "李明"
    with pytest.raises(DispatchError) as forbidden:
        CaseWork(waiting, ZHOU).open("1", over=True)
    assert forbidden.value.kind is ErrorKind.FORBIDDEN
    assert second.open("1", over=True).holder == ""
    assert first.renew(mine) == "wang"
    with pytest.raises(DispatchError) as taken:
        first.step(mine, Accept(action="accept"), ALL)
    assert taken.value.kind is ErrorKind.CASE_TAKEN
    assert waiting.cases.view("1").state is State.ROUTED
    second.leave("1")
    assert first.renew(mine) == ""


@pytest.mark.parametrize(
    ("wish", "told", "event"),
    [
        (Override(action="override", unit="460100-交警", reason_code="职能不符"), "已派往海口市公安局交通", "decision"),
        (Consult(action="consult", units=("460100-交警",), supervisor=True), "已请海口市公安局交通", "consult"),
        (Ask(action="ask", question="哪里？"), "已转待补充", "ask"),
        (Merge(action="merge", into="2"), "已并入工单 2", "merge"),
    ],
)
def test_every_step_is_told_and_taken_back(waiting: Room, wish: Wish, told: str, event: str) -> None:
    work = CaseWork(waiting, LI)
    done = _do(work, "1", wish.model_copy(update={"operator": "li"}))
    assert done.told.startswith(f"工单 1 {told}")
    assert done.doing is not None
    assert done.doing.event == event
    back = work.undo(done.doing)
    assert back.told.endswith("已撤销")
    assert back.shown.page is not None
    assert (back.shown.page.case_id, back.shown.page.state) == ("1", State.ROUTED)


def test_a_return_stays_until_it_is_decided_anew(waiting: Room) -> None:
    work = CaseWork(waiting, LI)
    _do(work, "1", Accept(action="accept"))
    steps: tuple[tuple[Wish, State, str], ...] = (
        (Return.model_validate({"reason": "职能不符"}), State.RETURNED, "待审核"),
        (Review.model_validate({"verdict": "upheld"}), State.REDISPATCH, "待重派"),
    )
    for wish, state, told in steps:
        done = _do(work, "1", wish)
        assert done.doing is None
        assert done.told.endswith(told)
        assert done.shown.page is not None
        assert (done.shown.page.case_id, done.shown.page.state) == ("1", state)
    again = _do(work, "1", Accept(action="accept", rank=2))
    assert again.told.startswith("工单 1 已重派往")
    assert again.shown.page is not None
    assert again.shown.page.case_id == "2"


def test_a_correction_stays(waiting: Room) -> None:
    work = CaseWork(waiting, LI)
    _do(work, "1", Accept(action="accept"))
    page = _page(work, "1")
    done = work.step(page, Accept(action="accept", rank=2, replaces=page.replaces), ALL)
    assert done.told.startswith("工单 1 已更正，派往")
    assert done.shown.page is not None
    assert done.shown.page.case_id == "1"


def test_a_step_that_was_done_is_told_though_the_next_case_is_out_of_reach(
    waiting: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = CaseWork(waiting, LI)
    page = _page(work, "1")

    def broken(*_: Any) -> None:
        raise DispatchError(ErrorKind.STORE_UNAVAILABLE, "数据库不可用。")

    monkeypatch.setattr(CaseWork, "next", broken)
    done = work.step(page, Accept(action="accept"), ALL)
    assert (done.told, done.shown.page) == ("工单 1 已派往龙华区城市管理局", None)
    assert done.trouble is not None
    assert done.trouble.kind is ErrorKind.STORE_UNAVAILABLE


def test_a_case_that_is_closed_is_nobodys(waiting: Room) -> None:
    waiting.cases.decide("1", Accept(action="accept"), LOCAL)
    work = CaseWork(waiting, LI)
    page = _page(work, "1")
    assert work.renew(page) == ""
    assert "1" not in waiting.claims.all()
