from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from serving.console.ledger import DECIDED, SHADOWED, Facts
from serving.console.quality import Bin, Desk, Flow, quality, wilson

NOW = datetime(2026, 5, 4, 8, tzinfo=UTC)
HOUR = 3600.0
WORDS = ("", "城管", "公安", "live", "li", "wang", "old")
CITY, POLICE, LIVE, LI, WANG, OLD = range(1, 7)


def facts(rows: Iterable[dict[str, Any]], undone: Iterable[int] = ()) -> Facts:
    """Decisions an hour ago, the first suggestion of 城管 accepted unless told otherwise."""
    table = []
    for number, told in enumerate(rows, start=1):
        plain = {
            "id": number,
            "routing": number,
            "at": NOW.timestamp() - HOUR,
            "came_at": NOW.timestamp() - 2 * HOUR,
            "rank": 1,
            "again": False,
            "replaces": 0,
            "suggested": CITY,
            "decided": CITY,
            "operator": LI,
            "bundle": LIVE,
            "probability": 0.85,
        }
        table.append(tuple({**plain, **told}.values()))
    return Facts(np.array(table, DECIDED), np.array(list(undone), np.int64), np.empty(0, SHADOWED), WORDS)


def override(decided: int = POLICE, **told: Any) -> dict[str, Any]:
    """A decision for another function than 城管."""
    return {"rank": 0, "decided": decided, **told}


def test_acceptance_is_told_by_the_function_suggested() -> None:
    rows = [{}, {"rank": 2}, {"rank": 3}, override(), {"suggested": POLICE}]
    found = quality(facts(rows), 7, "live", now=NOW)
    assert [(one.function, one.cases, one.first, one.third, one.overridden) for one in found.functions] == [
        ("城管", 4, 1, 3, 1),
        ("公安", 1, 1, 1, 0),
    ]
    assert (found.total.cases, found.total.first, found.total.third) == (5, 2, 4)


def test_what_was_taken_back_counts_nowhere() -> None:
    found = quality(facts([{}, override()], undone=[2]), 7, "live", now=NOW)
    assert (found.total.cases, found.total.first, list(found.flows)) == (1, 1, [])
    assert found.calibration.cases == 1
    assert [(desk.cases, desk.overridden, desk.undone) for desk in found.desks] == [(1, 0, 1)]


def test_a_correction_counts_in_place_of_what_it_corrects() -> None:
    rows = [{"routing": 1}, override(routing=1, replaces=1)]
    found = quality(facts(rows), 7, "live", now=NOW)
    assert (found.total.cases, found.total.overridden) == (1, 1)
    assert quality(facts(rows, undone=[2]), 7, "live", now=NOW).total.first == 1


def test_only_the_period_counts() -> None:
    old = NOW.timestamp() - timedelta(days=8).total_seconds()
    rows = [{}, {"at": old}, {"at": NOW.timestamp() + 60}]
    assert [quality(facts(rows), days, "live", now=NOW).total.cases for days in (7, 30)] == [1, 2]


def test_after_an_upheld_return_it_is_work_but_no_verdict() -> None:
    found = quality(facts([override(again=True)]), 7, "live", now=NOW)
    assert (found.total.cases, list(found.functions), list(found.flows)) == (0, [], [])
    assert [desk.cases for desk in found.desks] == [1]


def test_a_case_without_a_suggestion_is_told_apart() -> None:
    found = quality(facts([override(suggested=0, probability=np.nan), {}]), 7, "live", now=NOW)
    assert (found.unsuggested, found.total.cases, found.calibration.cases) == (1, 1, 1)


def test_overrides_flow_from_the_suggested_to_the_decided() -> None:
    rows = [override(), override(), override(CITY), {}, override(CITY, suggested=POLICE)]
    found = quality(facts(rows), 7, "live", now=NOW)
    assert list(found.flows) == [Flow("城管", "公安", 2), Flow("公安", "城管", 1), Flow("城管", "城管", 1)]


def test_calibration_is_of_the_live_model_in_bins_of_its_probability() -> None:
    rows = [{}, {}, override(), {"probability": 1.0}, {"probability": 0.05, "rank": 2}, {"bundle": OLD}]
    found = quality(facts(rows), 7, "live", now=NOW).calibration
    assert (found.bundle, found.cases) == ("live", 5)
    assert [(one.low, one.high, one.cases, one.accepted) for one in found.bins] == [
        (0.0, 0.1, 1, 0),
        (0.8, 0.9, 3, 2),
        (0.9, 1.0, 1, 1),
    ]
    middle = found.bins[1]
    assert middle.probability == pytest.approx(0.85)
    assert middle.least < middle.share < middle.most
    assert found.error == pytest.approx((0.05 + 3 * (0.85 - 2 / 3) + 0.0) / 5)


def test_a_model_that_answered_nothing_has_no_calibration() -> None:
    found = quality(facts([{}]), 7, "never seen", now=NOW).calibration
    assert (found.cases, list(found.bins), found.error) == (0, [], 0.0)


def test_the_interval_is_that_of_wilson() -> None:
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert wilson(0, 5)[0] == pytest.approx(0)
    assert wilson(5, 5)[1] == pytest.approx(1)


def test_operators_are_told_by_work_and_time() -> None:
    start = NOW.timestamp() - 5 * HOUR
    rows = [{"at": start + told, "came_at": start - 60} for told in (0, 20, 50, 50 + 2 * HOUR)]
    found = quality(facts([*rows, override(operator=WANG)]), 7, "live", now=NOW)
    li, wang = found.desks
    assert li == Desk("li", 4, 4, 0, 0, waited=95.0, stretch=25.0)
    assert (wang.operator, wang.overridden, wang.stretch) == ("wang", 1, None)


def test_nothing_decided_is_no_error() -> None:
    found = quality(facts([]), 90, "live", now=NOW)
    assert (found.total.cases, list(found.functions), list(found.flows), list(found.desks)) == (0, [], [], [])


def test_a_bin_says_its_share() -> None:
    assert Bin(0.1, 0.2, 4, 1, 0.15, 0.0, 1.0).share == 0.25
