"""What happened to a case, step by step, in the words of the hotline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from dispatch_model.cases import CHINA_TIME
from serving.cases_wire import DecisionEntry, DispatchEntry, Entry, ReturnEntry, ReviewEntry, Step, StepEntry
from serving.guard.keys import CONSOLE
from serving.store.events import SERVICE
from serving.words import DISPOSITIONS

EVENTS = {"decision": "决定", "redispatch": "重派", "consult": "会商", "ask": "待补充", "merge": "并案"}


@dataclass(frozen=True)
class HistoryLine:
    """One step of a case.

    :param event: as on the wire; with `id` it names the step, for an undo.
    :param when: such as "05-03 09:30".
    :param who: name of the operator, or of the key; "系统" for the service itself.
    :param text: what was done, such as "采纳第 1 条建议，派往龙华区城市管理局".
    :param note: what was written with it, masked; "" for nothing.
    :param undone: it was taken back later.
    """

    event: str
    id: int
    at: datetime
    when: str
    who: str
    text: str
    note: str = ""
    undone: bool = False


def history_lines(steps: Sequence[Step], names: Mapping[str, str], now: datetime) -> tuple[HistoryLine, ...]:
    """The history of a case, oldest first.

    :param names: of operators, by login.
    """
    return tuple(
        HistoryLine(
            event=step.event,
            id=step.id,
            at=step.at,
            when=when(step.at, now),
            who=who(step, names),
            text=_text(step),
            note=step.note,
            undone=step.undone,
        )
        for step in steps
    )


def when(at: datetime, now: datetime) -> str:
    """A moment as people read it here: the year only where it is another."""
    at = at.astimezone(CHINA_TIME)
    return f"{at:%m-%d %H:%M}" if at.year == now.astimezone(CHINA_TIME).year else f"{at:%Y-%m-%d %H:%M}"


def who(step: Entry, names: Mapping[str, str]) -> str:
    """Who did it, by name."""
    if step.actor == SERVICE:
        return "系统"
    if step.actor.startswith(CONSOLE):
        login = step.actor.removeprefix(CONSOLE)
        return names.get(login, login)
    return step.operator or step.actor


def _text(step: Step) -> str:
    if isinstance(step, DispatchEntry):
        return f"派单建议：{DISPOSITIONS.get(step.disposition, step.disposition)}"
    if isinstance(step, DecisionEntry):
        return _decided(step)
    if isinstance(step, ReturnEntry):
        clause = f"，依据{step.clause}" if step.clause else ""
        proposed = f"，建议由{step.proposed_unit_name}办理" if step.proposed_unit_name else ""
        return f"{step.unit_name}退单：{step.reason}{clause}{proposed}"
    if isinstance(step, ReviewEntry):
        return "退单成立，等待重派" if step.verdict == "upheld" else "驳回退单，仍由原单位办理"
    return _stepped(step)


def _decided(step: DecisionEntry) -> str:
    again = "重派：" if step.event == "redispatch" else f"更正第 {step.replaces} 号决定：" if step.replaces else ""
    taken = f"采纳第 {step.rank} 条建议，派往" if step.action == "accept" else "改派"
    why = f"（{step.reason_code}）" if step.reason_code else ""
    forced = f"；越过准入清单 {step.rule_id or '（未列入）'} 强制派出" if step.forced else ""
    return f"{again}{taken}{step.unit.name}{why}{forced}"


def _stepped(step: StepEntry) -> str:
    if step.event == "consult":
        asked = [*(unit.name for unit in step.units), *(["主管"] if step.supervisor else [])]
        return f"会商：征求{'、'.join(asked)}的意见"
    if step.event == "ask":
        return f"待补充：{step.question}"
    if step.event == "merge":
        return f"并入工单 {step.into}"
    undone = step.undoes
    return f"撤销：{EVENTS[undone.event]}（第 {undone.id} 号）" if undone else "撤销"
