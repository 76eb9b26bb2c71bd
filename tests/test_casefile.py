from datetime import date, timedelta
from typing import Any

import pytest

from dispatch_model.cases import Routing
from dispatch_model.labels import LabelMaps
from serving.cases.casefile import CaseFile
from serving.cases_wire import State

AT = "2026-05-03 01:00:00.000000"  # 09:00 in China
ASKED = {"operator": "A017", "actor": "intake-1", "request": "", "note": "", "at": AT}


def routing(answer: str = '{"suggestions":[]}', **changes: Any) -> dict[str, Any]:
    content = {"city": None, "address": None, "received_at": None, "came_at": AT}
    return {
        **content,
        "id": 1,
        "disposition": "suggest",
        "function": None,
        "answer": answer,
        "stored_at": AT,
        **changes,
    }


def decision(number: int, **changes: Any) -> dict[str, Any]:
    place = {"unit": "u1", "unit_name": "某局", "function": "城管", "level": "区", "region": "海口市/龙华区"}
    row = {"id": number, "action": "accept", "rank": 1, "category": "030703", "reason": "", "forced": 0}
    more = {"access_row": None, "access_list": "1", "return_id": None, "replaces": None}
    return {**row, **place, **more, **ASKED, **changes}


def returned(number: int, decision_id: int | None) -> dict[str, Any]:
    units = {"unit": "u1", "unit_name": "某局", "proposed_unit": None, "proposed_unit_name": ""}
    return {"id": number, "decision_id": decision_id, "reason": "属地不符", "clause": "", **units, **ASKED}


def reviewed(return_id: int, outcome: str) -> dict[str, Any]:
    return {"id": return_id + 100, "return_id": return_id, "outcome": outcome, **ASKED}


def case(*, decisions: Any = (), returns: Any = (), reviews: Any = (), **changes: Any) -> CaseFile:
    return CaseFile("1", [routing(**changes)], decisions, returns, reviews)


@pytest.mark.parametrize(
    ("given", "state"),
    [
        ({}, State.ROUTED),
        ({"disposition": "auto"}, State.DISPATCHED),
        ({"decisions": [decision(1)]}, State.DISPATCHED),
        ({"decisions": [decision(1)], "returns": [returned(1, 1)]}, State.RETURNED),
        ({"decisions": [decision(1)], "returns": [returned(1, 1)], "reviews": [reviewed(1, "rejected")]}, "dispatched"),
        ({"decisions": [decision(1)], "returns": [returned(1, 1)], "reviews": [reviewed(1, "upheld")]}, "redispatch"),
        (
            {
                "decisions": [decision(1), decision(2, return_id=1)],
                "returns": [returned(1, 1)],
                "reviews": [reviewed(1, "upheld")],
            },
            State.DISPATCHED,
        ),
        (
            {
                "decisions": [decision(1), decision(2, return_id=1)],
                "returns": [returned(1, 1), returned(2, 2)],
                "reviews": [reviewed(1, "upheld"), reviewed(2, "upheld")],
            },
            State.REDISPATCH,
        ),
    ],
)
def test_the_state_follows_from_what_happened(given: dict[str, Any], state: State) -> None:
    assert case(**given).state == state


def test_the_day_is_that_of_the_case_in_china() -> None:
    assert case().day == date(2026, 5, 3)
    assert case(came_at="2026-05-03 17:00:00.000000").day == date(2026, 5, 4)
    assert case(received_at="2026-01-01T23:30:00+00:00").day == date(2026, 1, 2)


def test_an_address_is_read_back() -> None:
    found = case(address='{"street": "金贸街道"}').address
    assert found is not None
    assert found.street == "金贸街道"


def test_the_history_does_not_trust_the_clock(maps: LabelMaps, answer: str) -> None:
    """Between the steps somebody put the clock back."""
    earlier = "2026-05-01 01:00:00.000000"
    file = case(
        answer=answer,
        decisions=[decision(1), decision(2, return_id=1, at=earlier)],
        returns=[{**returned(1, 1), "at": earlier}, returned(2, 2)],
        reviews=[reviewed(1, "upheld")],
    )
    view = file.view(maps)
    steps = [(step.event, step.id) for step in view.history]
    expected = [("dispatch", 1), ("decision", 1), ("return", 1), ("review", 101), ("redispatch", 2), ("return", 2)]
    assert steps == expected
    assert view.history[0].at.utcoffset() == timedelta(hours=8)
    assert view.decision == view.history[4]
    assert view.routing.replayed


def test_a_decision_that_came_back_holds_no_longer(maps: LabelMaps, answer: str) -> None:
    file = case(answer=answer, decisions=[decision(1)], returns=[returned(1, 1)], reviews=[reviewed(1, "upheld")])
    assert file.view(maps).decision is None


def test_a_return_of_an_automatic_dispatch_comes_first(maps: LabelMaps, answer: str) -> None:
    file = case(
        answer=answer,
        disposition="auto",
        decisions=[decision(1, return_id=1)],
        returns=[returned(1, None)],
        reviews=[reviewed(1, "upheld")],
    )
    assert [step.event for step in file.view(maps).history] == ["dispatch", "return", "review", "redispatch"]


@pytest.fixture
def answer(router: Any) -> str:
    from dispatch_model.cases import Case

    found: Routing = router.route([Case(case_id="1", transcript="路灯不亮")])[0]
    return found.model_dump_json(exclude={"timing_ms", "replayed"})
