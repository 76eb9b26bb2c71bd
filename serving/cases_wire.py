"""What goes over the wire about a case after it was routed: what is decided, asked and taken back, and its history."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from dispatch_model.cases import CategoryRef, FreeText, Routing, UnitRef

LONGEST_NOTE = 2000  # characters
OTHER = "其他"

OverrideReason = Literal["职能不符", "属地不符", "层级不符", "类别不符", "权属不清", "其他"]
ReturnReason = Literal["属地不符", "权属不清", "职能不符", "其他"]
Event = Literal["dispatch", "decision", "redispatch", "return", "review", "consult", "ask", "merge", "undo"]
Verdict = Literal["upheld", "rejected"]
Undoable = Literal["decision", "redispatch", "consult", "ask", "merge"]
MOST_CONSULTED = 5  # units


def _stripped(value: Any) -> Any:
    """Intake systems pad what they send, and send null for what is empty."""
    return "" if value is None else value.strip() if isinstance(value, str) else value


Name = Annotated[FreeText, Field(max_length=128), BeforeValidator(_stripped)]
Note = Annotated[FreeText, Field(max_length=LONGEST_NOTE), BeforeValidator(_stripped)]
Operator = Annotated[
    FreeText, Field(max_length=64, description="经办人工号；缺省为密钥的名称"), BeforeValidator(_stripped)
]


class State(StrEnum):
    """Where a case stands."""

    ROUTED = "routed"  # suggestions wait for a decision
    DISPATCHED = "dispatched"
    RETURNED = "returned"  # a return waits for its review
    REDISPATCH = "redispatch"  # the return was upheld: another decision is due
    CONSULTING = "consulting"  # units or the supervisor were asked for an opinion; a decision is due
    ASKED = "asked"  # the citizen is to be asked; a decision is due
    MERGED = "merged"  # closed: it goes on under another number


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Decision(_Body):
    note: Note = Field(default="", description="说明，至多 2000 字；脱敏后存储")
    operator: Operator = ""
    replaces: int | None = Field(default=None, description="更正：所替换的现行决定的编号；首次决定、退单后重派不填")
    force: bool = Field(default=False, description="true：准入清单不许可仍派（须 admin 权限并写 note），记入审计")


class Accept(_Decision):
    """采纳一条派单建议."""

    action: Literal["accept"]
    rank: int = Field(default=1, ge=1, description="采纳第几条建议")


class Override(_Decision):
    """改派：不用建议，由经办人指定单位."""

    action: Literal["override"]
    unit: Annotated[Name, Field(min_length=1, description="单位代码或名称（单位目录中的全称、别名）")]
    category: Name = Field(default="", description="诉求类别代码（末级）；缺省为第一条建议的类别")
    level: Name = Field(default="", description="层级；缺省为单位的层级")
    function: Name = Field(default="", description="职能；缺省为单位的职能，只有属地政府可代行其他职能")
    reason_code: OverrideReason = Field(description="为何不用建议")

    @model_validator(mode="after")
    def _says_why(self) -> "Override":
        if self.reason_code == OTHER and not self.note:
            raise ValueError("reason_code 为“其他”时必须写 note")
        return self


Decision = Annotated[Accept | Override, Field(discriminator="action")]


class Return(_Body):
    """退单：承办单位提出异议."""

    reason: ReturnReason = Field(description="退单理由")
    clause: Note = Field(default="", description="依据的条款，如《示例条例》第十二条；脱敏后存储")
    proposed_unit: Name = Field(default="", description="建议的单位：代码或名称")
    note: Note = Field(default="", description="说明，至多 2000 字；脱敏后存储")
    operator: Operator = ""

    @model_validator(mode="after")
    def _says_why(self) -> "Return":
        if self.reason == OTHER and not self.note:
            raise ValueError("reason 为“其他”时必须写 note")
        return self


class Review(_Body):
    """退单审核."""

    verdict: Verdict = Field(description="upheld 退单成立，等待重派；rejected 驳回，仍由原单位办理")
    note: Note = Field(default="", description="说明，至多 2000 字；脱敏后存储")
    operator: Operator = ""


class _Step(_Body):
    note: Note = Field(default="", description="说明，至多 2000 字；脱敏后存储")
    operator: Operator = ""


class Consult(_Step):
    """会商：请单位或主管提出意见."""

    action: Literal["consult"]
    units: tuple[Annotated[Name, Field(min_length=1)], ...] = Field(
        default=(), max_length=MOST_CONSULTED, description="征求哪些单位的意见：代码或名称，至多 5 个"
    )
    supervisor: bool = Field(default=False, description="true：请主管提出意见")

    @model_validator(mode="after")
    def _asks_somebody(self) -> "Consult":
        if not self.units and not self.supervisor:
            raise ValueError("应写明 units 或将 supervisor 设为 true")
        return self


class Ask(_Step):
    """待补充：须向来电人问明."""

    action: Literal["ask"]
    question: Annotated[Note, Field(min_length=1)] = Field(description="须问明什么，至多 2000 字；脱敏后存储")


class Merge(_Step):
    """并案：并入另一工单，本工单就此办结."""

    action: Literal["merge"]
    into: Annotated[Name, Field(min_length=1)] = Field(description="并入的工单号")


class Undo(_Step):
    """撤销：10 秒内由同一经办人撤回自己的一步."""

    action: Literal["undo"]
    event: Undoable = Field(description="所撤销的一步的 event")
    id: int = Field(ge=1, le=2**63 - 1, description="所撤销的一步的 id")


DeskStep = Annotated[Consult | Ask | Merge | Undo, Field(discriminator="action")]


class Entry(BaseModel):
    """一件工单所经历的一步."""

    event: Event = Field(
        description="dispatch 派单建议，decision 决定，redispatch 重派，return 退单，review 审核，"
        "consult 会商，ask 待补充，merge 并案，undo 撤销"
    )
    id: int = Field(description="该步在其种类中的编号")
    at: datetime = Field(description="何时，北京时间")
    actor: str = Field(default="", description="所用密钥的名称")
    operator: str = Field(default="", description="经办人")
    note: str = Field(default="", description="说明，已脱敏")
    replayed: bool = Field(default=False, description="同一内容重复提交时为 true")
    undone: bool = Field(default=False, description="其后已撤销为 true")


class DispatchEntry(Entry):
    """派单建议."""

    event: Literal["dispatch"] = "dispatch"
    disposition: str = Field(description="处置方式")


class DecisionEntry(Entry):
    """决定或退单后的重派."""

    event: Literal["decision", "redispatch"] = "decision"
    action: Literal["accept", "override"] = Field(description="采纳或改派")
    rank: int | None = Field(description="采纳的是第几条建议；改派为 null")
    unit: UnitRef
    category: CategoryRef
    reason_code: str = Field(description="改派的原因；采纳为空")
    forced: bool = Field(description="准入清单不许可，经主管强制")
    rule_id: str | None = Field(description="强制所越过的准入清单行；未列入清单或未强制为 null")
    access_list: str = Field(description="核对时的准入清单版本")
    return_id: int | None = Field(description="重派所依据的退单")
    replaces: int | None = Field(description="更正的是哪一个决定")


class ReturnEntry(Entry):
    """退单."""

    event: Literal["return"] = "return"
    decision_id: int | None = Field(description="所退的决定；自动派发而无决定时为 null")
    unit: str = Field(description="退单的单位：代码")
    unit_name: str = Field(description="退单的单位：名称")
    reason: ReturnReason = Field(description="退单理由")
    clause: str = Field(description="依据的条款，已脱敏")
    proposed_unit: str = Field(description="建议的单位：代码；未提为空")
    proposed_unit_name: str = Field(description="建议的单位：名称")


class ReviewEntry(Entry):
    """退单审核."""

    event: Literal["review"] = "review"
    return_id: int
    verdict: Verdict


class Consulted(BaseModel):
    """征求意见的一个单位."""

    code: str = Field(description="单位代码")
    name: str = Field(description="单位名称")


class Undone(BaseModel):
    """所撤销的一步."""

    event: Undoable
    id: int = Field(description="该步在其种类中的编号")


class StepEntry(Entry):
    """会商、待补充、并案或撤销."""

    event: Literal["consult", "ask", "merge", "undo"]
    return_id: int | None = Field(description="此前最近的退单；没有为 null")
    units: list[Consulted] = Field(default=[], description="会商：征求哪些单位的意见")
    supervisor: bool = Field(default=False, description="会商：是否请主管提出意见")
    question: str = Field(default="", description="待补充：须问明什么，已脱敏")
    into: str | None = Field(default=None, description="并案：并入的工单号")
    undoes: Undone | None = Field(default=None, description="撤销：撤销的是哪一步")


Step = Annotated[DispatchEntry | DecisionEntry | ReturnEntry | ReviewEntry | StepEntry, Field(discriminator="event")]


class CaseView(BaseModel):
    """已存的工单：派单结果、现状与历程."""

    case_id: str
    state: State = Field(
        description="routed 待决定，dispatched 已派单，returned 退单待审核，redispatch 退单成立待重派，"
        "consulting 会商中，asked 待补充，merged 已并案"
    )
    merged_into: str | None = Field(default=None, description="并入的工单号；未并案为 null")
    received_at: datetime | None = Field(description="受理时间；受理时未给为 null")
    stored_at: datetime = Field(description="存入时间")
    routing: Routing
    decision: DecisionEntry | None = Field(description="现行的决定；尚无为 null")
    history: list[Step] = Field(description="历程，由早到晚；只增不改")
