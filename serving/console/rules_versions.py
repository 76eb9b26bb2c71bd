"""Which versions of each rule table were in force, and which can be put in force again."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from dispatch_model.rules import TITLES, RuleKind
from serving.console.rules_browse import who
from serving.rules.desk import RuleDesk
from serving.rules.store import Action

ACTIONS: Mapping[Action, str] = MappingProxyType(
    {Action.SHIPPED: "随程序安装", Action.UPLOAD: "上传", Action.ROLLBACK: "退回"}
)
SHOWN = 100


@dataclass(frozen=True)
class VersionLine:
    """One coming into force.

    :param current: it is in force now.
    :param restorable: it says something else than what is in force.
    """

    version: str
    action: str
    rows: int
    who: str
    note: str
    since: str
    current: bool
    restorable: bool


@dataclass(frozen=True)
class Versions:
    """Those of one table, newest first; none: it was never changed."""

    kind: RuleKind
    title: str
    version: str
    rows: int
    lines: tuple[VersionLine, ...]


def versions(desk: RuleDesk) -> tuple[Versions, ...]:
    """Those of every table."""
    return tuple(_of(desk, kind) for kind in RuleKind)


def _of(desk: RuleDesk, kind: RuleKind) -> Versions:
    now, current = desk.rules(kind), desk.revision(kind)
    told: set[str] = {now.version}
    lines = []
    for one in desk.history(kind)[:SHOWN]:
        lines.append(
            VersionLine(
                version=one.version,
                action=ACTIONS[one.action],
                rows=one.rows,
                who=who(one.author),
                note=one.note,
                since=f"{one.since:%Y-%m-%d %H:%M}",
                current=current is not None and one.id == current.id,
                restorable=one.version not in told,
            )
        )
        told.add(one.version)
    return Versions(kind, TITLES[kind], now.version, len(now.rows), tuple(lines))
