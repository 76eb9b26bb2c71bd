from datetime import UTC, datetime
from typing import Any

import pytest

from dispatch_model.cases import CategoryRef
from serving.cases_wire import Consulted, DecisionEntry, ReturnEntry, ReviewEntry, StepEntry, Undone
from serving.console.case_told import Written, doing, told
from serving.console.undo_bar import Doing
from tests.canned import UNIT

COMMON: Any = {"id": 4, "at": datetime(2026, 5, 4, tzinfo=UTC)}


def _decision(**changed: Any) -> DecisionEntry:
    plain = {"action": "accept", "rank": 1, "unit": UNIT, "category": CategoryRef(code="030703", path=())}
    plain |= {"reason_code": "", "forced": False, "rule_id": None, "access_list": "1", "return_id": None}
    return DecisionEntry.model_validate({**COMMON, **plain, "replaces": None, **changed})


def _step(event: str, **changed: Any) -> StepEntry:
    return StepEntry.model_validate({**COMMON, "event": event, "return_id": None, **changed})


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (_decision(), "已派往龙华区城市管理局"),
        (_decision(replaces=3), "已更正，派往龙华区城市管理局"),
        (_decision(event="redispatch", return_id=1), "已重派往龙华区城市管理局"),
        (_decision(forced=True), "已派往龙华区城市管理局（准入清单不许可，已强制）"),
        (_step("consult", units=[Consulted(code="u", name="路灯所")], supervisor=True), "已请路灯所、主管会商"),
        (_step("ask", question="哪里？"), "已转待补充"),
        (_step("merge", into="7"), "已并入工单 7"),
    ],
)
def test_what_was_done_is_told_and_can_go_back(entry: DecisionEntry | StepEntry, said: str) -> None:
    assert told("1", entry) == f"工单 1 {said}"
    assert doing("1", entry) == Doing("1", entry.event, 4, f"工单 1 {said}")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (_step("undo", undoes=Undone(event="ask", id=3)), "的待补充已撤销"),
        (ReviewEntry(**COMMON, return_id=1, verdict="rejected"), "退单已驳回，仍由原单位办理"),
        (
            ReturnEntry(
                **COMMON,
                decision_id=1,
                unit="u",
                unit_name="路灯所",
                reason="权属不清",
                clause="",
                proposed_unit="",
                proposed_unit_name="",
            ),
            "已登记路灯所的退单（权属不清），待审核",
        ),
    ],
)
def test_what_cannot_go_back_is_told_all_the_same(entry: Written, said: str) -> None:
    assert told("1", entry) == f"工单 1 {said}"
    assert doing("1", entry) is None
