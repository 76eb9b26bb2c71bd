"""What comes in and what goes out: Case, Suggestion, Routing (frozen pydantic models).

These are the wire contract of `POST /route` and of `dispatch batch`; see docs/api.md.
"""

import re
from datetime import datetime, timedelta, timezone
from enum import StrEnum
from typing import Annotated, Any, Literal
from unicodedata import normalize

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, field_validator

MAX_TRANSCRIPT_CHARS = 20_000
CHINA_TIME = timezone(timedelta(hours=8), "UTC+08:00")
YEARS = range(1990, 2101)
DATE_FORMS = "如 2025-05-03T09:30:00+08:00、2025-05-03 或 2025-05"
_CALENDAR_DATE = re.compile(r"(\d{4})(?:[-/.年](\d{1,2})(?:[-/.月](\d{1,2})日?|月)?|(\d{2})(\d{2}))", re.ASCII)


class Disposition(StrEnum):
    """处置方式: what should happen to the case next."""

    AUTO = "auto"
    SUGGEST = "suggest"
    CONSULT = "consult"
    ASK = "ask"
    DECLINE = "decline"
    EMERGENCY = "emergency"
    MERGE = "merge"


class Frozen(BaseModel):
    """Base of all contract models: immutable, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _whole_characters(value: str) -> str:
    """Half an emoji, left where another system cut a text, cannot be encoded; it becomes U+FFFD."""
    return value if value.isascii() else value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _plain_name(value: str) -> str:
    """Intake systems pad a name, or write it full width."""
    return normalize("NFKC", value).strip()


FreeText = Annotated[str, AfterValidator(_whole_characters)]


class Turn(Frozen):
    """One turn of a two-sided call."""

    speaker: Literal["agent", "citizen"] = Field(description="说话人：agent 坐席，citizen 市民")
    text: FreeText = Field(description="该轮话语")


def _blank_is_absent(value: Any) -> Any:
    """Intake systems send empty strings for what they do not know."""
    return None if isinstance(value, str) and not value.strip() else value


def _text_or_number(value: Any) -> Any:
    """Some systems send a telephone number as a number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else _blank_is_absent(value)


OptionalText = Annotated[FreeText | None, BeforeValidator(_blank_is_absent)]


class Address(Frozen):
    """Structured address, each part optional; names, not codes."""

    district: OptionalText = Field(default=None, description="区", examples=["龙华区"])
    street: OptionalText = Field(default=None, description="街道或镇", examples=["金贸街道"])
    community: OptionalText = Field(default=None, description="社区或村")
    detail: OptionalText = Field(default=None, description="详细地址，自由文本")

    def text(self) -> str:
        """All parts joined, outermost first."""
        return "".join(part for part in (self.district, self.street, self.community, self.detail) if part)


def _address_from_text(value: Any) -> Any:
    """A plain string is the free-text detail of an address; an address without any part is none."""
    if isinstance(value, str):
        return {"detail": value} if value.strip() else None
    if isinstance(value, dict) and all(_blank_is_absent(part) is None for part in value.values()):
        return None
    return value


def _moment_from_text(value: Any) -> Any:
    """A day means its first minute, a month its first day; a bare number could be anything and is refused."""
    value = _blank_is_absent(value)
    if value is None or isinstance(value, datetime):
        return value
    text = value.strip() if isinstance(value, str) else ""
    if found := _CALENDAR_DATE.fullmatch(text):
        year, month, day, compact_month, compact_day = found.groups()
        text = f"{year}-{int(month or compact_month):02}-{int(day or compact_day or 1):02}T00:00:00"
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"不是日期；可写 ISO 8601，{DATE_FORMS}") from None


def _china_time(value: datetime | None) -> datetime | None:
    """Rules count days as an office in China does; a moment without a zone is meant there."""
    if value is None:
        return None
    if value.year not in YEARS:
        raise ValueError(f"年份不在 {YEARS.start} 到 {YEARS.stop - 1} 之间；请核对受理时间")
    return value.replace(tzinfo=CHINA_TIME) if value.tzinfo is None else value.astimezone(CHINA_TIME)


def _transcript_form(value: Any) -> str:
    """Which branch of the union is meant, so that an error speaks of that one only."""
    return "turns" if isinstance(value, list | tuple) else "text"


Transcript = Annotated[
    Annotated[FreeText, Tag("text")] | Annotated[tuple[Turn, ...], Tag("turns")],
    Discriminator(_transcript_form),
]


class Case(Frozen):
    """诉求：one citizen's matter, as the intake system sends it."""

    case_id: str = Field(min_length=1, max_length=128, description="工单号，由受理系统给出，唯一")
    transcript: Transcript = Field(
        description=f"通话转写：一段文字，或按轮次的对话；合计至多 {MAX_TRANSCRIPT_CHARS} 字"
    )
    city: Annotated[
        Annotated[str, Field(max_length=64), AfterValidator(_whole_characters), AfterValidator(_plain_name)] | None,
        BeforeValidator(_blank_is_absent),
    ] = Field(default=None, description="城市，缺省为服务配置的城市", examples=["海口市"])
    address: Annotated[
        Address | None, BeforeValidator(_address_from_text, json_schema_input_type=Address | str | None)
    ] = Field(default=None, description="事发地址：结构化或一段文字")
    received_at: Annotated[datetime | None, BeforeValidator(_moment_from_text), AfterValidator(_china_time)] = Field(
        default=None,
        description=f"受理时间（{DATE_FORMS}；不带时区为北京时间），缺省为现在；决定哪一版准入清单生效",
    )
    caller: Annotated[
        Annotated[str, Field(max_length=64), AfterValidator(_whole_characters)] | None, BeforeValidator(_text_or_number)
    ] = Field(
        default=None,
        repr=False,
        description="来电号码或来电人编号；只用来认出重复来电，以带密钥的假名存储，本身不存储、不入日志、不出现在应答中",
        examples=["13800000000"],
    )

    @field_validator("case_id")
    @classmethod
    def _printable_id(cls, value: str) -> str:
        if not value.strip() or not value.isprintable():
            raise ValueError("不能为空白，也不能含控制字符；请填受理系统的工单号")
        return value


class UnitRef(Frozen):
    """单位：an organisation as named in an answer."""

    code: str = Field(description="单位代码；目录中没有对应单位时为空字符串")
    name: str
    function: str = Field(description="职能")
    level: str = Field(description="层级：市 区 镇街 村居")
    region: str = Field(description="区域全称，如 海口市/龙华区/金贸街道")


class CategoryRef(Frozen):
    """诉求类别 of DB44/T 2479-2024."""

    code: str = Field(description="2、4 或 6 位代码")
    path: tuple[str, ...] = Field(description="各级名称，由大到小")


class Span(Frozen):
    """Characters [start, end) of the masked transcript."""

    start: int
    end: int


class Reason(Frozen):
    """One ground for a suggestion."""

    source: Literal["model", "access_list", "catalogue", "place", "trigger", "repeat"]
    rule_id: str | None = None
    text: str
    spans: tuple[Span, ...] = ()


class Suggestion(Frozen):
    """派单建议：one ranked unit."""

    rank: int = Field(ge=1)
    unit: UnitRef
    category: CategoryRef
    kind: str = Field(description="诉求类型")
    probability: float = Field(ge=0, le=1)
    co_handlers: tuple[str, ...] = Field(default=(), description="协办职能")
    due_at: datetime | None = Field(default=None, description="办理时限")
    reasons: tuple[Reason, ...] = ()


class ModelView(Frozen):
    """What the model alone says, before any rule: top five `[label, probability]` per head.

    `function` and `level` follow the city's practice where it was learned; `duty_*` say who should lead.
    """

    function: tuple[tuple[str, float], ...]
    level: tuple[tuple[str, float], ...]
    category: tuple[tuple[str, float], ...]
    duty_function: tuple[tuple[str, float], ...] = ()
    duty_level: tuple[tuple[str, float], ...] = ()
    kind: tuple[tuple[str, float], ...] = ()
    flags: tuple[tuple[str, float], ...] = ()


class Versions(Frozen):
    """Which artefacts decided this answer."""

    bundle: str
    access_list: str
    catalogue: str
    label_maps: str
    triggers: str = ""  # "": answered before answers named it


class Timing(Frozen):
    """Milliseconds spent per stage."""

    queue: float = 0.0
    tokenize: float = 0.0
    infer: float = 0.0
    rank: float = 0.0
    store: float = 0.0


class Routing(Frozen):
    """The answer to one case."""

    case_id: str
    transcript: str = Field(description="脱敏、规范化后的转写；各理由的 spans 以它计位")
    disposition: Disposition
    disposition_reason: str = Field(description="为什么这样处置")
    kind: str = Field(description="诉求类型：咨询 求助 投诉 举报 建议 表扬")
    suggestions: tuple[Suggestion, ...]
    missing: tuple[str, ...] = Field(default=(), description="还缺什么信息")
    repeat_of: tuple[str, ...] = Field(default=(), description="疑似重复的工单号")
    reasons: tuple[Reason, ...] = Field(default=(), description="针对整个工单的理由（触发词、受理范围等）")
    model: ModelView
    versions: Versions
    timing_ms: Timing
    replayed: bool = Field(default=False, description="同一工单重复提交时为 true，返回已存答案")
