"""One row of a rule table, opened: every cell, and what it said over time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from dispatch_model import headers, rules
from dispatch_model.access_row import AccessRow
from dispatch_model.rules import TITLES, RuleKind, RuleRow
from serving.console.rules_browse import CHOICES, PATH, category_text, place_text, who
from serving.routing import Router
from serving.rules.desk import RuleDesk
from serving.rules.store import RowRevision

_UNSAID = "version"  # differs in every row of a new version


@dataclass(frozen=True)
class Past:
    """What became of the row with one coming into force; `told` a line a cell."""

    since: str
    who: str
    note: str
    told: tuple[str, ...]


@dataclass(frozen=True)
class RowCard:
    """A row in full.

    :param number: in the file; 0: it is no longer in force.
    :param cells: (column, what it says), blank ones left out.
    :param trial: where to try its category and place; "" for a row without a category.
    """

    id: str
    kind: RuleKind
    title: str
    number: int
    cells: tuple[tuple[str, str], ...]
    trial: str
    history: tuple[Past, ...]


def card(desk: RuleDesk, kind: RuleKind, row_id: str) -> RowCard | None:
    """The row of that id, in force or once in force; None: there never was one."""
    row = next((row for row in desk.rules(kind).rows if row.id == row_id), None)
    past = desk.row_history(kind, row_id)
    said = rules.cells(row) if row else next((dict(one.cells) for one in past if one.cells), None)
    if said is None:
        return None
    return RowCard(
        id=row_id,
        kind=kind,
        title=TITLES[kind],
        number=row.row if row else 0,
        cells=tuple(_shown(kind, said, desk.router)),
        trial=_trial(row, desk.router) if row else "",
        history=_history(past),
    )


def _shown(kind: RuleKind, said: Mapping[str, str], router: Router) -> Sequence[tuple[str, str]]:
    column, choices = CHOICES[kind]
    words = {
        column: choices.get(said[column], said[column]),
        "category": f"{said.get('category', '')} {category_text(router.maps, said.get('category', ''))}",
        "region": place_text(router.city, said.get("region", "")),
    }
    return [
        (headers.chinese(name), words.get(name, cell).replace("|", "、") if name != "pattern" else cell)
        for name, cell in said.items()
        if (cell or name == "region") and name != "id"
    ]


def _trial(row: RuleRow, router: Router) -> str:
    """Any category below that of the row does."""
    leaves = router.maps.leaves_under(getattr(row, "category", "")) if hasattr(row, "category") else ()
    if not leaves:
        return ""
    region = row.region if isinstance(row, AccessRow) else ""
    query = {"view": "try", "category": leaves[0], **({"place": region} if region else {})}
    return f"{PATH}?{urlencode(query)}"


def _history(past: Sequence[RowRevision]) -> tuple[Past, ...]:
    """Newest first, each against the one before."""
    before = [*past, None][1:]
    return tuple(
        Past(
            since=f"{one.revision.since:%Y-%m-%d %H:%M}",
            who=who(one.revision.author),
            note=one.revision.note,
            told=_told(earlier.cells if earlier else None, one.cells),
        )
        for one, earlier in zip(past, before, strict=True)
    )


def _told(was: Mapping[str, str] | None, now: Mapping[str, str] | None) -> tuple[str, ...]:
    if now is None:
        return ("删去此行",)
    if was is None:
        return ("有了此行",)
    edits = [
        f"{headers.chinese(name)}：{was.get(name) or '（空）'} → {cell or '（空）'}"
        for name, cell in now.items()
        if name != _UNSAID and was.get(name, "") != cell
    ]
    return tuple(edits) or ("内容未变",)
