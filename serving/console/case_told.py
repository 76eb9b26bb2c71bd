"""What is said after a step: in one sentence, with what of it can be taken back."""

from serving.cases_wire import DecisionEntry, ReturnEntry, ReviewEntry, StepEntry
from serving.console.undo_bar import Doing

Written = DecisionEntry | ReturnEntry | ReviewEntry | StepEntry
_OF_EVENT = {"decision": "决定", "redispatch": "重派", "consult": "会商", "ask": "待补充", "merge": "并案"}


def told(case_id: str, entry: Written) -> str:
    """The sentence, without its full stop."""
    return f"工单 {case_id} {_did(entry)}"


def doing(case_id: str, entry: Written) -> Doing | None:
    """The step, if it can be taken back."""
    if isinstance(entry, ReturnEntry | ReviewEntry) or entry.event == "undo":
        return None
    return Doing(case_id, entry.event, entry.id, told(case_id, entry))


def _did(entry: Written) -> str:
    if isinstance(entry, DecisionEntry):
        past = "（准入清单不许可，已强制）" if entry.forced else ""
        return f"{_sent(entry)}{entry.unit.name}{past}"
    if isinstance(entry, ReturnEntry):
        return f"已登记{entry.unit_name}的退单（{entry.reason}），待审核"
    if isinstance(entry, ReviewEntry):
        return "退单成立，待重派" if entry.verdict == "upheld" else "退单已驳回，仍由原单位办理"
    return _stepped(entry)


def _sent(entry: DecisionEntry) -> str:
    if entry.event == "redispatch":
        return "已重派往"
    return "已更正，派往" if entry.replaces else "已派往"


def _stepped(entry: StepEntry) -> str:
    if entry.event == "consult":
        asked = [unit.name for unit in entry.units] + (["主管"] if entry.supervisor else [])
        return f"已请{'、'.join(asked)}会商"
    if entry.event == "ask":
        return "已转待补充"
    if entry.event == "merge":
        return f"已并入工单 {entry.into}"
    return f"的{_OF_EVENT[entry.undoes.event] if entry.undoes else '这一步'}已撤销"
