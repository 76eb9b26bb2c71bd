from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from dispatch_model.cases import Case
from dispatch_model.errors import DispatchError, ErrorKind
from serving.cases_wire import State
from serving.masking import mask
from serving.open311.query import SPAN, RequestQuery, find
from serving.open311.view import Dossier
from serving.routing import Router
from serving.store import moments
from serving.store.record import Content, Record
from serving.store.schema import cases, decisions, desk_steps, return_reviews, returns, routings
from serving.store.store import Store

NOW = datetime(2026, 6, 1, tzinfo=UTC)
DECISION = {
    "routing_id": 1,
    "action": "override",
    "unit_name": "示例局",
    "function": "城管",
    "level": "区",
    "region": "海口市",
    "category": "030501",
    "forced": False,
    "access_list": "list-1",
    "operator": "A017",
    "actor": "desk",
    "request": "r",
}
RETURN = {
    "unit_name": "示例局",
    "reason": "职能不符",
    "proposed_unit_name": "",
    "operator": "B203",
    "actor": "desk",
    "request": "r",
}


def put(store: Store, router: Router, **received: str | None) -> None:
    """One case per name, received then; None: it did not say."""
    for name, moment in received.items():
        case = Case.model_validate({"case_id": name, "transcript": "路灯不亮", "received_at": moment})
        store.save([Record.of(Content.of(case, mask, store.seal), router.route([case])[0])])


def ids(found: Sequence[Dossier]) -> list[str]:
    return sorted(dossier.case_id for dossier in found)


def asked(store: Store, *, now: datetime | None = NOW, **query: Any) -> list[Dossier]:
    with store.reading() as connection:
        return find(connection, RequestQuery.model_validate(query), now)


def step(store: Store, table: Any, **values: Any) -> int:
    return store.write(lambda connection: connection.add(table, values))


def test_the_last_90_days_are_meant_unless_told(store: Store, router: Router) -> None:
    put(store, router, today="2026-05-31", old="2026-03-10", older="2026-02-01", later="2026-06-30")
    assert ids(asked(store)) == ["old", "today"]
    assert ids(asked(store, start_date="2026-02-01T00:00:00+08:00")) == ["old", "older"]
    assert ids(asked(store, end_date="2026-03-01T00:00:00Z")) == ["older"]
    assert ids(asked(store, start_date="2026-05-31T00:00:00+08:00", end_date="2026-06-30T00:00:00+08:00")) == [
        "later",
        "today",
    ]


def test_a_case_without_a_time_counts_as_of_when_it_was_stored(store: Store, router: Router) -> None:
    put(store, router, silent=None)
    assert ids(asked(store, now=datetime.now(UTC) + timedelta(minutes=1))) == ["silent"]
    assert asked(store, now=datetime.now(UTC) - timedelta(minutes=1)) == []


def test_times_of_other_zones_are_the_same_moment(store: Store, router: Router) -> None:
    put(store, router, one="2026-05-31T23:30:00Z")
    start, end = "2026-06-01T07:30:00+08:00", "2026-05-31T23:30:00Z"
    assert ids(asked(store, start_date=start, end_date=end)) == ["one"]
    assert asked(store, start_date="2026-06-01T07:31:00+08:00") == []


def test_cases_are_asked_for_by_number_whatever_their_date(store: Store, router: Router) -> None:
    put(store, router, a="2026-05-31", b="2001-01-01", c="2026-05-31")
    assert ids(asked(store, service_request_id="b, a,nobody")) == ["a", "b"]
    assert ids(asked(store, service_request_id=["a", "c"], start_date="2001-01-01")) == ["a", "c"]
    with store.reading() as connection:
        assert ids(find(connection, RequestQuery.of("a,b"))) == []


def test_a_class_is_asked_for_by_code_or_its_beginning(store: Store, router: Router) -> None:
    put(store, router, stall="2026-05-31", lamp="2026-05-31")
    store.write(lambda connection: connection.execute(routings.update().values(category="030703")).rowcount)
    step(store, decisions, case_id="lamp", at=moments.stored(NOW), **DECISION)
    assert ids(asked(store, service_code="030703")) == ["stall"]
    assert ids(asked(store, service_code="030501")) == ["lamp"]
    assert ids(asked(store, service_code="03")) == ["lamp", "stall"]
    assert ids(asked(store, service_code="08,0307")) == ["stall"]
    assert asked(store, service_code="%") == []


def test_what_is_with_a_unit_is_never_closed(store: Store, router: Router) -> None:
    put(store, router, a="2026-05-31")
    assert asked(store, status="closed") == []
    assert ids(asked(store, status="closed,open")) == ids(asked(store, status="open")) == ["a"]


def test_pages_follow_one_another_newest_first(store: Store, router: Router) -> None:
    put(store, router, **{f"n{number}": "2026-05-31" for number in range(5)})
    pages = [[dossier.case_id for dossier in asked(store, page_size="2", page=str(page))] for page in (1, 2, 3, 4)]
    assert pages == [["n4", "n3"], ["n2", "n1"], ["n0"], []]


def test_what_happened_since_is_told(store: Store, router: Router) -> None:
    put(store, router, a="2026-05-31")
    assert asked(store)[0].state is State.ROUTED
    later = moments.stored(datetime.now(UTC) + timedelta(hours=1))
    one = step(store, decisions, case_id="a", at=later, **DECISION)
    (dossier,) = asked(store)
    assert (dossier.state, dossier.unit, dossier.category) == (State.DISPATCHED, "示例局", "030501")
    assert dossier.updated_at == moments.read(later)
    back = step(store, returns, case_id="a", decision_id=one, at=later, **RETURN)
    assert asked(store)[0].state is State.RETURNED
    step(store, return_reviews, return_id=back, outcome="upheld", operator="S", actor="s", request="r", at=later)
    assert asked(store)[0].state is State.REDISPATCH
    step(store, decisions, case_id="a", at=later, return_id=back, **{**DECISION, "unit_name": "另一局"})
    (dossier,) = asked(store)
    assert (dossier.state, dossier.unit) == (State.DISPATCHED, "另一局")


def test_a_rejected_return_leaves_the_case_where_it_was(store: Store, router: Router) -> None:
    put(store, router, a="2026-05-31")
    one = step(store, decisions, case_id="a", at=moments.now(), **DECISION)
    back = step(store, returns, case_id="a", decision_id=one, at=moments.now(), **RETURN)
    values = {"outcome": "rejected", "operator": "S", "actor": "s", "request": "r", "at": moments.now()}
    step(store, return_reviews, return_id=back, **values)
    assert asked(store)[0].state is State.DISPATCHED


def test_a_case_dispatched_automatically_is_dispatched(store: Store, router: Router) -> None:
    put(store, router, a="2026-05-31")
    store.write(lambda connection: connection.execute(routings.update().values(disposition="auto")).rowcount)
    assert asked(store)[0].state is State.DISPATCHED
    assert store.write(lambda connection: connection.execute(cases.select()).fetchall())


STEP = {"supervisor": False, "operator": "A017", "actor": "desk", "request": "r", "at": moments.stored(NOW)}


def test_what_was_undone_does_not_count(store: Store, router: Router) -> None:
    put(store, router, a="2026-05-31")
    one = step(store, decisions, case_id="a", at=moments.stored(NOW), **DECISION)
    undo = {"action": "undo", "undoes_table": "decisions", "undoes_id": one, "decision_id": one}
    later = moments.stored(datetime.now(UTC) + timedelta(hours=1))
    step(store, desk_steps, case_id="a", **{**STEP, **undo, "at": later})
    (dossier,) = asked(store)
    assert (dossier.state, dossier.unit, dossier.category) == (State.ROUTED, None, None)
    assert dossier.updated_at == moments.read(later)
    assert asked(store, service_code="030501") == []


def test_steps_are_told(store: Store, router: Router) -> None:
    put(store, router, a="2026-05-31")
    step(store, desk_steps, case_id="a", action="consult", **STEP)
    assert asked(store)[0].state is State.CONSULTING
    number = step(store, desk_steps, case_id="a", action="ask", **STEP)
    assert asked(store)[0].state is State.ASKED
    step(store, desk_steps, case_id="a", action="undo", undoes_table="desk_steps", undoes_id=number, **STEP)
    assert asked(store)[0].state is State.CONSULTING
    one = step(store, decisions, case_id="a", at=moments.stored(NOW), **DECISION)
    assert asked(store)[0].state is State.DISPATCHED
    back = step(store, returns, case_id="a", decision_id=one, at=moments.stored(NOW), **RETURN)
    review = {"outcome": "upheld", "operator": "S", "actor": "s", "request": "r", "at": moments.stored(NOW)}
    step(store, return_reviews, return_id=back, **review)
    assert asked(store)[0].state is State.REDISPATCH
    step(store, desk_steps, case_id="a", action="ask", return_id=back, decision_id=one, **STEP)
    assert asked(store)[0].state is State.ASKED


def test_what_was_merged_is_closed(store: Store, router: Router) -> None:
    put(store, router, a="2026-05-31", b="2026-05-31")
    number = step(store, desk_steps, case_id="a", action="merge", merged_into="b", **STEP)
    (dossier,) = asked(store, status="closed")
    assert (dossier.case_id, dossier.state, dossier.merged_into) == ("a", State.MERGED, "b")
    assert ids(asked(store, status="open")) == ["b"]
    assert ids(asked(store)) == ["a", "b"]
    step(store, desk_steps, case_id="a", action="undo", undoes_table="desk_steps", undoes_id=number, **STEP)
    assert asked(store, status="closed") == []


@pytest.mark.parametrize(
    "query",
    [
        {"start_date": "2026-01-01T00:00:00Z", "end_date": "2026-05-01T00:00:00Z"},
        {"start_date": "2026-05-02T00:00:00Z", "end_date": "2026-05-01T00:00:00Z"},
    ],
)
def test_a_span_that_is_none_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(DispatchError) as refused:
        RequestQuery.model_validate(query).span(NOW)
    assert refused.value.kind is ErrorKind.INVALID_PARAMETER


def test_empty_parameters_are_as_none_and_an_unescaped_plus_is_understood() -> None:
    names = ("service_request_id", "service_code", "start_date", "end_date", "status", "page", "page_size")
    assert RequestQuery.model_validate(dict.fromkeys(names, "")) == RequestQuery()
    found = RequestQuery.model_validate({"start_date": "2026-05-01T00:00:00 08:00", "jurisdiction_id": "x"})
    assert found.span(NOW) == (datetime(2026, 4, 30, 16, tzinfo=UTC), datetime(2026, 4, 30, 16, tzinfo=UTC) + SPAN)


@pytest.mark.parametrize(
    "query", [{"start_date": "昨天"}, {"end_date": "0001-01-01T00:00:00Z"}, {"page": "0"}, {"page_size": "1001"}]
)
def test_wrong_parameters_are_refused(query: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        RequestQuery.model_validate(query)
