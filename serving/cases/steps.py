"""What operators do with a case short of a decision: consult, ask the citizen, merge; and what they take back.

Like a decision, each is prepared on what was read and written by one job of the writer that looks at the case once
more. Rows stay when they are undone: another row names them.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from dispatch_model.errors import DispatchError, ErrorKind
from serving.cases.casefile import CaseFile
from serving.cases.decisions import Written
from serving.cases.entries import Row, event_of
from serving.cases.overrides import find_unit, invalid, is_own
from serving.cases_wire import Ask, Consult, Merge, State, Undo
from serving.guard.guard import Actor
from serving.hooks import hooks, outbox
from serving.masking import mask, quote
from serving.routing import Router
from serving.store import events, moments
from serving.store.connection import Connection
from serving.store.schema import decisions, desk_steps

UNDO_TIME = timedelta(seconds=10)
_WORDS = {"decision": "决定", "redispatch": "重派", "consult": "会商", "ask": "待补充", "merge": "并案"}
_DUE = frozenset({State.ROUTED, State.REDISPATCH, State.CONSULTING, State.ASKED})  # a decision is


def prepare(router: Router, case: CaseFile, wish: Consult | Ask | Merge, actor: Actor) -> dict[str, Any]:
    """The columns of `desk_steps` that a wish comes to.

    :raises DispatchError: INVALID_DECISION when the directory does not have a unit, or the case is to be merged into
        itself.
    """
    values = _columns(case.case_id, wish, actor)
    if isinstance(wish, Consult):
        return {**values, "units": events.canonical(_units(router, case, wish)), "supervisor": wish.supervisor}
    if isinstance(wish, Ask):
        return {**values, "question": mask(wish.question)}
    if wish.into == case.case_id:
        raise invalid("into", f"工单 {quote(wish.into)} 不能并入自身；请填另一工单号", wish.into)
    return {**values, "merged_into": wish.into}


def write(connection: Connection, values: Mapping[str, Any], *, hold: timedelta = timedelta(0)) -> Written:
    """A job of the writer: the step as stored, with its event.

    :param values: as `prepare` returned them.
    :param hold: how long subscribers are not told yet, as it may be undone.
    :raises DispatchError: CASE_STATE unless a decision is due, or when the case to merge into is merged itself;
        INVALID_DECISION when there is no such case.
    """
    events.take_turns(connection)
    case = CaseFile.read(connection, values["case_id"])
    last = case.step
    if last and last["request"] == values["request"]:
        return Written(last, repeated=True)
    _check_due(case)
    if values["action"] == "merge":
        _check_target(connection, values["merged_into"])
    row = _add(connection, case, values)
    outbox.hold(connection, outbox.Of(case.case_id, row["action"], row["id"]), hold)
    return Written(row)


def undo(connection: Connection, case_id: str, wish: Undo, actor: Actor) -> Written:
    """A job of the writer: the undoing as stored, with its event; who was told of what is undone is told of this too.

    :raises DispatchError: NOT_FOUND; INVALID_DECISION for a step that there is not; FORBIDDEN for one of somebody
        else; CASE_STATE when it is too late, or something came after.
    """
    events.take_turns(connection)
    case = CaseFile.read(connection, case_id)
    table = decisions.name if wish.event in ("decision", "redispatch") else desk_steps.name
    target = case.find(table, wish.id)
    if target is None or (table == desk_steps.name and target["action"] != wish.event):
        raise invalid("id", f"工单 {case_id} 没有第 {wish.id} 号{_WORDS[wish.event]}；请核对编号", wish.id)
    values = {**_columns(case_id, wish, actor), "undoes_table": table, "undoes_id": wish.id}
    if (table, wish.id) in case.undone:
        return _undone_before(case, values)
    _check_own(case, target, values)
    _check_last(case, table, target)
    row = _add(connection, case, values, undoes=target)
    return Written(row)


def _columns(case_id: str, wish: Consult | Ask | Merge | Undo, actor: Actor) -> dict[str, Any]:
    asked = {**wish.model_dump(), "note": mask(wish.note), "actor": actor.name}
    if isinstance(wish, Ask):
        asked["question"] = mask(wish.question)
    return {
        "case_id": case_id,
        "action": wish.action,
        "units": "[]",
        "supervisor": False,
        "question": "",
        "merged_into": None,
        "undoes_table": None,
        "undoes_id": None,
        "note": asked["note"],
        "operator": mask(wish.operator) or actor.name,
        "actor": actor.name,
        "request": events.digest(asked),
    }


def _units(router: Router, case: CaseFile, wish: Consult) -> list[dict[str, str]]:
    if wish.units and not is_own(router, case.city):
        raise invalid("units", f"{case.city}没有单位目录，不能会商单位；请改为请主管（supervisor）提出意见")
    found = [find_unit(router.city, name, f"units.{index}") for index, name in enumerate(wish.units)]
    return [{"code": code, "name": name} for code, name in {unit.code: unit.name for unit in found}.items()]


def _check_due(case: CaseFile) -> None:
    if case.state in _DUE:
        return
    if case.state is State.MERGED:
        raise case.conflict(f"已并入工单 {case.merged_into}；请在该工单上办理")
    if case.state is State.RETURNED:
        raise case.conflict("退单正待审核；请先 POST /cases/{工单号}/return/review")
    raise case.conflict(f"已派往{case.unit[1]}，只有待决定的工单可会商、待补充或并案")


def _check_target(connection: Connection, case_id: str) -> None:
    """A case that is merged itself is no place to go on."""
    try:
        target = CaseFile.read(connection, case_id)
    except DispatchError as error:
        if error.kind is not ErrorKind.NOT_FOUND:
            raise
        raise invalid("into", f"没有工单 {quote(case_id)}，无从并入；请核对工单号", case_id) from None
    if target.merged_into:
        raise target.conflict(f"已并入工单 {target.merged_into}，不能再并入它；请并入后者")


def _undone_before(case: CaseFile, values: Mapping[str, Any]) -> Written:
    names = ("undoes_table", "undoes_id")
    row = next(row for row in case.steps if all(row[name] == values[name] for name in names))
    if row["request"] != values["request"]:
        raise case.conflict(f"的这一步已由{row['operator']}撤销")
    return Written(row, repeated=True)


def _check_own(case: CaseFile, target: Row, values: Mapping[str, Any]) -> None:
    """Only who did it may undo it, and not for long."""
    if any(target[name] != values[name] for name in ("actor", "operator")):
        told = f"工单 {case.case_id} 的这一步由{target['operator']}作出，只能由本人撤销。"
        raise DispatchError(ErrorKind.FORBIDDEN, told, field="operator", value=values["operator"])
    passed = moments.read(moments.now()) - moments.read(target["at"])
    if abs(passed) > UNDO_TIME:
        told = f"的这一步已过 {passed.total_seconds():.0f} 秒，只能在 {UNDO_TIME.seconds} 秒内撤销"
        raise case.conflict(f"{told}；更正决定请填 replaces，其余请另行办理")


def _check_last(case: CaseFile, table: str, target: Row) -> None:
    """What came after may rest on it."""
    last = case.decision if table == decisions.name else case.step
    objected = table == decisions.name and any(row["decision_id"] == target["id"] for row in case.returns)
    if last is None or last["id"] != target["id"] or objected:
        raise case.conflict("的这一步之后已另有办理，不能撤销")


def _add(
    connection: Connection, case: CaseFile, values: Mapping[str, Any], *, undoes: Row | None = None
) -> dict[str, Any]:
    """The row, with its event and what subscribers learn."""
    before = {"return_id": case.returns, "decision_id": case.decisions}
    last = {name: rows[-1]["id"] if rows else None for name, rows in before.items()}
    row = {**values, **last, "at": moments.now()}
    row["id"] = connection.add(desk_steps, row)
    told = _told(row, undoes)
    payload = {**told, events.STAMP: events.stamp(desk_steps, row)}
    number = events.record(connection, row["action"], case.case_id, payload, actor=row["actor"])
    if undoes:
        undone = outbox.Of(case.case_id, told["undoes"]["event"], undoes["id"])
        at = moments.read(row["at"]).isoformat()
        message = {"event": "undo", "event_id": number, "case_id": case.case_id, "at": at, **told}
        known = hooks.registered(connection)
        for hook in (name for name in outbox.take_back(connection, undone) if name in known):
            outbox.add(connection, hook, outbox.Of(case.case_id, "undo", row["id"]), message)
    return row


def _told(row: Row, undoes: Row | None) -> dict[str, Any]:
    """What event and subscribers learn: neither note nor question, as they are free text."""
    told: dict[str, Any] = {name: row[name] for name in ("id", "return_id", "operator")}
    if row["action"] == "consult":
        told |= {"units": json.loads(row["units"]), "supervisor": row["supervisor"]}
    if row["action"] == "merge":
        told["into"] = row["merged_into"]
    if undoes:
        told["undoes"] = {"event": event_of(row["undoes_table"], undoes), "id": undoes["id"]}
    return told
