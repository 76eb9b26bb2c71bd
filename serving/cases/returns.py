"""Units that send a case back, and what the review makes of it: only an upheld return opens the case again."""

from collections.abc import Mapping
from typing import Any

from serving.cases.casefile import CaseFile
from serving.cases.decisions import Written
from serving.cases.entries import Row
from serving.cases.overrides import find_unit, is_own
from serving.cases_wire import Return, Review, State
from serving.guard.guard import Actor
from serving.masking import mask
from serving.routing import Router
from serving.store import events, moments
from serving.store.connection import Connection
from serving.store.schema import return_reviews, returns


def prepare(router: Router, case: CaseFile, wish: Return, actor: Actor) -> dict[str, Any]:
    """The columns of `returns` that a wish comes to.

    :raises DispatchError: INVALID_DECISION when the directory does not have the proposed unit.
    """
    code, name = "", wish.proposed_unit
    if name and is_own(router, case.city):
        proposed = find_unit(router.city, name, "proposed_unit")
        code, name = proposed.code, proposed.name
    return {
        "case_id": case.case_id,
        "reason": wish.reason,
        "clause": mask(wish.clause),
        "proposed_unit": code or None,
        "proposed_unit_name": mask(name) if not code else name,
        **_common(wish, actor),
    }


def write(connection: Connection, values: Mapping[str, Any]) -> Written:
    """A job of the writer: the return as stored, with its event.

    :param values: as `prepare` returned them.
    :raises DispatchError: CASE_STATE unless the case is with a unit.
    """
    events.take_turns(connection)
    case = CaseFile.read(connection, values["case_id"])
    waits = case.open_return or case.upheld_return
    if waits and waits["request"] == values["request"]:
        return Written(waits, repeated=True)
    _check_with_unit(case)
    code, name = case.unit
    decision = case.decision["id"] if case.decision else None
    row = {**values, "decision_id": decision, "unit": code or None, "unit_name": name, "at": moments.now()}
    row["id"] = connection.add(returns, row)
    names = ("id", "decision_id", "unit", "unit_name", "reason", "proposed_unit", "proposed_unit_name", "operator")
    told = {name: row[name] for name in names}
    stamp = events.stamp(returns, row)
    events.record(connection, "return", case.case_id, {**told, events.STAMP: stamp}, actor=values["actor"])
    return Written(row)


def review(connection: Connection, case_id: str, wish: Review, actor: Actor) -> Written:
    """A job of the writer: the review of the open return as stored, with its event.

    :raises DispatchError: NOT_FOUND; CASE_STATE when no return waits.
    """
    events.take_turns(connection)
    case = CaseFile.read(connection, case_id)
    values = {"outcome": wish.verdict, **_common(wish, actor)}
    waiting = case.open_return
    if waiting is None:
        last: Row | None = case.reviews[-1] if case.reviews else None
        if last and last["request"] == values["request"]:
            return Written(last, repeated=True)
        raise case.conflict("没有待审核的退单")
    row = {**values, "return_id": waiting["id"], "at": moments.now()}
    row["id"] = connection.add(return_reviews, row)
    told = {name: row[name] for name in ("id", "return_id", "outcome", "operator")}
    stamp = events.stamp(return_reviews, row)
    events.record(connection, "review", case_id, {**told, events.STAMP: stamp}, actor=actor.name)
    return Written(row)


def _common(wish: Return | Review, actor: Actor) -> dict[str, Any]:
    note = mask(wish.note)
    asked = {**wish.model_dump(), "note": note, "actor": actor.name}
    if isinstance(wish, Return):
        asked["clause"] = mask(wish.clause)
    return {
        "note": note,
        "operator": mask(wish.operator) or actor.name,
        "actor": actor.name,
        "request": events.digest(asked),
    }


def _check_with_unit(case: CaseFile) -> None:
    if case.state is State.MERGED:
        raise case.conflict(f"已并入工单 {case.merged_into}，不能再退")
    if case.open_return:
        raise case.conflict("已有退单待审核，不能再退")
    if case.upheld_return:
        raise case.conflict("退单已成立，正待重派，不能再退")
    if case.state is not State.DISPATCHED:
        raise case.conflict("尚未派单，无单可退；请先 POST /cases/{工单号}/decision")
