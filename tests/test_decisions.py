import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pydantic import TypeAdapter
from sqlalchemy import select

from dispatch_model.cases import Disposition
from dispatch_model.errors import DispatchError, ErrorKind
from serving.cases import decisions, returns
from serving.cases.casefile import CaseFile
from serving.cases.decisions import Written
from serving.cases_wire import Accept, Decision, Override, Return, Review, State
from serving.guard.guard import Actor, Scope
from serving.routing import Router
from serving.store import events
from serving.store.schema import audit_events
from serving.store.store import Store

AGENT = Actor("intake-1", frozenset({Scope.OPERATOR}))
CHIEF = Actor("chief", frozenset({Scope.OPERATOR, Scope.ADMIN}))
STREET = {"action": "override", "unit": "金贸街道办", "category": "030705", "reason_code": "层级不符"}
TRAFFIC = {"action": "override", "unit": "460100-交警", "reason_code": "职能不符", "operator": "A017"}
WISH: TypeAdapter[Accept | Override] = TypeAdapter(Decision)
PLACE = {"address": {"street": "金贸街道"}}


def read(store: Store, case_id: str = "1") -> CaseFile:
    with store.reading() as connection:
        return CaseFile.read(connection, case_id)


def decide(store: Store, router: Router, body: dict[str, Any], actor: Actor = AGENT) -> Written:
    wish, case = WISH.validate_python(body), read(store)
    values = decisions.prepare(router, case, wish, actor)
    return store.write(lambda connection: decisions.write(connection, wish, values, actor))


def refused(store: Store, router: Router, body: dict[str, Any], actor: Actor = AGENT) -> DispatchError:
    with pytest.raises(DispatchError) as caught:
        decide(store, router, body, actor)
    return caught.value


def told(store: Store) -> list[tuple[str, str, dict[str, Any]]]:
    with store.reading() as connection:
        rows = connection.rows(select(audit_events).order_by(audit_events.c.id))
    return [(row["action"], row["actor"], json.loads(row["details"])) for row in rows]


def uphold(store: Store, router: Router) -> None:
    wish = Return.model_validate({"reason": "职能不符"})
    values = returns.prepare(router, read(store), wish, AGENT)
    store.write(lambda connection: returns.write(connection, values))
    store.write(lambda connection: returns.review(connection, "1", Review(verdict="upheld"), AGENT))


def test_an_accepted_suggestion_is_stored_and_audited(store: Store, ruled: Router, routed: Callable[..., None]) -> None:
    routed("1")
    assert read(store).state is State.ROUTED
    row = decide(store, ruled, {"action": "accept", "note": "我叫李蕉，电话13812345678"}).row
    case = read(store)
    assert (case.state, case.decisions) == (State.DISPATCHED, [row])
    assert (row["rank"], row["unit"], row["category"], row["operator"]) == (1, "u1", "030703", "intake-1")
    assert "13812345678" not in row["note"]
    assert "李蕉" not in row["note"]
    action, actor, details = told(store)[-1]
    assert (action, actor, details["id"], details["unit"]["code"]) == ("decision", "intake-1", row["id"], "u1")
    assert "note" not in details


def test_an_override_names_its_unit_and_reason(store: Store, ruled: Router, routed: Callable[..., None]) -> None:
    routed("1")
    row = decide(store, ruled, TRAFFIC).row
    assert (row["unit"], row["function"], row["level"]) == ("460100-交警", "交警", "市")
    assert (row["rank"], row["reason"], row["operator"], row["actor"]) == (None, "职能不符", "A017", "intake-1")
    assert row["access_list"] == ruled.versions.access_list


def test_what_the_list_forbids_is_refused_with_the_row(
    store: Store, ruled: Router, routed: Callable[..., None]
) -> None:
    routed("1", **PLACE, received_at="2026-06-01")
    error = refused(store, ruled, STREET)
    assert (error.kind, error.field, error.value) == (ErrorKind.NOT_ADMITTED, "unit", "J-2")
    assert error.details == ("J-2：露天烧烤（收回），依据 《示例条例》",)
    assert read(store).decisions == []
    assert [action for action, _, _ in told(store)] == ["dispatch"]


def test_what_no_row_lists_is_refused_too(store: Store, ruled: Router, routed: Callable[..., None]) -> None:
    routed("1", **PLACE, received_at="2026-12-01")
    error = refused(store, ruled, STREET)
    assert (error.kind, error.value, error.details) == (ErrorKind.NOT_ADMITTED, None, ())
    assert "未列入镇街事项" in error.message


def test_what_the_list_admits_passes(store: Store, ruled: Router, routed: Callable[..., None]) -> None:
    routed("1", **PLACE, received_at="2026-06-01")
    row = decide(store, ruled, {**STREET, "category": "030701", "force": True}).row
    assert (row["forced"], row["access_row"]) == (False, None)


def test_only_a_supervisor_may_force_and_must_say_why(store: Store, ruled: Router, routed: Callable[..., None]) -> None:
    routed("1", **PLACE, received_at="2026-06-01")
    by_agent = refused(store, ruled, {**STREET, "force": True, "note": "应急"})
    assert (by_agent.kind, by_agent.field, by_agent.value) == (ErrorKind.FORBIDDEN, "force", "J-2")
    silent = refused(store, ruled, {**STREET, "force": True}, CHIEF)
    assert (silent.kind, silent.field) == (ErrorKind.INVALID_DECISION, "note")
    row = decide(store, ruled, {**STREET, "force": True, "note": "应急"}, CHIEF).row
    assert (row["forced"], row["access_row"]) == (True, "J-2")
    _, actor, details = told(store)[-1]
    assert (actor, details["forced"], details["access_row"]) == ("chief", True, "J-2")


def test_the_same_again_is_no_second_decision(store: Store, ruled: Router, routed: Callable[..., None]) -> None:
    routed("1")
    first, again = decide(store, ruled, TRAFFIC), decide(store, ruled, TRAFFIC)
    assert (first.repeated, again.repeated, again.row["id"]) == (False, True, first.row["id"])
    assert len(read(store).decisions) == 1


def test_another_decision_says_which_one_it_corrects(store: Store, ruled: Router, routed: Callable[..., None]) -> None:
    routed("1")
    premature = refused(store, ruled, {"action": "accept", "replaces": 1})
    assert (premature.kind, premature.value) == (ErrorKind.CASE_STATE, "routed")
    first = decide(store, ruled, {"action": "accept"}).row
    error = refused(store, ruled, TRAFFIC)
    assert error.kind is ErrorKind.CASE_STATE
    assert f"replaces = {first['id']}" in error.message
    second = decide(store, ruled, {**TRAFFIC, "replaces": first["id"]}).row
    assert [row["replaces"] for row in read(store).decisions] == [None, first["id"]]
    assert told(store)[-1][2]["replaces"] == first["id"]
    stale = refused(store, ruled, {"action": "accept", "replaces": first["id"]})
    assert f"replaces = {second['id']}" in stale.message


def test_a_case_that_came_back_is_sent_anew(store: Store, ruled: Router, routed: Callable[..., None]) -> None:
    routed("1")
    decide(store, ruled, {"action": "accept"})
    uphold(store, ruled)
    assert read(store).state is State.REDISPATCH
    row = decide(store, ruled, {"action": "accept"}).row
    case = read(store)
    assert (row["return_id"], case.state, len(case.decisions)) == (case.returns[0]["id"], State.DISPATCHED, 2)
    assert told(store)[-1][0] == "redispatch"
    assert decide(store, ruled, {"action": "accept"}).repeated


def test_while_a_return_waits_nothing_is_decided(store: Store, ruled: Router, routed: Callable[..., None]) -> None:
    routed("1")
    decide(store, ruled, {"action": "accept"})
    values = returns.prepare(ruled, read(store), Return.model_validate({"reason": "权属不清"}), AGENT)
    store.write(lambda connection: returns.write(connection, values))
    assert refused(store, ruled, TRAFFIC).value == "returned"
    assert decide(store, ruled, {"action": "accept"}).repeated


def test_an_automatic_dispatch_may_be_overridden(store: Store, ruled: Router, routed: Callable[..., None]) -> None:
    routed("1", answer={"disposition": Disposition.AUTO})
    assert read(store).state is State.DISPATCHED
    assert decide(store, ruled, TRAFFIC).row["replaces"] is None


def test_of_two_that_race_one_decides(store: Store, ruled: Router, routed: Callable[..., None]) -> None:
    routed("1")
    wishes = [WISH.validate_python({**TRAFFIC, "operator": name}) for name in "ABCD"]
    prepared = [(wish, decisions.prepare(ruled, read(store), wish, AGENT)) for wish in wishes]

    def write(pair: tuple[Accept | Override, dict[str, Any]]) -> str:
        try:
            store.write(lambda connection: decisions.write(connection, *pair, AGENT))
        except DispatchError as error:
            return error.kind
        return "written"

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(write, prepared))
    assert sorted(outcomes) == ["case_state"] * 3 + ["written"]
    assert len(read(store).decisions) == 1


def test_a_stamp_vouches_for_the_decision(store: Store, ruled: Router, routed: Callable[..., None]) -> None:
    routed("1")
    decide(store, ruled, TRAFFIC)
    (stored,) = read(store).decisions
    with store.reading() as connection:
        (event,) = connection.rows(select(audit_events).where(audit_events.c.action == "decision"))
    from serving.store.schema import decisions as table

    assert json.loads(event["details"])[events.STAMP] == events.stamp(table, stored)
