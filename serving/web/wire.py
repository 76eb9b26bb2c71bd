"""Bodies of the HTTP interface that are not contract models, and the texts and examples of its OpenAPI page."""

from typing import Annotated, Any

from fastapi.openapi.models import Example
from pydantic import BaseModel, ConfigDict, Field, SkipValidation

from dispatch_model.cases import Case, Routing, Versions
from dispatch_model.errors import ErrorKind
from serving.web.problems import MEDIA_TYPE, STATUS, TITLES, Problem

DESCRIPTION = """读懂市民对 12345 热线说的话，给出**诉求类别**、**主办单位**、**层级**、概率与理由，
且不越出**准入清单**。

- 返回 200 即已落盘；同一 `case_id`、同样内容再次提交，返回已存答案并标 `replayed: true`，内容不同则 409。
- 存储与日志中的转写一律先脱敏。
- 一切错误同一形状（`application/problem+json`），`kind` 为稳定的错误类别，`field` 指出字段。
"""
EXAMPLE: dict[str, Any] = {
    "case_id": "HK20250503-000123",
    "transcript": "我家楼下的烧烤店每天半夜还在路边摆摊，油烟很大，吵得睡不着，希望有人来管一管。",
    "city": "海口市",
    "address": {"district": "龙华区", "street": "金贸街道"},
    "received_at": "2025-05-03T23:10:00+08:00",
}
DIALOGUE: dict[str, Any] = {
    "case_id": "HK20250503-000124",
    "transcript": [
        {"speaker": "agent", "text": "您好，请问有什么可以帮您？"},
        {"speaker": "citizen", "text": "我们小区门口的路灯坏了三天了，晚上看不见路。"},
    ],
    "address": "龙华区某某路 8 号门口",
}


class Batch(BaseModel):
    """一批工单，逐件处理：一件有误不影响其他."""

    model_config = ConfigDict(extra="forbid")

    # Each case is validated on its own, so that one wrong case gives one error and not a refused batch.
    cases: list[Annotated[Case, SkipValidation]] = Field(description="工单，至多 256 件（配置项 batch_limit）")


class Failure(BaseModel):
    """有误工单的应答."""

    kind: ErrorKind = Field(description="错误类别")
    message: str = Field(description="哪里不对、应当怎样")
    field: str | None = Field(default=None, description="字段，如 cases.3.received_at")
    value: str | None = Field(default=None, description="有误的值，截短")
    details: list[str] = Field(default=[], description="同一工单的其他问题")


class Failed(BaseModel):
    """一件有误的工单."""

    case_id: str | None = Field(description="工单号；无法识别时为 null")
    error: Failure


class BatchReply(BaseModel):
    """与 cases 等长、同序：每件或为派单结果，或为错误."""

    routings: list[Routing | Failed]


class Health(BaseModel):
    """存活或就绪."""

    status: str = Field(description="ok", examples=["ok"])


class Version(BaseModel):
    """服务与其依据的版本."""

    service: str = Field(description="服务版本", examples=["0.1.0"])
    city: str = Field(description="服务的城市", examples=["haikou"])
    versions: Versions = Field(description="模型包、准入清单、派单目录、标签表的版本")


def problems(*kinds: ErrorKind) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI entries of the errors an endpoint may answer with."""
    by_status: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        entry = by_status.setdefault(STATUS[kind], {"model": Problem, "description": ""})
        entry["description"] += f"{'；' * bool(entry['description'])}`{kind.value}` {TITLES[kind]}"
    return by_status


def examples(**bodies: dict[str, Any]) -> dict[str, Example]:
    """OpenAPI examples of a request body, by their Chinese name."""
    return {name: Example(summary=name, value=value) for name, value in bodies.items()}


def problem_media_type(schema: dict[str, Any]) -> dict[str, Any]:
    """FastAPI lists every body as application/json; errors are problem+json."""
    for operations in schema["paths"].values():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if int(status) >= 400 and "application/json" in response.get("content", ()):
                    response["content"][MEDIA_TYPE] = response["content"].pop("application/json")
    return schema
