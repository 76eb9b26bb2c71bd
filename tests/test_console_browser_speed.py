"""The console in a browser with 500 cases waiting, by limits that a busy machine keeps too."""

import statistics

import pytest

from bench.console import first_paint, next_case, on_first_case
from tests.console_browser import Console

WAITING = 500


@pytest.fixture(scope="module")
def crowd() -> tuple[int, int]:
    return WAITING, 0


def test_five_hundred_cases_do_not_slow_the_console(console: Console) -> None:
    page = console.sign_in("li")
    assert page.locator("#queue tbody tr").count() == 100
    assert int(page.get_by_test_id("count-all").inner_text()) > 400
    assert statistics.median(first_paint(console, page)[1] for _ in range(3)) < 4000
    on_first_case(console, page)
    assert statistics.median(next_case(page, "1") for _ in range(10)) < 750
