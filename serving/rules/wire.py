"""Bodies of the rules' part of the HTTP interface."""

from collections.abc import Mapping
from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from dispatch_model import rules
from dispatch_model.finding import Finding, Severity
from dispatch_model.rules import TITLES, RuleKind, RuleRow, RuleSet
from serving.rules.desk import Change
from serving.rules.store import Action, Revision, RowRevision

MOST_FINDINGS = 500


class RevisionView(BaseModel):
    """规则表的一次生效."""

    revision: int = Field(description="生效序号，后生效者大")
    version: str = Field(description="版本；内容相同则版本相同", examples=["2026.1-1f0c9a3e"])
    action: Action = Field(description="shipped 随程序安装 · upload 上传 · rollback 退回")
    rows: int = Field(description="行数")
    sha256: str = Field(description="规范 CSV 的 SHA-256")
    author: str = Field(description="提交者；shipped 为空")
    note: str = Field(description="提交时的说明")
    since: datetime = Field(description="生效时间")

    @classmethod
    def of(cls, revision: Revision) -> Self:
        """`revision` as it goes on the wire."""
        return cls(revision=revision.id, **{name: getattr(revision, name) for name in cls.model_fields.keys() - _OWN})


_OWN = {"revision"}


class RuleSetView(BaseModel):
    """一份规则表."""

    kind: RuleKind
    title: str = Field(description="中文名", examples=["准入清单"])
    version: str = Field(description="现行版本")
    rows: int = Field(description="行数")
    revision: RevisionView | None = Field(description="现行版本何时由谁提交；null 为随程序安装、从未更改")

    @classmethod
    def of(cls, kind: RuleKind, found: RuleSet, revision: Revision | None) -> Self:
        """A rule set in force."""
        told = RevisionView.of(revision) if revision else None
        return cls(kind=kind, title=TITLES[kind], version=found.version, rows=len(found.rows), revision=told)


class RuleSets(BaseModel):
    """现行的各规则表."""

    rule_sets: list[RuleSetView]


class Rule(BaseModel):
    """规则表的一行."""

    id: str = Field(description="编号")
    row: int = Field(description="所提交文件中的行号，表头为第 1 行")
    cells: dict[str, str] = Field(description="各列的文本，与 CSV 相同：多个值以 | 分隔，日期如 2026-05-01")

    @classmethod
    def of(cls, row: RuleRow) -> Self:
        """One row of a rule set."""
        return cls(id=row.id, row=row.row, cells=rules.cells(row))


class RulePage(BaseModel):
    """规则表的若干行."""

    kind: RuleKind
    version: str
    total: int = Field(description="符合条件的行数")
    limit: int
    offset: int
    rows: list[Rule]


class RuleRevision(BaseModel):
    """一行规则自某次生效起的内容."""

    revision: RevisionView
    cells: dict[str, str] | None = Field(description="null 为自此删去")

    @classmethod
    def of(cls, found: RowRevision) -> Self:
        """What a row said from a revision on."""
        cells = None if found.cells is None else dict(found.cells)
        return cls(revision=RevisionView.of(found.revision), cells=cells)


class RuleCard(BaseModel):
    """一行规则及其历次内容."""

    kind: RuleKind
    version: str = Field(description="现行版本")
    rule: Rule | None = Field(description="现行内容；null 为现行版本中已无此行")
    history: list[RuleRevision] = Field(description="内容有变的各次生效，新者在前；从未更改的规则表没有记录")


class FindingView(BaseModel):
    """检查规则表的一条提示."""

    severity: Severity = Field(description="error 不予受理 · warning 请复核")
    row: int | None = Field(description="行号；null 为整份文件")
    id: str
    column: str
    text: str

    @classmethod
    def of(cls, finding: Finding) -> Self:
        """`finding` as it goes on the wire."""
        return cls.model_validate(vars(finding))


class ChangeReply(BaseModel):
    """上传或退回的结果."""

    kind: RuleKind
    version: str = Field(description="所提交（退回到）的版本")
    replaced: str = Field(description="此前的现行版本")
    rows: int
    added: int = Field(description="比此前新增的行数（按编号）")
    edited: int = Field(description="内容有变的行数")
    removed: int = Field(description="删去的行数")
    warnings: int = Field(description="需复核之处的数目")
    findings: list[FindingView] = Field(description=f"需复核之处，至多列出 {MOST_FINDINGS} 处")
    revision: RevisionView | None = Field(description="本次生效；null 为未生效：试运行，或与现行内容相同")

    @classmethod
    def of(cls, change: Change) -> Self:
        """`change` as it goes on the wire."""
        counted: Mapping[str, int] = {name: len(getattr(change.changes, name)) for name in _COUNTED}
        return cls(
            kind=change.kind,
            version=change.version,
            replaced=change.replaced,
            rows=change.rows,
            **counted,
            warnings=len(change.findings),
            findings=[FindingView.of(finding) for finding in change.findings[:MOST_FINDINGS]],
            revision=RevisionView.of(change.revision) if change.revision else None,
        )


_COUNTED = ("added", "edited", "removed")


class History(BaseModel):
    """历次生效，新者在前."""

    kind: RuleKind
    revisions: list[RevisionView]
