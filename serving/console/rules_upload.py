"""A rule file before it comes into force: what it is, what is wrong with it row by row, what it changes."""

from collections.abc import Sequence
from dataclasses import dataclass

from dispatch_model import headers
from dispatch_model.errors import DispatchError
from dispatch_model.finding import Finding, Severity, errors_of
from dispatch_model.rule_kinds import kinds_in
from dispatch_model.rules import TITLES, RuleKind
from dispatch_model.table import Upload
from serving.rules.changes import RowChange, RowChanges
from serving.rules.desk import RuleDesk

SHOWN = 200  # findings, and changed rows of each sort; a file that is wrong throughout is not read to its end


@dataclass(frozen=True)
class Problem:
    """A finding in words; `row` is "" where it concerns the whole file."""

    row: str
    id: str
    column: str
    text: str


@dataclass(frozen=True)
class Checked:
    """One table of a file.

    :param kind: None: the file looks like none of the tables.
    :param version: "" when it was refused.
    :param replaced: the version in force when it was checked.
    :param changes: None when it was refused.
    """

    file: str
    kind: RuleKind | None
    content: bytes
    version: str
    replaced: str
    rows: int
    changes: RowChanges | None
    errors: tuple[Problem, ...]
    warnings: tuple[Problem, ...]

    @property
    def title(self) -> str:
        """The Chinese name of the table."""
        return TITLES[self.kind] if self.kind else "规则表"

    @property
    def same(self) -> bool:
        """Whether it says what is in force already."""
        return bool(self.version) and self.version == self.replaced

    @property
    def fit(self) -> bool:
        """Whether it can be put in force, and would change anything."""
        return bool(self.version) and not self.same

    @property
    def sorts(self) -> Sequence[tuple[str, Sequence[RowChange]]]:
        """Changed rows by what became of them."""
        if self.changes is None:
            return ()
        named = (("新增", self.changes.added), ("删去", self.changes.removed), ("改动", self.changes.edited))
        return tuple((name, rows) for name, rows in named if rows)


def check(desk: RuleDesk, file: str, content: bytes) -> tuple[Checked, ...]:
    """One result per table that a file holds, each checked as an upload would be; nothing is changed."""
    try:
        kinds = kinds_in(Upload(file, content))
    except DispatchError as error:
        return (_refused(file, None, content, "", error),)
    return tuple(_check(desk, kind, file, content) for kind in kinds)


def _check(desk: RuleDesk, kind: RuleKind, file: str, content: bytes) -> Checked:
    try:
        change = desk.upload(kind, content, author="", dry_run=True)
    except DispatchError as error:
        return _refused(file, kind, content, desk.rules(kind).version, error)
    return Checked(
        file=file,
        kind=kind,
        content=content,
        version=change.version,
        replaced=change.replaced,
        rows=change.rows,
        changes=change.changes,
        errors=(),
        warnings=_problems([one for one in change.findings if one.severity is Severity.WARNING]),
    )


def _refused(file: str, kind: RuleKind | None, content: bytes, replaced: str, error: DispatchError) -> Checked:
    return Checked(file, kind, content, "", replaced, 0, None, _problems(errors_of(error)), ())


def _problems(findings: Sequence[Finding]) -> tuple[Problem, ...]:
    return tuple(
        Problem(
            row="" if one.row is None else str(one.row),
            id=one.id,
            column=headers.chinese(one.column),
            text=one.text,
        )
        for one in findings
    )
