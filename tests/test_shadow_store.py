from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from dispatch_model.bundle import BundleRef
from dispatch_model.cases import CHINA_TIME
from serving.bundles.shadow_store import Order, ShadowStore
from serving.cases import decisions, steps
from serving.cases.casefile import CaseFile
from serving.cases_wire import Override, Undo
from serving.guard.guard import LOCAL
from serving.routing import Router
from serving.store import moments
from serving.store.audit import verify
from serving.store.store import Store

LONG_AGO = datetime(2020, 1, 1, tzinfo=CHINA_TIME)


def row(case_id: str, **told: Any) -> dict[str, Any]:
    """What a second bundle answered; as the canned router unless told."""
    plain = {"disposition": "suggest", "category": "030703", "function": "城管", "level": "区", "unit": "u1"}
    parts = {"case_id": case_id, "bundle": "two+0", "probability": 0.8, "stored_at": moments.now()}
    return {**plain, **parts, **told}


def test_an_order_is_read_as_it_was_given_and_ended(store: Store) -> None:
    shadows = ShadowStore(store)
    assert shadows.order() is None
    since = datetime.now(CHINA_TIME)
    order = Order(BundleRef("two+0", Path("/bundles/two"), "2" * 64), 0.5, "admin", "试", since)
    shadows.write(order, actor="admin")
    assert shadows.order() == order
    shadows.write(None, actor="admin")
    assert shadows.order() is None
    shadows.write(order, actor="admin")
    assert shadows.order() == order
    with store.reading() as connection:
        report = verify(connection)
        told = connection.run("SELECT action, subject FROM audit_events ORDER BY id").fetchall()
    assert list(report.flaws) == []
    assert told == [("bundle", "two+0")] * 3


def test_answers_are_compared_by_function(store: Store, routed: Callable[..., None]) -> None:
    shadows = ShadowStore(store)
    for number in range(4):
        routed(str(number))
    routed("none", answer={"suggestions": ()})
    shadows.save([row("0"), row("1", level="镇街", unit=None), row("2", function="公安", disposition="consult")])
    shadows.save([row("none", function=None, category=None, level=None, unit=None), row("gone")])
    first, second = shadows.tally("two+0", LONG_AGO)
    assert {name: first[name] for name in ("name", "cases", "function", "level", "unit", "disposition")} == {
        "name": "城管",
        "cases": 3,
        "function": 2,
        "level": 2,
        "unit": 2,
        "disposition": 2,
    }
    assert (second["name"], second["cases"], second["function"], second["category"]) == ("", 1, 1, 1)
    assert shadows.changes("two+0", LONG_AGO) == [{"function": "城管", "shadow_function": "公安", "cases": 1}]


def test_the_last_answer_of_a_case_counts_once(store: Store, routed: Callable[..., None]) -> None:
    shadows = ShadowStore(store)
    routed("0")
    shadows.save([row("0", function="公安"), row("0")])
    (only,) = shadows.tally("two+0", LONG_AGO)
    assert (only["cases"], only["function"]) == (1, 1)
    assert shadows.changes("two+0", LONG_AGO) == []


def test_other_bundles_and_earlier_answers_do_not_count(store: Store, routed: Callable[..., None]) -> None:
    shadows = ShadowStore(store)
    routed("0")
    shadows.save([row("0", bundle="three+0"), row("0", bundle="bundle-1")])
    assert shadows.tally("two+0", LONG_AGO) == []
    assert shadows.tally("bundle-1", LONG_AGO) == [], "what answered itself is no comparison"
    shadows.save([row("0")])
    assert shadows.tally("two+0", datetime.now(CHINA_TIME) + timedelta(minutes=1)) == []


def test_what_operators_decided_tells_who_was_right(store: Store, ruled: Router, routed: Callable[..., None]) -> None:
    shadows = ShadowStore(store)
    for number in range(2):
        routed(str(number))
    unit = next(one for one in ruled.city.units.values() if one.function == "公安" and one.level == "市")
    wish = Override(action="override", unit=unit.name, reason_code="职能不符", note="属公安。")
    with store.reading() as connection:
        case = CaseFile.read(connection, "0")
    values = decisions.prepare(ruled, case, wish, LOCAL)
    store.write(lambda connection: decisions.write(connection, wish, values, LOCAL))
    shadows.save([row("0", function="公安"), row("1")])
    (found,) = shadows.tally("two+0", LONG_AGO)
    assert (found["decided"], found["right"], found["shadow_right"]) == (1, 0, 1)
    undo = Undo(action="undo", event="decision", id=1)
    store.write(lambda connection: steps.undo(connection, "0", undo, LOCAL))
    (found,) = shadows.tally("two+0", LONG_AGO)
    assert (found["decided"], found["right"], found["shadow_right"]) == (0, 0, 0)
