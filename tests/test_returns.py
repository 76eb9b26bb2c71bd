import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from dispatch_model.cases import Disposition
from dispatch_model.errors import DispatchError, ErrorKind
from serving.cases import decisions, returns
from serving.cases.casefile import CaseFile
from serving.cases.decisions import Written
from serving.cases_wire import Accept, Return, Review, State
from serving.guard.guard import Actor, Scope
from serving.routing import Router
from serving.store.schema import audit_events
from serving.store.store import Store

UNIT = Actor("unit-7", frozenset({Scope.OPERATOR}))
OBJECTION = {"reason": "职能不符", "clause": "《示例办法》第十二条", "proposed_unit": "市交警支队", "note": "我叫李蕉"}


def read(store: Store) -> CaseFile:
    with store.reading() as connection:
        return CaseFile.read(connection, "1")


def dispatch(store: Store, router: Router) -> None:
    wish = Accept(action="accept", replaces=None)
    values = decisions.prepare(router, read(store), wish, UNIT)
    store.write(lambda connection: decisions.write(connection, wish, values, UNIT))


def send_back(store: Store, router: Router, **changes: Any) -> Written:
    wish = Return.model_validate({**OBJECTION, **changes})
    values = returns.prepare(router, read(store), wish, UNIT)
    return store.write(lambda connection: returns.write(connection, values))


def review(store: Store, verdict: str, note: str = "") -> Written:
    wish = Review.model_validate({"verdict": verdict, "note": note})
    return store.write(lambda connection: returns.review(connection, "1", wish, UNIT))


def refused(call: Callable[[], object]) -> DispatchError:
    with pytest.raises(DispatchError) as caught:
        call()
    return caught.value


def test_a_unit_sends_a_case_back(store: Store, ruled: Router, routed: Callable[..., None]) -> None:
    routed("1")
    dispatch(store, ruled)
    row = send_back(store, ruled).row
    case = read(store)
    assert (case.state, dict(row)) == (State.RETURNED, dict(case.returns[0]))
    assert (row["unit"], row["unit_name"], row["decision_id"]) == ("u1", "龙华区城市管理局", case.decisions[0]["id"])
    assert (row["proposed_unit"], row["proposed_unit_name"]) == ("460100-交警", "海口市公安局交通警察支队")
    with store.reading() as connection:
        (event,) = connection.rows(select(audit_events).where(audit_events.c.action == "return"))
    assert (event["actor"], json.loads(event["details"])["reason"]) == ("unit-7", "职能不符")
    for secret in ("李蕉", "第十二条"):
        assert secret not in event["details"]
    assert "李蕉" not in row["note"]


def test_a_case_that_was_not_dispatched_cannot_come_back(
    store: Store, ruled: Router, routed: Callable[..., None]
) -> None:
    routed("1")
    error = refused(lambda: send_back(store, ruled))
    assert (error.kind, error.value, "尚未派单" in error.message) == (ErrorKind.CASE_STATE, "routed", True)


def test_one_dispatched_automatically_can(store: Store, ruled: Router, routed: Callable[..., None]) -> None:
    routed("1", answer={"disposition": Disposition.AUTO})
    row = send_back(store, ruled).row
    assert (row["decision_id"], row["unit"]) == (None, "u1")


def test_a_proposed_unit_must_exist(store: Store, ruled: Router, routed: Callable[..., None]) -> None:
    routed("1")
    dispatch(store, ruled)
    error = refused(lambda: send_back(store, ruled, proposed_unit="市交警支对"))
    assert (error.kind, error.field) == (ErrorKind.INVALID_DECISION, "proposed_unit")
    assert send_back(store, ruled, proposed_unit=None).row["proposed_unit"] is None


def test_elsewhere_any_unit_may_be_proposed(store: Store, ruled: Router, routed: Callable[..., None]) -> None:
    routed("1", city="三亚市", answer={"disposition": Disposition.AUTO})
    row = send_back(store, ruled, proposed_unit="三亚市某局").row
    assert (row["proposed_unit"], row["proposed_unit_name"]) == (None, "三亚市某局")


def test_the_same_return_again_is_the_same_return(store: Store, ruled: Router, routed: Callable[..., None]) -> None:
    routed("1")
    dispatch(store, ruled)
    first = send_back(store, ruled)
    assert send_back(store, ruled) == Written(first.row, repeated=True)
    assert refused(lambda: send_back(store, ruled, reason="属地不符")).value == "returned"
    review(store, "upheld")
    assert send_back(store, ruled).repeated
    assert refused(lambda: send_back(store, ruled, reason="属地不符")).value == "redispatch"
    assert len(read(store).returns) == 1


def test_a_rejected_return_leaves_the_case_with_the_unit(
    store: Store, ruled: Router, routed: Callable[..., None]
) -> None:
    routed("1")
    dispatch(store, ruled)
    send_back(store, ruled)
    row = review(store, "rejected", note="请李蕉来电13812345678").row
    case = read(store)
    assert (case.state, case.open_return, case.upheld_return) == (State.DISPATCHED, None, None)
    assert (dict(row), row["outcome"], row["return_id"]) == (dict(case.reviews[0]), "rejected", case.returns[0]["id"])
    assert "13812345678" not in row["note"]
    assert not send_back(store, ruled).repeated
    review(store, "upheld")
    assert [row["outcome"] for row in read(store).reviews] == ["rejected", "upheld"]
    assert read(store).state is State.REDISPATCH


def test_a_review_is_given_once(store: Store, ruled: Router, routed: Callable[..., None]) -> None:
    routed("1")
    dispatch(store, ruled)
    assert refused(lambda: review(store, "upheld")).value == "dispatched"
    send_back(store, ruled)
    first = review(store, "upheld")
    assert review(store, "upheld") == Written(first.row, repeated=True)
    error = refused(lambda: review(store, "rejected"))
    assert (error.kind, "没有待审核的退单" in error.message) == (ErrorKind.CASE_STATE, True)


def test_a_case_that_is_not_there_is_not_found(store: Store) -> None:
    assert refused(lambda: review(store, "upheld")).kind is ErrorKind.NOT_FOUND
