"""The answer as the case page shows it: suggestions as cards, each with the grounds that speak for it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from dispatch_model.calendar import PUBLIC, Calendar
from dispatch_model.cases import Disposition, Reason, Routing, Suggestion
from serving.console.due import Due
from serving.words import DISPOSITIONS, SOURCES

RULES = "/console/rules"
_TONES = {
    Disposition.EMERGENCY: "bad",
    Disposition.AUTO: "good",
    Disposition.CONSULT: "warn",
    Disposition.ASK: "warn",
    Disposition.DECLINE: "warn",
    Disposition.MERGE: "warn",
}


@dataclass(frozen=True)
class Ground:
    """One reason.

    :param source: as on the wire: model, access_list, catalogue, place, trigger or repeat.
    :param name: the word for it: 模型, 准入清单 …
    :param row: id of the rule's row; "" when no rule speaks.
    :param link: path of the page that shows the row; "" likewise.
    """

    source: str
    name: str
    text: str
    row: str = ""
    link: str = ""


@dataclass(frozen=True)
class Card:
    """A suggestion.

    :param code: of the unit; "" when the directory has none, and then `blocked` says why it cannot be accepted.
    :param region: full name, like 海口市/龙华区.
    :param probability: 0–1; `percent` as shown, such as "87%".
    :param category: code; `path` its names from the widest.
    :param grounds: in the order they were found: model, place, access list, catalogue.
    """

    rank: int
    code: str
    unit: str
    function: str
    level: str
    region: str
    probability: float
    percent: str
    category: str
    path: tuple[str, ...]
    kind: str
    co_handlers: tuple[str, ...]
    due: Due | None
    grounds: tuple[Ground, ...]
    blocked: str = ""


@dataclass(frozen=True)
class Answer:
    """What was suggested.

    :param disposition: as on the wire; `title` the word for it; `reason` why.
    :param tone: "bad" for an emergency, "warn" where the usual way does not do, "good" for auto, "" else.
    :param missing: what is still to be asked.
    :param grounds: of the whole case: triggers, repeats, duty against practice.
    """

    disposition: str
    title: str
    tone: str
    reason: str
    kind: str
    missing: tuple[str, ...]
    cards: tuple[Card, ...]
    grounds: tuple[Ground, ...]


def answer_of(routing: Routing, now: datetime, *, own_city: bool = True, calendar: Calendar = PUBLIC) -> Answer:
    """The cards of an answer, deadlines as seen from `now`.

    :param own_city: whether the case is of the city whose directory this is; only there a unit must have a code.
    """
    return Answer(
        disposition=routing.disposition.value,
        title=DISPOSITIONS[routing.disposition],
        tone=_TONES.get(routing.disposition, ""),
        reason=routing.disposition_reason,
        kind=routing.kind,
        missing=routing.missing,
        cards=tuple(_card(one, now, own_city, calendar) for one in routing.suggestions),
        grounds=_grounds(routing.reasons),
    )


def percent(probability: float) -> str:
    """0.874 → 87%; neither 0% nor 100% is ever claimed."""
    shown = f"{probability:.0%}"
    return {"0%": "<1%", "100%": ">99%"}.get(shown, shown)


def row_link(row: str) -> str:
    """The place that shows a row of the rules."""
    return f"{RULES}?row={quote(row, safe='')}" if row else ""


def _card(one: Suggestion, now: datetime, own_city: bool, calendar: Calendar) -> Card:
    unit = one.unit
    homeless = "单位目录中没有对应单位，不能直接采纳；请搜索单位改派" if own_city and not unit.code else ""
    return Card(
        rank=one.rank,
        code=unit.code,
        unit=unit.name,
        function=unit.function,
        level=unit.level,
        region=unit.region,
        probability=one.probability,
        percent=percent(one.probability),
        category=one.category.code,
        path=one.category.path,
        kind=one.kind,
        co_handlers=one.co_handlers,
        due=Due.of(one.due_at, now, calendar) if one.due_at else None,
        grounds=_grounds(one.reasons),
        blocked=homeless,
    )


def _grounds(reasons: Iterable[Reason]) -> tuple[Ground, ...]:
    return tuple(
        Ground(one.source, SOURCES[one.source], one.text, one.rule_id or "", row_link(one.rule_id or ""))
        for one in reasons
        if one.text  # erased
    )
