"""A case that waits for somebody, as a line of the queue."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dispatch_model import transcript
from dispatch_model.cases import Disposition, Routing, Suggestion
from dispatch_model.labels import LEVELS, LabelMaps
from serving.cases.casefile import CaseFile
from serving.cases.claims import Claim
from serving.cases_wire import State
from serving.store import moments

SUMMARY = 60  # characters
DUE_STATES = (State.ROUTED, State.REDISPATCH)  # those a decision is due for, with nobody asked meanwhile
STATES = (*DUE_STATES, State.CONSULTING, State.ASKED, State.RETURNED)
Rank = tuple[bool, bool, float, float, datetime, str]
# How an answer names the place it found, see `dispatch_model.explain`: "地点：龙华区金贸街道（…".
_FOUND_IN = re.compile("地点：([^街镇乡（]{1,8}?[区县旗])")
_READ = 4000  # characters of a long call that the summary is looked for in


@dataclass(frozen=True)
class Waiting:
    """A case that waits.

    :param disposition: as on the wire: suggest, consult, ask, decline, emergency, merge, auto.
    :param summary: beginning of what was said, one line of at most 60 characters.
    :param category: code of the first suggestion; "" without one, as are `category_name`, `function` to `unit`.
    :param holder: name of the unit that a returned case was sent to; else "".
    :param district: name of the region one below the city that it concerns; "" when not known.
    :param margin: first probability less the second.
    :param came_at: when it was stored, in China time.
    :param repeats: how many cases it seems to repeat.
    """

    case_id: str
    state: State
    disposition: str
    summary: str
    category: str
    category_name: str
    kind: str
    function: str
    level: str
    unit: str
    holder: str
    district: str
    probability: float
    margin: float
    due_at: datetime | None
    came_at: datetime
    repeats: int
    urgent: bool
    claim: Claim | None = None

    @classmethod
    def of(cls, case: CaseFile, maps: LabelMaps) -> "Waiting | None":
        """The line of `case`; None when it waits for nobody."""
        state = case.state
        if state not in STATES:
            return None
        routing = case.routing
        first, second = _first_two(routing.suggestions)
        code = first.category.code if first else ""
        probability = first.probability if first else 0.0
        return cls(
            case_id=case.case_id,
            state=state,
            disposition=routing.disposition.value,
            summary=summary(routing.transcript),
            category=code,
            category_name=maps.path(code)[-1] if code in maps.categories else "",
            kind=routing.kind,
            function=first.unit.function if first else "",
            level=first.unit.level if first else "",
            unit=first.unit.name if first else "",
            holder=case.unit[1] if state in (State.RETURNED, State.REDISPATCH) else "",
            district=_district(routing, case),
            probability=probability,
            margin=probability - (second.probability if second else 0.0),
            due_at=first.due_at if first else None,
            came_at=moments.read(case.routings[0]["came_at"]),
            repeats=len(routing.repeat_of),
            urgent=routing.disposition == Disposition.EMERGENCY,
        )

    def overdue(self, now: datetime) -> bool:
        """Whether the deadline of the first suggestion has passed."""
        return self.due_at is not None and self.due_at < now

    def rank(self, now: datetime) -> Rank:
        """What the queue is sorted by: danger, what is overdue, day of the deadline, doubt, arrival."""
        day = self.due_at.date().toordinal() if self.due_at else float("inf")
        return (not self.urgent, not self.overdue(now), day, self.margin, self.came_at, self.case_id)


def summary(said: str) -> str:
    """The beginning of what matters in a transcript; of a call without greetings."""
    turns = transcript.parse(said[:_READ])
    text = transcript.model_text(turns) if turns else ""
    return text if len(text) <= SUMMARY else f"{text[: SUMMARY - 1]}…"


def _first_two(suggestions: Sequence[Suggestion]) -> tuple[Suggestion | None, Suggestion | None]:
    first, second, *_ = (*suggestions, None, None)
    return first, second


def _district(routing: Routing, case: CaseFile) -> str:
    """That of the likeliest suggestion which lies in one; else where the place was found, or the case said it is."""
    for one in routing.suggestions:
        names = one.unit.region.split("/")
        if len(names) > 1 and one.unit.level != LEVELS[0]:
            return names[1]
    told = (reason.text for one in routing.suggestions for reason in one.reasons if reason.source == "place")
    if found := next(filter(None, map(_FOUND_IN.match, told)), None):
        return found[1]
    address = case.address
    return (address.district or "") if address else ""
