from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from serving.console.returned import Returned, returned
from serving.store import moments
from serving.store.schema import return_reviews, returns
from serving.store.store import Store
from tests.test_console_ledger import decide

WEEK = timedelta(days=7)
BY = {"operator": "li", "actor": "console:li", "request": ""}


def send_back(store: Store, case_id: str, outcome: str = "", **told: Any) -> None:
    """A row of `returns`, and one of `return_reviews` where there is an outcome."""
    row = {"case_id": case_id, "unit_name": "龙华区城市管理局", "reason": "属地不符", **BY, "at": moments.now(), **told}
    number = store.write(lambda connection: connection.add(returns, row))
    if outcome:
        review = {"return_id": number, "outcome": outcome, **BY, "at": moments.now()}
        store.write(lambda connection: connection.add(return_reviews, review))


def test_returns_are_counted_by_reason_and_by_the_function_that_had_the_case(
    store: Store, routed: Callable[..., None]
) -> None:
    for number in range(4):
        routed(str(number))
    send_back(store, "0", "upheld", decision_id=decide(store, "0", function="公安"))
    send_back(store, "1", "rejected", decision_id=decide(store, "1"))
    send_back(store, "2")
    send_back(store, "3", "upheld", reason="职能不符")
    found = returned(store, datetime.now(UTC) - WEEK)
    assert found.total == Returned("", 4, 2, 1)
    assert found.total.waiting == 1
    assert list(found.reasons) == [Returned("属地不符", 3, 1, 1), Returned("职能不符", 1, 1, 0)]
    assert list(found.functions) == [Returned("城管", 3, 1, 1), Returned("公安", 1, 1, 0)]


def test_only_the_period_counts(store: Store, routed: Callable[..., None]) -> None:
    routed("0")
    send_back(store, "0", at=moments.stored(datetime.now(UTC) - 2 * WEEK))
    assert returned(store, datetime.now(UTC) - WEEK).total == Returned("", 0, 0, 0)
