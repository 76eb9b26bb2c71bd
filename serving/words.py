"""What stands on the wire in English, in the words of the hotline."""

from collections.abc import Mapping

from dispatch_model.cases import Disposition
from serving.cases_wire import State

DISPOSITIONS: Mapping[str, str] = {
    Disposition.AUTO: "自动派发",
    Disposition.SUGGEST: "建议",
    Disposition.CONSULT: "会商",
    Disposition.ASK: "补充信息",
    Disposition.DECLINE: "不予受理",
    Disposition.EMERGENCY: "紧急转办",
    Disposition.MERGE: "并单",
}
STATES: Mapping[str, str] = {
    State.ROUTED: "待决定",
    State.DISPATCHED: "已派单",
    State.RETURNED: "退单待审核",
    State.REDISPATCH: "待重派",
    State.CONSULTING: "会商中",
    State.ASKED: "待补充",
    State.MERGED: "已并案",
}
SOURCES: Mapping[str, str] = {
    "model": "模型",
    "access_list": "准入清单",
    "catalogue": "派单目录",
    "place": "地点",
    "trigger": "触发词",
    "repeat": "重复来电",
}
