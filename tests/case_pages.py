"""Pages of invented cases, without a store."""

from dataclasses import replace
from datetime import date, datetime
from typing import Any

from dispatch_model.cases import CHINA_TIME, Case, Suggestion, UnitRef
from serving.cases_wire import State
from serving.console.case_view import CasePage
from serving.console.similar import RepeatCase
from serving.console.suggestion_view import answer_of
from serving.console.transcript_view import spoken_turns
from tests.canned import SUGGESTION, CannedRouter

NOW = datetime(2026, 5, 4, 9, tzinfo=CHINA_TIME)
DUE: Any = frozenset({"accept", "override", "consult", "ask", "merge"})


def suggested(*codes: str) -> tuple[Suggestion, ...]:
    """Suggestions of units with these codes, in that order; "" for one that the directory does not have."""
    units = [UnitRef(**{**SUGGESTION.unit.model_dump(), "code": code}) for code in codes]
    return tuple(SUGGESTION.model_copy(update={"rank": rank, "unit": unit}) for rank, unit in enumerate(units, 1))


def page(*codes: str, missing: tuple[str, ...] = (), **changed: Any) -> CasePage:
    """A case that waits for a decision.

    :param codes: of the units suggested; `u1` unless told.
    :param changed: fields of the page.
    """
    routing = CannedRouter().route([Case(case_id="1", transcript="路灯不亮")])[0]
    routing = routing.model_copy(update={"suggestions": suggested(*(codes or ("u1",))), "missing": missing})
    plain: dict[str, Any] = {"address": "", "place": "", "path": (), "day": date(2026, 5, 4), "city": None}
    plain |= {"own_city": True, "erased": False, "summary": "路灯不亮", "history": (), "similar": (), "repeats": ()}
    plain |= {"decision": None, "objection": None, "replaces": None, "merged_into": None}
    whole = CasePage(
        case_id="1",
        state=State.ROUTED,
        state_name="待决定",
        actions=DUE,
        received_at=NOW,
        came="2026-05-04 09:00",
        turns=spoken_turns(routing),
        answer=answer_of(routing, NOW),
        routing=routing,
        **plain,
    )
    return replace(whole, **changed)


def repeat(case_id: str, *, mergeable: bool = True) -> RepeatCase:
    """An earlier case of the same caller."""
    return RepeatCase(case_id, "路灯还不亮", "路灯所", State.DISPATCHED, "已派单", NOW, mergeable)
