from dataclasses import replace
from urllib.parse import parse_qsl

import pytest

from serving.cases_wire import State
from serving.console.filters import LONGEST, Filters
from tests.test_console_waiting import LINE


def test_filters_come_back_from_their_url() -> None:
    filters = Filters(State.ASKED, "suggest", "城管", "龙华区", "路灯 & 50%")
    assert Filters.of(dict(parse_qsl(filters.query))) == filters
    assert Filters().query == ""


def test_what_a_url_says_wrong_filters_nothing() -> None:
    assert Filters.of({"state": "dispatched", "page": "7"}) == Filters()
    assert Filters.of({"state": "x", "text": f"  {'长' * 200} "}) == Filters(text="长" * LONGEST)


def test_one_changes_and_the_others_stay() -> None:
    filters = Filters(State.ASKED, text="路灯")
    assert filters.but("function", "城管") == replace(filters, function="城管")
    assert filters.but("state", "") == Filters(text="路灯")


@pytest.mark.parametrize(
    ("filters", "passes"),
    [
        (Filters(), True),
        (Filters(state=State.ASKED), False),
        (Filters(state=State.ROUTED), True),
        (Filters(disposition="suggest"), True),
        (Filters(disposition="ask"), False),
        (Filters(function="城管", district="龙华区"), True),
        (Filters(function="公安"), False),
        (Filters(district="美兰区"), False),
        (Filters(text="路灯 龙华"), True),
        (Filters(text="路灯 美兰"), False),
    ],
)
def test_every_filter_must_let_a_case_through(filters: Filters, *, passes: bool) -> None:
    assert filters.passes(LINE) is passes


def test_without_a_state_it_is_what_a_decision_is_due_for() -> None:
    seen = {state for state in State if Filters().passes(replace(LINE, state=state))}
    assert seen == {State.ROUTED, State.REDISPATCH}


def test_words_are_found_in_any_case() -> None:
    assert Filters(text="ab-7").passes(replace(LINE, case_id="AB-7"))
