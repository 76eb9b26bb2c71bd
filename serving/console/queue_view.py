"""The queue in words: what the page shows for one operator and one choice of filters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import quote

from dispatch_model.cases import CHINA_TIME
from serving.cases_wire import State
from serving.console.board import MOST, Board
from serving.console.filters import Filters
from serving.console.templates import render
from serving.console.waiting import Waiting
from serving.guard import operators
from serving.store.store import Store
from serving.words import DISPOSITIONS, STATES

PAGE = 100  # lines shown at first, and added at each wish for more
TABS: tuple[tuple[State | None, str], ...] = (
    (None, "待处理"),
    (State.CONSULTING, STATES[State.CONSULTING]),
    (State.ASKED, STATES[State.ASKED]),
    (State.RETURNED, STATES[State.RETURNED]),
)
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class Line:
    """A case as a line of the table.

    :param path: of its page, below the mount, with the filters.
    :param due: its deadline in words; `tone` as the classes of console.css.
    :param about: category, kind and district.
    :param unit: the first suggestion's; of what was returned, who sent it back.
    :param percent: of the first suggestion; "" without one.
    :param holder: name of who works on it; "" when it is free.
    """

    case: Waiting
    path: str
    due: str
    tone: str
    about: str
    disposition: str
    unit: str
    percent: str
    holder: str
    mine: bool


@dataclass(frozen=True)
class QueueView:
    """Everything the page shows.

    :param tabs: how many wait under each of TABS.
    :param total: lines there are; `lines` holds at most as many as asked for.
    :param urgent: numbers of the urgent cases that a decision is due for.
    :param cut: more cases wait than the queue holds.
    """

    tabs: tuple[int, ...]
    overdue: int
    dispositions: tuple[tuple[str, int], ...]
    functions: tuple[str, ...]
    districts: tuple[str, ...]
    lines: tuple[Line, ...]
    total: int
    urgent: frozenset[str]
    cut: bool

    @property
    def more(self) -> int:
        """Lines that are not shown."""
        return self.total - len(self.lines)


class Drawn(NamedTuple):
    """A view with the parts of it that are HTML: its counts and its lines."""

    view: QueueView
    head: str
    table: str


def look(board: Board, store: Store, filters: Filters, me: str, shown: int = PAGE) -> Drawn:
    """The queue as it is now. Blocks: call it from a worker thread.

    :param me: login of who looks.
    :raises DispatchError: STORE_UNAVAILABLE.
    """
    board.refresh()
    with store.reading() as connection:
        names = {operator.login: operator.name for operator in operators.all_(connection)}
    return drawn(queue_view(board, filters, names, me, datetime.now(UTC), shown))


def drawn(view: QueueView) -> Drawn:
    """`view` with its HTML."""
    return Drawn(view, render("queue_head.html.j2", view=view), render("queue.html.j2", view=view, most=MOST))


def queue_view(
    board: Board, filters: Filters, names: Mapping[str, str], me: str, now: datetime, shown: int = PAGE
) -> QueueView:
    """What the board holds, for one operator.

    :param names: of operators by login.
    """
    rows, counts = board.rows(filters), board.counts()
    return QueueView(
        tabs=tuple(counts[state or "all"] for state, _ in TABS),
        overdue=counts["overdue"],
        dispositions=tuple((word, counts[name]) for name, word in DISPOSITIONS.items() if counts[name]),
        functions=tuple(board.functions()),
        districts=tuple(board.districts()),
        lines=tuple(_line(one, filters.query, names, me, now) for one in rows[:shown]),
        total=len(rows),
        urgent=frozenset(one.case_id for one in board.rows() if one.urgent),
        cut=board.cut,
    )


def due_words(due_at: datetime | None, now: datetime) -> tuple[str, str]:
    """A deadline as seen from `now`, and its tone."""
    if due_at is None:
        return "无时限", ""
    at, today = due_at.astimezone(CHINA_TIME), now.astimezone(CHINA_TIME).date()
    late, days = now - due_at, (at.date() - today).days
    if late > timedelta(0):
        told = f"{late // _DAY} 天" if late >= _DAY else f"{late // _HOUR} 小时" if late >= _HOUR else "不足 1 小时"
        return f"已超期 {told}", "bad"
    if days == 0:
        return f"今天 {at:%H:%M} 到期", "warn"
    if days == 1:
        return f"明天 {at:%H:%M} 到期", "warn"
    return f"{at.month}月{at.day}日（{days} 天后）", ""


def _line(one: Waiting, query: str, names: Mapping[str, str], me: str, now: datetime) -> Line:
    due, tone = due_words(one.due_at, now)
    holder = one.claim.operator if one.claim else ""
    return Line(
        case=one,
        path=case_path(one.case_id, query),
        due=due,
        tone=tone,
        about=_joined([one.category_name, one.kind, one.district]),
        disposition=DISPOSITIONS.get(one.disposition, one.disposition),
        unit=f"{one.holder} 退回" if one.holder else one.unit or "无建议",
        percent=f"{one.probability:.0%}" if one.category else "",
        holder=names.get(holder, holder),
        mine=holder == me,
    )


def case_path(case_id: str, query: str) -> str:
    """Where the page of a case is, below the mount; the queue it was opened from goes with it."""
    path = f"/case/{quote(case_id, safe='')}"
    return f"{path}?{query}" if query else path


def _joined(parts: Sequence[str]) -> str:
    return " · ".join(part for part in parts if part)
