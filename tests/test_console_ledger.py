from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from serving.bundles.shadow_store import ShadowStore
from serving.console.ledger import KEPT, Ledger
from serving.store import moments
from serving.store.connection import Connection
from serving.store.schema import decisions, desk_steps
from serving.store.store import Store

DAY = timedelta(days=1)


def ago(span: timedelta) -> str:
    """A moment in the past, as the store keeps it."""
    return moments.stored(datetime.now(UTC) - span)


def decide(store: Store, case_id: str, **told: Any) -> int:
    """A row of `decisions`, the first suggestion accepted unless told otherwise; returns its number."""
    row: dict[str, Any] = {
        "action": "accept",
        "rank": 1,
        "unit_name": "龙华区城市管理局",
        "function": "城管",
        "level": "区",
        "region": "海口市/龙华区",
        "category": "030703",
        "forced": False,
        "access_list": "list-1",
        "operator": "li",
        "actor": "console:li",
        "request": "",
        "at": moments.now(),
        **told,
    }

    def add(connection: Connection) -> int:
        query = "SELECT max(id) FROM routings WHERE case_id = '" + case_id + "'"
        ((routing,),) = connection.run(query).fetchall()
        return connection.add(decisions, {"case_id": case_id, "routing_id": routing, **row})

    return store.write(add)


def undo(store: Store, case_id: str, decision: int) -> None:
    """A row of `desk_steps` that takes a decision back."""
    row = {
        "case_id": case_id,
        "action": "undo",
        "supervisor": False,
        "undoes_table": "decisions",
        "undoes_id": decision,
        "operator": "li",
        "actor": "console:li",
        "request": "",
        "at": moments.now(),
    }
    store.write(lambda connection: connection.add(desk_steps, row))


def test_a_decision_is_read_with_what_was_suggested(store: Store, routed: Callable[..., None]) -> None:
    routed("1")
    decide(store, "1", operator="wang")
    facts = Ledger(store).facts()
    (row,) = facts.decided
    assert row["probability"] == np.float32(0.9)
    labels = {name: facts.words[row[name]] for name in ("suggested", "decided", "operator", "bundle")}
    assert labels == {"suggested": "城管", "decided": "城管", "operator": "wang", "bundle": "bundle-1"}
    assert 0 <= row["at"] - row["came_at"] < 60


def test_what_comes_later_is_taken_in(store: Store, routed: Callable[..., None]) -> None:
    ledger = Ledger(store)
    assert not ledger.warm
    assert len(ledger.facts().decided) == 0
    assert ledger.warm
    for name in ("1", "2"):
        routed(name)
        decide(store, name)
        assert list(ledger.facts().decided["id"])[-1:] == [int(name)]
    assert len(ledger.facts().decided) == 2


def test_what_was_taken_back_or_corrected_does_not_stand(store: Store, routed: Callable[..., None]) -> None:
    ledger = Ledger(store)
    routed("1")
    first = decide(store, "1")
    correction = decide(store, "1", action="override", rank=None, replaces=first)
    assert list(ledger.facts().standing) == [False, True]
    undo(store, "1", correction)
    assert list(ledger.facts().standing) == [True, False], "an undone correction leaves what it corrected"


def test_what_is_too_old_is_left_out(store: Store, routed: Callable[..., None]) -> None:
    routed("1")
    decide(store, "1", at=ago(KEPT + DAY))
    young = decide(store, "1", at=ago(KEPT - DAY))
    assert list(Ledger(store).facts().decided["id"]) == [young]


def test_an_answer_without_a_suggestion_has_no_probability(store: Store, routed: Callable[..., None]) -> None:
    routed("1", answer={"suggestions": (), "disposition_reason": '"probability":0.7'})
    decide(store, "1", action="override", rank=None)
    facts = Ledger(store).facts()
    assert np.isnan(facts.decided["probability"][0])
    assert facts.words[facts.decided["suggested"][0]] == ""


def test_the_shadow_is_read_with_what_was_answered(store: Store, routed: Callable[..., None]) -> None:
    routed("1")
    row = {"case_id": "1", "bundle": "two+0", "disposition": "consult", "category": None, "level": "区", "unit": None}
    ShadowStore(store).save([{**row, "function": "公安", "probability": 0.5, "stored_at": moments.now()}])
    facts = Ledger(store).facts()
    (told,) = facts.shadowed
    assert [facts.words[told[name]] for name in ("function", "live_function")] == ["公安", "城管"]
    assert [facts.words[told[name]] for name in ("category", "live_category")] == ["", "030703"]
    assert facts.number("公安") == told["function"]
    assert facts.number("无此职能") == -1
