"""Cases in the words of Open311 GeoReport v2: categories are services, cases are service requests.

Source: https://wiki.open311.org/GeoReport_v2 (JSON form). What this service does not know (coordinates, postal codes,
pictures, whether a unit has finished) stays null or open.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from dispatch_model.cases import CHINA_TIME, Disposition
from dispatch_model.labels import LabelMaps
from serving.cases_wire import State

Status = Literal["open", "closed"]
LONGEST_DESCRIPTION = 4000  # characters, by the standard
_SINCE_DECISION = {
    State.DISPATCHED: "已派单",
    State.RETURNED: "单位退单，待审核",
    State.REDISPATCH: "退单成立，待重派",
    State.CONSULTING: "会商中",
    State.ASKED: "待补充信息",
}
_WITH_A_UNIT = frozenset({State.DISPATCHED, State.RETURNED})
_BEFORE_DECISION = {
    Disposition.AUTO: "已派单",
    Disposition.SUGGEST: "待派单",
    Disposition.CONSULT: "会商中",
    Disposition.ASK: "待补充信息",
    Disposition.DECLINE: "待确认是否受理",
    Disposition.EMERGENCY: "已转紧急渠道",
    Disposition.MERGE: "待并单",
}


class Service(BaseModel):
    """一个末级诉求类别（DB44/T 2479-2024）."""

    service_code: str = Field(description="类别代码", examples=["030703"])
    service_name: str = Field(description="类别名称", examples=["占道经营"])
    description: str = Field(description="各级名称", examples=["城乡建设 › 市容环境 › 占道经营"])
    metadata: bool = Field(default=False, description="恒为 false：没有附加表单")
    type: Literal["realtime"] = Field(default="realtime", description="恒为 realtime")
    keywords: str = Field(description="上级名称，以逗号分隔", examples=["城乡建设,市容环境"])
    group: str = Field(description="一级类别", examples=["城乡建设"])


class ServiceRequest(BaseModel):
    """一件工单."""

    service_request_id: str = Field(description="工单号")
    status: Status = Field(description="已并案为 closed，其余恒为 open：单位何时办结，本服务不知")
    status_notes: str = Field(description="进展", examples=["待派单", "已派单"])
    service_name: str | None = Field(description="类别名称")
    service_code: str | None = Field(description="类别代码")
    description: str = Field(description="诉求类型与类别；配置项 open311_texts 为 true 时为脱敏转写，至多 4000 字")
    agency_responsible: str | None = Field(description="主办单位；派单之前为 null")
    service_notice: None = None
    requested_datetime: datetime = Field(description="受理时间")
    updated_datetime: datetime = Field(description="最近一次派单、决定或退单的时间")
    expected_datetime: datetime | None = Field(description="办理时限")
    address: str | None = Field(description="区、街道、社区；open311_texts 为 true 时另有脱敏的详细地址")
    address_id: None = None
    zipcode: None = None
    lat: None = None
    long: None = None
    media_url: None = None


@dataclass(frozen=True)
class Dossier:
    """A case as the store has it: masked texts as JSON, the current answer, what was decided since.

    :param unit: name of the unit the decision in force names; None before the first.
    :param category: code of the category decided; None before.
    :param merged_into: the case it goes on as.
    """

    case_id: str
    city: str | None
    address: str | None
    received_at: str | None
    stored_at: datetime
    updated_at: datetime
    answer: str
    state: State = State.ROUTED
    unit: str | None = None
    category: str | None = None
    merged_into: str | None = None


def services(maps: LabelMaps) -> list[Service]:
    """One service per leaf, in order of the codes."""
    return [_service(maps, code) for code in maps.leaves]


def service_request(dossier: Dossier, maps: LabelMaps, *, texts: bool) -> ServiceRequest:
    """A case as a service request.

    :param texts: whether masked transcript and address may be shown; else only what the label maps name.
    """
    answer = json.loads(dossier.answer)
    first = answer["suggestions"][0] if answer["suggestions"] else None
    disposition = Disposition(answer["disposition"])
    code = dossier.category or (first and first["category"]["code"])
    path = _path(maps, code) if code else ()
    requested = datetime.fromisoformat(dossier.received_at) if dossier.received_at else dossier.stored_at
    return ServiceRequest(
        service_request_id=dossier.case_id,
        status="closed" if dossier.state is State.MERGED else "open",
        status_notes=_notes(dossier, disposition),
        service_name=path[-1] if path else None,
        service_code=code,
        description=_description(answer, path, texts=texts),
        agency_responsible=_agency(dossier, answer),
        requested_datetime=requested.astimezone(CHINA_TIME),
        updated_datetime=dossier.updated_at.astimezone(CHINA_TIME),
        expected_datetime=first and first["due_at"],
        address=_address(dossier, texts=texts),
    )


def _service(maps: LabelMaps, code: str) -> Service:
    path = maps.path(code)
    *above, name = path
    return Service(
        service_code=code, service_name=name, description=" › ".join(path), keywords=",".join(above), group=path[0]
    )


def _path(maps: LabelMaps, code: str) -> tuple[str, ...]:
    """Names of a category; a code of other label maps has none but itself."""
    return maps.path(code) if code in maps.categories else (code,)


def _description(answer: Mapping[str, Any], path: tuple[str, ...], *, texts: bool) -> str:
    said = answer["transcript"] if texts else ""
    return said[:LONGEST_DESCRIPTION] or f"{answer['kind']}：{' › '.join(path)}"


def _notes(dossier: Dossier, disposition: Disposition) -> str:
    if dossier.state is State.MERGED:
        return f"已并入工单 {dossier.merged_into}"
    return _SINCE_DECISION.get(dossier.state) or _BEFORE_DECISION[disposition]


def _agency(dossier: Dossier, answer: Mapping[str, Any]) -> str | None:
    """Who has the case: a mere suggestion makes nobody responsible, nor does a decision that was taken back."""
    if dossier.state not in _WITH_A_UNIT:
        return None
    return dossier.unit or (answer["suggestions"][0]["unit"]["name"] if answer["suggestions"] else None)


def _address(dossier: Dossier, *, texts: bool) -> str | None:
    parts = json.loads(dossier.address) if dossier.address else {}
    shown = ("district", "street", "community", *(("detail",) if texts else ()))
    return "".join([dossier.city or "", *(parts.get(name) or "" for name in shown)]) or None
