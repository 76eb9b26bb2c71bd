from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from serving.console.ledger import DECIDED, HEADS, SHADOWED, Facts
from serving.console.shadow_view import Verdicts, compare

WORDS = ("", "城管", "公安", "交警", "live", "two+0", "three+0")
CITY, POLICE, TRAFFIC, LIVE, TWO, THREE = range(1, 7)


def facts(shadowed: Iterable[Mapping[str, Any]], decided: Mapping[int, int] = {}, undone: Iterable[int] = ()) -> Facts:
    """Cases that both answered alike, unless told; `decided` is the function by routing."""
    rows = []
    for number, told in enumerate(shadowed, start=1):
        plain = {"id": number, "routing": number, "at": 100.0, "bundle": TWO, "live_bundle": LIVE}
        alike = dict.fromkeys([*HEADS, *(f"live_{head}" for head in HEADS)], CITY)
        rows.append(tuple({**plain, **alike, **told}.values()))
    made = [
        (number, routing, 100.0, 50.0, 1, False, 0, CITY, function, 0, LIVE, 0.9)
        for number, (routing, function) in enumerate(decided.items(), start=1)
    ]
    return Facts(np.array(made, DECIDED), np.array(list(undone), np.int64), np.array(rows, SHADOWED), WORDS)


def test_agreement_is_counted_by_head() -> None:
    found = compare(facts([{}, {"unit": POLICE}, {"function": POLICE, "unit": POLICE}]), "two+0", 0)
    assert found
    assert (found.bundle, found.cases, found.differing) == ("two+0", 3, 1)
    assert found.agreed == {"function": 2, "level": 3, "unit": 1, "category": 3, "disposition": 3}


def test_where_they_differ_the_decision_says_whom_operators_followed() -> None:
    rows = [{"function": POLICE}] * 5 + [{}]
    found = compare(facts(rows, {1: CITY, 2: POLICE, 3: TRAFFIC, 4: POLICE, 6: CITY}), "two+0", 0)
    assert found
    assert found.verdicts == Verdicts(live=1, shadow=2, other=1)
    assert found.verdicts.decided == 4
    (pair,) = found.pairs
    assert (pair.live, pair.shadow, pair.cases, pair.verdicts) == ("城管", "公安", 5, found.verdicts)


def test_decisions_taken_back_say_nothing() -> None:
    found = compare(facts([{"function": POLICE}], {1: POLICE}, undone=[1]), "two+0", 0)
    assert found
    assert found.verdicts.decided == 0


def test_the_last_answer_of_a_case_counts() -> None:
    found = compare(facts([{"routing": 7, "function": POLICE}, {"routing": 7}]), "two+0", 0)
    assert found
    assert (found.cases, found.differing) == (1, 0)


def test_without_a_name_it_is_the_one_that_answered_last() -> None:
    rows = facts([{}, {"bundle": THREE}, {"bundle": THREE}, {"bundle": THREE, "live_bundle": THREE}])
    found = compare(rows, "", 0)
    assert found
    assert (found.bundle, found.cases) == ("three+0", 2)


def test_nothing_in_the_period_is_no_comparison() -> None:
    assert compare(facts([{}]), "two+0", 101.0) is None
    assert compare(facts([]), "", 0) is None


def test_a_bundle_that_has_not_answered_yet_has_no_cases() -> None:
    assert compare(facts([{}]), "three+0", 0) is None
