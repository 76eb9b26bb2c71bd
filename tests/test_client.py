import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from dispatch_model.cases import Case, Routing
from dispatch_model.errors import DispatchError, ErrorKind
from serving.app import create_app
from serving.cases_wire import Accept, Consult, Return, Review, State
from serving.client import LONGEST_WAIT, Client
from serving.guard.keys import create, new_key
from serving.guard.scopes import Scope
from serving.routing import Router
from serving.settings import Settings
from serving.store.store import Store

CASE = {"case_id": "1", "transcript": "路灯不亮", "received_at": "2018-05-03"}


@contextmanager
def serving(settings: Settings, router: Router) -> Iterator[str]:
    """The address of the live app, on loopback."""
    config = uvicorn.Config(create_app(settings, router), port=0, log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            thread.join(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def live(tmp_path: Path, ruled: Router) -> Iterator[str]:
    with serving(Settings(data_dir=tmp_path), ruled) as url:
        yield url


class Script:
    """Answers with what it was given, in order; notes what was asked and how long was waited."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[httpx.Request] = []
        self.waits: list[float] = []

    def client(self, **options: Any) -> Client:
        return Client(
            "http://dispatch.test/v1", transport=httpx.MockTransport(self._answer), sleep=self.waits.append, **options
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def problem(status: int, kind: str, headers: dict[str, str] | None = None) -> httpx.Response:
    body = {
        "kind": kind,
        "message": "稍后再来。",
        "field": "queue",
        "value": "9",
        "details": ["另一处"],
        "status": status,
    }
    return httpx.Response(status, json=body, headers=headers)


def answer(routing: Routing, **more: object) -> httpx.Response:
    return httpx.Response(200, json=routing.model_dump(mode="json") | more)


@pytest.fixture
def routing(router: Router) -> Routing:
    return router.route([Case.model_validate(CASE)])[0]


def test_a_live_service_answers_and_answers_again(live: str) -> None:
    with Client(live) as client:
        first, again = client.route(CASE), client.route(Case.model_validate(CASE))
    assert (first.suggestions[0].unit.function, first.replayed, again.replayed) == ("城管", False, True)
    assert first.model_copy(update={"timing_ms": again.timing_ms, "replayed": True}) == again


def test_a_live_service_says_what_is_wrong(live: str) -> None:
    with Client(live) as client:
        client.route(CASE)
        with pytest.raises(DispatchError) as conflict:
            client.route({**CASE, "transcript": "井盖丢了"})
        with pytest.raises(DispatchError) as invalid:
            client.route({**CASE, "adress": "x", "received_at": "昨天"})
    assert (conflict.value.kind, conflict.value.field) == (ErrorKind.CASE_CONFLICT, "transcript")
    assert (invalid.value.kind, invalid.value.field, invalid.value.value) == (
        ErrorKind.INVALID_CASE,
        "received_at",
        "昨天",
    )
    assert "adress" in invalid.value.details[0]


def test_a_long_list_goes_in_batches_and_comes_back_in_order(live: str) -> None:
    cases: list[dict[str, Any]] = [{**CASE, "case_id": f"n{number}"} for number in range(300)]
    cases[270] = {**CASE, "case_id": "n270", "transcript": ""}
    with Client(live) as client:
        found = client.route_batch(cases)
        assert client.route_batch([]) == []
    told = [one.case_id if isinstance(one, Routing) else one.kind for one in found]
    assert told == [f"n{number}" if number != 270 else ErrorKind.TRANSCRIPT_EMPTY for number in range(300)]


def test_a_case_is_decided_returned_and_sent_anew_on_a_live_service(live: str) -> None:
    number = "HK/2025 号?#1"
    with Client(live) as client:
        client.route({**CASE, "case_id": number})
        decided = client.decide(number, Accept(action="accept", operator="A017"))
        again = client.decide(number, {"action": "accept", "operator": "A017"})
        back = client.return_(number, Return(reason="职能不符", clause="《示例办法》第十二条"))
        assert client.case(number).state is State.RETURNED
        review = client.review(number, Review(verdict="upheld"))
        sent = client.decide(number, {"action": "override", "unit": "龙华区城管局", "reason_code": "职能不符"})
        view = client.case(number)
    assert (decided.unit.function, decided.replayed, again.replayed, again.id) == ("城管", False, True, decided.id)
    assert (back.reason, review.verdict, sent.event) == ("职能不符", "upheld", "redispatch")
    assert (view.case_id, view.state, view.decision) == (number, State.DISPATCHED, sent)
    assert [entry.event for entry in view.history] == ["dispatch", "decision", "return", "review", "redispatch"]


def test_a_case_is_consulted_on_and_that_is_undone_on_a_live_service(live: str) -> None:
    with Client(live) as client:
        client.route(CASE)
        consulted = client.step("1", Consult(action="consult", units=("市交警支队",)))
        assert client.case("1").state is State.CONSULTING
        undone = client.step("1", {"action": "undo", "event": "consult", "id": consulted.id})
        assert client.case("1").state is State.ROUTED
    assert consulted.units[0].code == "460100-交警"
    assert (undone.event, undone.undoes and undone.undoes.id) == ("undo", consulted.id)


def test_a_live_service_says_why_a_decision_is_refused(live: str) -> None:
    wishes: list[tuple[str, dict[str, Any]]] = [
        ("nobody", {"action": "accept"}),
        ("1", {"action": "accept", "rank": 9}),
        ("1", {"action": "accept", "ranks": 1}),
    ]
    with Client(live) as client:
        client.route(CASE)
        told = []
        for case_id, wish in wishes:
            with pytest.raises(DispatchError) as refused:
                client.decide(case_id, wish)
            told.append(refused.value.kind)
    assert told == [ErrorKind.NOT_FOUND, ErrorKind.INVALID_DECISION, ErrorKind.INVALID_DECISION]


def test_a_live_service_that_asks_for_keys_is_shown_one(tmp_path: Path, router: Router) -> None:
    key = new_key()
    settings = Settings(data_dir=tmp_path)
    with closing(Store.of(settings)) as store:
        scopes = [Scope.INTAKE]
        store.write(partial(create, key=key, name="受理系统", scopes=scopes, expires_at=None, actor="test"))
    with serving(settings, router) as url:
        with Client(url) as client, pytest.raises(DispatchError) as refused:
            client.route(CASE)
        with Client(url, key) as client:
            assert client.route(CASE).case_id == "1"
            with pytest.raises(DispatchError) as forbidden:
                client.decide("1", {"action": "accept"})
    assert (refused.value.kind, forbidden.value.kind) == (ErrorKind.UNAUTHORIZED, ErrorKind.FORBIDDEN)


def test_the_key_and_half_an_emoji_are_sent(routing: Routing) -> None:
    script = Script(answer(routing))
    with script.client(key="hd_secret") as client:
        client.route({**CASE, "transcript": "路灯\ud83d坏了"})
    (asked,) = script.asked
    assert str(asked.url) == "http://dispatch.test/v1/route"
    assert asked.headers["Authorization"] == "Bearer hd_secret"
    assert json.loads(asked.content)["transcript"] == "路灯?坏了"


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(lambda: problem(429, "overloaded"), id="429"),
        pytest.param(lambda: problem(503, "not_ready"), id="503"),
        pytest.param(lambda: httpx.Response(502, text="<html>"), id="502"),
        pytest.param(lambda: problem(504, "deadline_exceeded"), id="504"),
        pytest.param(lambda: httpx.ConnectError("refused"), id="refused"),
        pytest.param(lambda: httpx.ReadTimeout("slow"), id="timeout"),
        pytest.param(lambda: httpx.RemoteProtocolError("cut"), id="cut"),
    ],
)
def test_a_case_is_sent_again_until_it_is_answered(
    refusal: Callable[[], httpx.Response | Exception], routing: Routing
) -> None:
    script = Script(refusal(), refusal(), answer(routing))
    with script.client() as client:
        assert client.route(CASE) == routing
    assert len({request.content for request in script.asked}) == 1
    assert len(script.waits) == 2


def test_it_waits_no_less_than_it_was_told(routing: Routing) -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    script = Script(*[problem(429, "overloaded", {"Retry-After": after}) for after in ("3", date)], answer(routing))
    with script.client(patience=600) as client:
        client.route(CASE)
    seconds, until = script.waits
    assert 3 <= seconds <= 4.5
    assert 30 <= until <= 90


def test_without_a_word_it_waits_longer_each_time(routing: Routing) -> None:
    script = Script(*[problem(503, "not_ready", {"Retry-After": "soon"}) for _ in range(12)], answer(routing))
    with script.client(patience=600) as client:
        client.route(CASE)
    longest = [min(LONGEST_WAIT, 0.25 * 2**attempt) for attempt in range(12)]
    assert all(most / 2 <= wait <= most for wait, most in zip(script.waits, longest, strict=True))


def test_its_patience_ends(routing: Routing) -> None:
    script = Script(problem(429, "overloaded", {"Retry-After": "50"}), answer(routing))
    with script.client(patience=40) as client, pytest.raises(DispatchError) as refused:
        client.route(CASE)
    assert (refused.value.field, refused.value.value, refused.value.details) == ("queue", "9", ("另一处",))
    assert script.waits == []


def test_an_unreachable_service_is_told_by_its_address() -> None:
    with Script(httpx.ConnectError("refused")).client(patience=0) as client, pytest.raises(DispatchError) as failed:
        client.route(CASE)
    assert failed.value.kind is ErrorKind.NOT_READY
    assert "http://dispatch.test/v1" in failed.value.message
    assert "ConnectError" in failed.value.message


def kinds(answers: Sequence[httpx.Response]) -> list[ErrorKind]:
    found = []
    for one in answers:
        with Script(one).client(patience=0) as client, pytest.raises(DispatchError) as failed:
            client.route(CASE)
        found.append(failed.value.kind)
    return found


def test_what_it_does_not_know_is_told_by_its_status() -> None:
    answers = [
        problem(404, "of_a_later_release"),
        httpx.Response(404, text="nginx"),
        httpx.Response(418, json=["teapot"]),
        httpx.Response(302, headers={"Location": "http://elsewhere.test"}),
        httpx.Response(200, text="<html>login</html>"),
    ]
    assert kinds(answers) == [ErrorKind.NOT_FOUND] * 2 + [ErrorKind.INTERNAL] * 3


def test_an_answer_may_say_more_than_it_knows(routing: Routing) -> None:
    suggestion = {**routing.suggestions[0].model_dump(mode="json"), "unit_phone_hidden": True}
    script = Script(answer(routing, later="x", suggestions=[suggestion]))
    with script.client() as client:
        assert client.route(CASE) == routing
