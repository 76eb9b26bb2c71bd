"""What FastAPI cannot say of the interface by itself: examples of answers, groups in reading order, the webhooks."""

from typing import Any

from serving.signing import ID, SIGNATURE, TIMESTAMP
from serving.web.wire import EXAMPLE

_UNIT = {
    "code": "460106-城管",
    "name": "海口市龙华区综合行政执法局",
    "function": "城管",
    "level": "区",
    "region": "海口市/龙华区",
}
_CATEGORY = {"code": "030705", "path": ["城乡建设", "街面秩序", "露天烧烤"]}
_VERSIONS = {
    "bundle": "haikou-1",
    "access_list": "2026.1-1f0c9a3e",
    "catalogue": "2026.1-77ab01c2",
    "label_maps": "5d0c3c1f9a7e2b40",
    "triggers": "2026.1-0b6d51fe",
}
ROUTING: dict[str, Any] = {
    "case_id": EXAMPLE["case_id"],
    "transcript": EXAMPLE["transcript"],
    "disposition": "suggest",
    "disposition_reason": "首选单位的概率为 0.91，可供派单参考。",
    "kind": "投诉",
    "suggestions": [
        {
            "rank": 1,
            "unit": _UNIT,
            "category": _CATEGORY,
            "kind": "投诉",
            "probability": 0.91,
            "co_handlers": ["生态环境"],
            "due_at": "2025-05-12T23:59:59+08:00",
            "reasons": [
                {
                    "source": "model",
                    "rule_id": None,
                    "text": "“油烟很大”多由城管办理。",
                    "spans": [{"start": 19, "end": 23}],
                },
                {"source": "catalogue", "rule_id": "M-0307", "text": "派单目录：城管主办，5 个工作日。", "spans": []},
            ],
        }
    ],
    "missing": [],
    "repeat_of": [],
    "reasons": [],
    "model": {
        "function": [["城管", 0.93], ["生态环境", 0.04]],
        "level": [["区", 0.88], ["镇街", 0.11]],
        "category": [["030705", 0.84], ["030703", 0.09]],
        "duty_function": [["城管", 0.95]],
        "duty_level": [["区", 0.9]],
        "kind": [["投诉", 0.97]],
        "flags": [["vague", 0.02]],
    },
    "versions": _VERSIONS,
    "timing_ms": {"queue": 0.1, "tokenize": 0.4, "infer": 8.2, "rank": 0.6, "store": 0.7},
    "replayed": False,
}
PROBLEM: dict[str, Any] = {
    "type": "urn:hotline-dispatch:invalid_case",
    "title": "工单字段有误",
    "status": 422,
    "detail": "工单有误：received_at 不是日期。",
    "kind": "invalid_case",
    "message": "工单有误：received_at 不是日期。",
    "field": "received_at",
    "value": "昨天",
    "details": [],
}
_STEP = {
    **{"at": "2025-05-03T23:11:20+08:00", "actor": "受理系统", "operator": "A017", "note": ""},
    **{"replayed": False, "undone": False},
}
DECISION: dict[str, Any] = {
    **{"event": "decision", "id": 7, **_STEP, "action": "accept", "rank": 1, "unit": _UNIT, "category": _CATEGORY},
    **{"reason_code": "", "forced": False, "rule_id": None, "access_list": _VERSIONS["access_list"]},
    **{"return_id": None, "replaces": None},
}
STEP: dict[str, Any] = {
    **{"event": "consult", "id": 3, **_STEP, "note": "路口归谁管，请明确。", "return_id": None},
    **{"units": [{"code": "460100-交警", "name": "海口市公安局交通警察支队"}], "supervisor": True},
    **{"question": "", "into": None, "undoes": None},
}
RETURN: dict[str, Any] = {
    **{
        "event": "return",
        "id": 2,
        **_STEP,
        "operator": "B203",
        "decision_id": 7,
        "unit": _UNIT["code"],
        "unit_name": _UNIT["name"],
    },
    **{"reason": "职能不符", "clause": "《示例办法》第十二条", "proposed_unit": "", "proposed_unit_name": ""},
}
REVIEW: dict[str, Any] = {"event": "review", "id": 2, **_STEP, "operator": "S001", "return_id": 2, "verdict": "upheld"}
CASE: dict[str, Any] = {
    **{
        "case_id": ROUTING["case_id"],
        "state": "dispatched",
        "merged_into": None,
        "received_at": EXAMPLE["received_at"],
    },
    **{"stored_at": "2025-05-03T23:10:02+08:00", "routing": ROUTING, "decision": DECISION},
    "history": [
        {"event": "dispatch", "id": 31, **_STEP, "actor": "service", "operator": "", "disposition": "suggest"},
        DECISION,
    ],
}
ANSWERS: dict[tuple[str, str], Any] = {
    ("post", "/route"): ROUTING,
    ("post", "/route/batch"): {"routings": [ROUTING]},
    ("get", "/cases/{case_id}"): CASE,
    ("post", "/cases/{case_id}/decision"): DECISION,
    ("post", "/cases/{case_id}/step"): STEP,
    ("post", "/cases/{case_id}/return"): RETURN,
    ("post", "/cases/{case_id}/return/review"): REVIEW,
}
WEBHOOK: dict[str, Any] = {
    **{"event": "dispatch", "event_id": 31, "case_id": ROUTING["case_id"], "at": "2025-05-03T23:10:02+08:00"},
    **{"id": 31, "disposition": "suggest", "category": "030705", **_VERSIONS},
    "unit": {"code": "460106-城管", "function": "城管", "level": "区"},
}
_EVENTS = {
    "dispatch": "工单已有派单建议，或已自动派发",
    "decision": "经办人已决定",
    "redispatch": "退单成立后已重派",
    "return": "承办单位退单",
    "review": "退单已审核",
    "consult": "经办人请单位或主管会商",
    "ask": "须向来电人补充询问",
    "merge": "工单已并入另一工单",
    "undo": "经办人撤销了已告知的一步",
}
_GROUPS = {
    "派单": "一件或一批工单的派单建议",
    "工单": "已存的工单：决定、会商、并案、退单与审核",
    "规则表": "准入清单、派单目录、触发词",
    "规则表管理": "上传、退回与历次生效",
    "Open311": "供市政工具只读查询工单（GeoReport v2）",
    "运行": "存活、就绪、版本与指标",
}
_OF_GROUP = {
    "/route": "派单",
    "/route/batch": "派单",
    **dict.fromkeys(("/healthz", "/readyz", "/version", "/metrics"), "运行"),
}


def complete(schema: dict[str, Any]) -> dict[str, Any]:
    """Add to the schema of the application what is here; adding it twice changes nothing."""
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            if path in _OF_GROUP:
                operation["tags"] = [_OF_GROUP[path]]
            if path.startswith("/open311/"):
                operation["responses"].pop("422", None)  # told as 400 there
            if answer := ANSWERS.get((method, path)):
                operation["responses"]["200"]["content"]["application/json"]["example"] = answer
    if problem := schema.get("components", {}).get("schemas", {}).get("Problem"):
        problem["example"] = PROBLEM
    used = {
        tag for operations in schema["paths"].values() for one in operations.values() for tag in one.get("tags", ())
    }
    names = [*_GROUPS, *sorted(used - _GROUPS.keys())]
    schema["tags"] = [{"name": name, "description": _GROUPS.get(name, "")} for name in names if name in used]
    schema["webhooks"] = {event: {"post": _webhook(event, told)} for event, told in _EVENTS.items()}
    return schema


def _webhook(event: str, told: str) -> dict[str, Any]:
    headers = {
        ID: "消息编号；同一消息重发时不变，请据此去重",
        TIMESTAMP: "发送时间，Unix 秒",
        SIGNATURE: "v1,Base64(HMAC-SHA256(密钥, 编号.时间.正文))，见 Standard Webhooks",
    }
    body: dict[str, Any] = {"schema": {"type": "object", "required": ["event", "event_id", "case_id", "at"]}}
    if event == WEBHOOK["event"]:
        body["example"] = WEBHOOK
    return {
        "summary": told,
        "description": "发往 `dispatch hooks add` 登记的地址；2xx 即为收到，否则间隔渐长地重发。不含转写、地址与备注。",
        "parameters": [
            {"name": name, "in": "header", "required": True, "schema": {"type": "string"}, "description": text}
            for name, text in headers.items()
        ],
        "requestBody": {"required": True, "content": {"application/json": body}},
        "responses": {"2XX": {"description": "收到"}},
    }
