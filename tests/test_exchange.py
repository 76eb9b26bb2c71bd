import re
from types import SimpleNamespace
from typing import Any

import pytest

from dispatch_model.cases import Case, Timing
from dispatch_model.errors import ErrorKind
from serving.routing import Router
from serving.web.exchange import (
    CLIENT_GONE,
    UNMATCHED,
    Exchange,
    current,
    note_answer,
    note_error,
    note_timing,
    shown_id,
)


def exchange(*headers: tuple[bytes, bytes], **scope: Any) -> Exchange:
    return Exchange.of({"type": "http", "method": "POST", "path": "/route", "headers": list(headers), **scope}, "own-1")


def test_the_callers_id_is_kept() -> None:
    assert exchange((b"x-request-id", b"intake-7:42")).request_id == "intake-7:42"


@pytest.mark.parametrize(
    "given",
    [b"", b"a b", b'"}\n{"level":"info"', "工单".encode(), b"x" * 65, b"13812345678", b"r-138-1234-5678", b"a@b.cn"],
)
def test_an_id_that_cannot_be_logged_is_replaced(given: bytes) -> None:
    assert exchange((b"x-request-id", given)).request_id == "own-1"


def test_without_an_id_it_gets_one() -> None:
    assert exchange().request_id == "own-1"


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("HK20250503-000123", "HK20250503-000123"),
        ("13812345678", "[电话]"),
        ("来电13812345678", "来电[电话]"),
    ],
)
def test_a_case_number_is_shown_masked(given: str, shown: str) -> None:
    assert shown_id(given) == shown


def test_server_timing_tells_stages_and_the_whole() -> None:
    one = exchange()
    one.stages = {"queue": 0.25, "infer": 8.0}
    assert re.fullmatch(r"queue;dur=0\.250, infer;dur=8\.000, total;dur=\d+\.\d{3}", one.server_timing())


def test_a_route_is_its_template() -> None:
    one = exchange()
    assert (one.route, one.status) == (UNMATCHED, CLIENT_GONE)
    one.close({"route": SimpleNamespace(path="/cases/{case_id}")})
    assert one.route == "/cases/{case_id}"
    assert one.seconds > 0


def test_notes_go_to_the_exchange_of_the_context(router: Router) -> None:
    one, case = exchange(), Case(case_id="1", transcript="路灯不亮")
    token = current.set(one)
    note_answer(router, case, router.route([case])[0])
    note_timing(Timing(queue=1.0, infer=8.0, store=3.0), replayed=False)
    note_timing(Timing(queue=1.0, infer=6.0, store=3.0), replayed=False)
    note_timing(Timing(queue=1.0), replayed=True)
    note_error(ErrorKind.CASE_CONFLICT)
    current.reset(token)
    assert [answer.case.case_id for answer in one.answers] == ["1"]
    assert one.stages == {"queue": 1.0, "tokenize": 0.0, "infer": 14.0, "rank": 0.0, "store": 3.0}
    assert (one.replays, one.error) == (1, "case_conflict")


def test_a_replay_runs_no_model() -> None:
    one = exchange()
    token = current.set(one)
    note_timing(Timing(queue=0.5), replayed=True)
    current.reset(token)
    assert one.stages == {"queue": 0.5}


def test_notes_outside_a_request_are_nobodys(router: Router) -> None:
    case = Case(case_id="1", transcript="路灯不亮")
    note_answer(router, case, router.route([case])[0])
    note_timing(Timing(), replayed=True)
    note_error(ErrorKind.INTERNAL)
    assert current.get() is None
