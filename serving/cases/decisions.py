"""What operators decide: a suggestion accepted, another unit named, a mistake corrected, a returned case sent anew.

A decision is prepared on what was read, as looking up units and rules takes a while, and written by one job of the
writer that looks at the case once more: of two that race, the second is refused or found to be a repetition.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from dispatch_model.access_list import Verdict
from dispatch_model.errors import DispatchError, ErrorKind
from serving.cases.casefile import CaseFile
from serving.cases.entries import Row
from serving.cases.overrides import Target, check, invalid, target_of
from serving.cases_wire import Accept, Override, State
from serving.guard.guard import Actor, Scope
from serving.hooks import outbox
from serving.masking import mask
from serving.routing import Router
from serving.store import events, moments
from serving.store.connection import Connection
from serving.store.schema import decisions


@dataclass(frozen=True)
class Written:
    """A row as it is stored.

    :param repeated: it was there before: the same was asked for already.
    """

    row: Row
    repeated: bool = False


def repetition(case: CaseFile, wish: Accept | Override, actor: Actor) -> Written | None:
    """The decision in force when this is asked for a second time, as who got no answer does; else None."""
    last = case.decision
    if last is None or case.upheld_return or last["request"] != _request(wish, actor):
        return None
    return Written(last, repeated=True)


def prepare(router: Router, case: CaseFile, wish: Accept | Override, actor: Actor) -> dict[str, Any]:
    """The columns of `decisions` that a wish comes to, checked against directory and access list.

    :raises DispatchError: INVALID_DECISION, NOT_ADMITTED naming the row that forbids it, FORBIDDEN for who may not
        force it.
    """
    routing = case.routing
    target = target_of(router, routing, wish, city=case.city)
    path = router.place(routing.transcript, case.address)
    verdict = check(router, target, path, case.day, city=case.city)
    if not verdict.allowed:
        _check_force(wish, verdict, actor)
    return {
        "case_id": case.case_id,
        "routing_id": case.routing_id,
        "action": wish.action,
        **_target_columns(target),
        "reason": wish.reason_code if isinstance(wish, Override) else "",
        "note": mask(wish.note),
        "forced": not verdict.allowed,
        "access_row": verdict.row.id if verdict.row and not verdict.allowed else None,
        "access_list": router.versions.access_list,
        "replaces": wish.replaces,
        "operator": mask(wish.operator) or actor.name,
        "actor": actor.name,
        "request": _request(wish, actor),
    }


def write(
    connection: Connection,
    wish: Accept | Override,
    values: Mapping[str, Any],
    actor: Actor,
    *,
    hold: timedelta = timedelta(0),
) -> Written:
    """A job of the writer: the decision as stored, with its event.

    :param values: as `prepare` returned them.
    :param hold: how long subscribers are not told yet, as it may be undone.
    :raises DispatchError: CASE_STATE when a return waits for review, another decision is in force, or the case was
        merged into another.
    """
    events.take_turns(connection)
    case = CaseFile.read(connection, values["case_id"])
    if found := repetition(case, wish, actor):
        return found
    _check_state(case, wish.replaces)
    answered = case.upheld_return
    row = {**values, "return_id": answered["id"] if answered else None, "at": moments.now()}
    row["id"] = connection.add(decisions, row)
    kind: Literal["decision", "redispatch"] = "redispatch" if answered else "decision"
    events.record(connection, kind, case.case_id, _told(row), actor=actor.name)
    outbox.hold(connection, outbox.Of(case.case_id, kind, row["id"]), hold)
    return Written(row)


def _request(wish: Accept | Override, actor: Actor) -> str:
    return events.digest({**wish.model_dump(), "note": mask(wish.note), "actor": actor.name})


def _target_columns(target: Target) -> dict[str, Any]:
    unit = target.unit
    return {
        "rank": target.rank,
        "unit": unit.code or None,
        "unit_name": unit.name,
        "function": unit.function,
        "level": unit.level,
        "region": unit.region,
        "category": target.category.code,
    }


def _check_force(wish: Accept | Override, verdict: Verdict, actor: Actor) -> None:
    """Refuse what the list forbids, unless a supervisor takes it upon himself and says why."""
    row = verdict.row
    details = [f"{row.id}：{row.matter}（{row.list}），依据 {row.basis}"] if row else []
    name = row.id if row else None
    if not wish.force:
        told = f"{verdict.text}；请改派其他单位，确需如此请由主管（admin）以 force 派出并写明理由。"
        raise DispatchError(ErrorKind.NOT_ADMITTED, told, field="unit", value=name, details=details)
    if not actor.may(Scope.ADMIN):
        told = f"{verdict.text}；force 须由有 admin 权限的密钥提出。"
        raise DispatchError(ErrorKind.FORBIDDEN, told, field="force", value=name, details=details)
    if not wish.note:
        raise invalid("note", f"{verdict.text}；强制派出必须在 note 中写明理由")


def _check_state(case: CaseFile, replaces: int | None) -> None:
    """A decision comes first, or after an upheld return, or says which one it corrects."""
    state, last = case.state, case.decision
    if state is State.RETURNED:
        told = "退单正待审核；请先 POST /cases/{工单号}/return/review，再作决定"
        raise case.conflict(told)
    if state is State.MERGED:
        raise case.conflict(f"已并入工单 {case.merged_into}；请在该工单上决定")
    expected = last["id"] if last and state is State.DISPATCHED else None
    if replaces == expected:
        return
    if expected is None:
        raise case.conflict("没有要更正的现行决定；请去掉 replaces")
    told = f"已由第 {expected} 号决定派往{last['unit_name'] if last else ''}"
    raise case.conflict(f"{told}；更正请填 replaces = {expected}，承办单位有异议请走退单")


def _told(row: Row) -> dict[str, Any]:
    """What event and subscribers learn: no note, as it is free text."""
    unit = {"code": row["unit"] or "", "name": row["unit_name"]}
    names = ("action", "rank", "category", "reason", "forced", "access_row", "access_list", "return_id", "replaces")
    return {
        "id": row["id"],
        **{name: row[name] for name in names},
        "unit": {**unit, **{name: row[name] for name in ("function", "level", "region")}},
        "operator": row["operator"],
        events.STAMP: events.stamp(decisions, row),
    }
