"""Bodies of the bundles' part of the HTTP interface."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, Field

from dispatch_model.bundle import BundleRef
from serving.bundles.desk import Swap
from serving.bundles.folder import Available
from serving.bundles.shadow_desk import Comparison
from serving.bundles.shadow_store import PARTS, Order
from serving.bundles.store import Action, Revision


class BundleView(BaseModel):
    """一个模型包."""

    version: str = Field(description="版本，即答复 versions.bundle 所记", examples=["haikou+1f0c9a3e"])
    path: str = Field(description="服务器上的文件夹")
    sha256: str = Field(description="bundle.json 的 SHA-256，其中记有其余各文件的 SHA-256")

    @classmethod
    def of(cls, bundle: BundleRef) -> Self:
        """`bundle` as it goes on the wire."""
        return cls(version=bundle.version, path=str(bundle.folder), sha256=bundle.sha256)


class BundleRevision(BaseModel):
    """模型包的一次生效."""

    revision: int = Field(description="生效序号，后生效者大")
    bundle: BundleView
    action: Action = Field(description="shipped 启动时即用 · load 载入 · rollback 退回")
    author: str = Field(description="提交者；shipped 为空")
    note: str = Field(description="提交时的说明")
    since: datetime = Field(description="生效时间")

    @classmethod
    def of(cls, one: Revision) -> Self:
        """`one` as it goes on the wire."""
        told = {name: getattr(one, name) for name in ("action", "author", "note", "since")}
        return cls(revision=one.id, bundle=BundleView.of(one.bundle), **told)


class AvailableView(BaseModel):
    """bundles_dir 中的一个模型包."""

    path: str = Field(description="子文件夹名，载入时以此指定")
    version: str = Field(description="版本；读不出则为空")
    created: str = Field(description="导出时间；读不出则为空")
    problem: str = Field(description="bundle.json 有何问题；空为未见问题，其余文件载入时才核对")

    @classmethod
    def of(cls, found: Available) -> Self:
        """`found` as it goes on the wire."""
        return cls(path=found.name, version=found.version, created=found.created, problem=found.problem)


class ShadowView(BaseModel):
    """在影子中运行的模型包."""

    bundle: BundleView
    share: float = Field(description="所取工单的比例，0 到 1")
    author: str = Field(description="提交者")
    note: str = Field(description="提交时的说明")
    since: datetime = Field(description="开始时间")

    @classmethod
    def of(cls, order: Order) -> Self:
        """`order` as it goes on the wire."""
        told = {name: getattr(order, name) for name in ("share", "author", "note", "since")}
        return cls(bundle=BundleView.of(order.bundle), **told)


class Bundles(BaseModel):
    """现行模型包、历次生效与可载入者."""

    current: BundleView
    revision: BundleRevision | None = Field(description="现行模型包何时由谁启用；null 为启动时即用、从未更换")
    revisions: list[BundleRevision] = Field(description="历次生效，新者在前")
    available: list[AvailableView] = Field(description="bundles_dir 中的模型包")
    shadow: ShadowView | None = Field(description="在影子中运行的模型包；null 为没有")


class SwapReply(BaseModel):
    """载入或退回的结果."""

    bundle: BundleView
    replaced: str = Field(description="此前的现行版本")
    revision: BundleRevision | None = Field(description="本次生效；null 为未生效：试载，或与现行相同")

    @classmethod
    def of(cls, swap: Swap) -> Self:
        """`swap` as it goes on the wire."""
        told = BundleRevision.of(swap.revision) if swap.revision else None
        return cls(bundle=BundleView.of(swap.bundle), replaced=swap.replaced, revision=told)


class Agreement(BaseModel):
    """两个模型包答复相同的工单数."""

    cases: int = Field(description="两者都答复过的工单数")
    function: int = Field(description="首选职能相同的工单数")
    level: int = Field(description="首选层级相同的工单数")
    unit: int = Field(description="首选单位相同的工单数")
    category: int = Field(description="首选类别相同的工单数")
    disposition: int = Field(description="处置方式相同的工单数")
    decided: int = Field(description="已有坐席决定的工单数")
    right: int = Field(description="其中现行首选职能与决定相同的工单数")
    shadow_right: int = Field(description="其中影子首选职能与决定相同的工单数")


class FunctionAgreement(Agreement):
    """现行首选为某一职能的工单."""

    name: str = Field(description="职能；空为没有建议")


class FunctionChange(BaseModel):
    """首选职能由一种变为另一种的工单."""

    function: str = Field(description="现行的首选职能；空为没有建议")
    shadow_function: str = Field(description="影子的首选职能；空为没有建议")
    cases: int


class ShadowReport(BaseModel):
    """影子与现行答复的比较."""

    bundle: str = Field(description="影子的版本")
    since: datetime = Field(description="自何时起的工单")
    total: Agreement
    functions: list[FunctionAgreement] = Field(description="按现行首选职能，工单多者在前")
    changes: list[FunctionChange] = Field(description="首选职能不同的各种情形，至多 50 种，工单多者在前")

    @classmethod
    def of(cls, found: Comparison) -> Self:
        """`found` as it goes on the wire."""
        names = ("cases", *PARTS, "decided", "right", "shadow_right")
        counts: list[Mapping[str, Any]] = [{name: row[name] for name in names} for row in found.functions]
        total = Agreement(**{name: sum(row[name] for row in counts) for name in names})
        return cls(
            bundle=found.bundle,
            since=found.since,
            total=total,
            functions=[
                FunctionAgreement(name=row["name"], **count) for row, count in zip(found.functions, counts, strict=True)
            ],
            changes=[FunctionChange(**row) for row in found.changes],
        )
