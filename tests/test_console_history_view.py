from datetime import datetime
from typing import Any

import pytest

from dispatch_model.cases import CHINA_TIME
from serving.cases_wire import (
    Consulted,
    DecisionEntry,
    DispatchEntry,
    ReturnEntry,
    ReviewEntry,
    Step,
    StepEntry,
    Undone,
)
from serving.console.history_view import history_lines, when
from tests.canned import SUGGESTION, UNIT

AT = datetime(2026, 5, 3, 9, 30, tzinfo=CHINA_TIME)
ASKED: dict[str, Any] = {"id": 7, "at": AT, "actor": "console:li", "operator": "li"}


def decision(**changes: Any) -> DecisionEntry:
    told = {"action": "accept", "rank": 1, "reason_code": "", "forced": False, "rule_id": None}
    held = {"access_list": "1", "return_id": None, "replaces": None, "category": SUGGESTION.category}
    return DecisionEntry.model_validate({**ASKED, **told, **held, "unit": UNIT, **changes})


def returned(**changes: Any) -> ReturnEntry:
    told = {"unit": "u1", "unit_name": "某局", "reason": "属地不符", "clause": "", "proposed_unit": ""}
    return ReturnEntry.model_validate({**ASKED, "decision_id": 1, **told, "proposed_unit_name": "", **changes})


def step(event: str, **changes: Any) -> StepEntry:
    return StepEntry.model_validate({**ASKED, "event": event, "return_id": None, **changes})


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (DispatchEntry(id=1, at=AT, disposition="suggest"), "派单建议：建议"),
        (decision(), "采纳第 1 条建议，派往龙华区城市管理局"),
        (decision(action="override", rank=None, reason_code="职能不符"), "改派龙华区城市管理局（职能不符）"),
        (decision(event="redispatch", return_id=1, rank=2), "重派：采纳第 2 条建议，派往龙华区城市管理局"),
        (decision(replaces=4), "更正第 4 号决定：采纳第 1 条建议，派往龙华区城市管理局"),
        (
            decision(forced=True, rule_id="J-1"),
            "采纳第 1 条建议，派往龙华区城市管理局；越过准入清单 J-1 强制派出",
        ),
        (returned(), "某局退单：属地不符"),
        (
            returned(clause="《示例条例》第三条", proposed_unit_name="另一局"),
            "某局退单：属地不符，依据《示例条例》第三条，建议由另一局办理",
        ),
        (ReviewEntry(**ASKED, return_id=1, verdict="upheld"), "退单成立，等待重派"),
        (ReviewEntry(**ASKED, return_id=1, verdict="rejected"), "驳回退单，仍由原单位办理"),
        (
            step("consult", units=[Consulted(code="u1", name="某局")], supervisor=True),
            "会商：征求某局、主管的意见",
        ),
        (step("ask", question="哪个路口？"), "待补充：哪个路口？"),
        (step("merge", into="2"), "并入工单 2"),
        (step("undo", undoes=Undone(event="ask", id=3)), "撤销：待补充（第 3 号）"),
    ],
)
def test_each_step_is_told_in_words(given: Step, text: str) -> None:
    assert history_lines([given], {}, AT)[0].text == text


def test_who_did_it_is_told_by_name() -> None:
    of_key = decision(actor="intake-1", operator="A017")
    nameless = decision(actor="intake-1", operator="")
    service = DispatchEntry(id=1, at=AT, actor="service", disposition="auto")
    steps: list[Step] = [decision(), decision(actor="console:gone"), of_key, nameless, service]
    lines = history_lines(steps, {"li": "李明"}, AT)
    assert [line.who for line in lines] == ["李明", "gone", "A017", "intake-1", "系统"]


def test_a_line_names_its_step_and_whether_it_was_undone() -> None:
    (line,) = history_lines([decision(note="已核实", undone=True)], {}, AT)
    assert (line.event, line.id, line.note, line.undone, line.when) == ("decision", 7, "已核实", True, "05-03 09:30")


def test_the_year_is_told_where_it_is_another() -> None:
    assert when(AT, AT.replace(year=2027)) == "2026-05-03 09:30"
