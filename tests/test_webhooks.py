import json
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from sqlalchemy import select

from dispatch_model.errors import DispatchError, ErrorKind
from serving import signing
from serving.hooks import hooks
from serving.hooks.hooks import Hook
from serving.hooks.outbox import DEAD, DELIVERED, KEEP, PENDING, Message
from serving.hooks.webhooks import FIRST_PAUSE, LONGEST_PAUSE, Deliveries, knock, pause, sender
from serving.outward import networks
from serving.store import moments
from serving.store.events import record
from serving.store.schema import outbox
from serving.store.store import Store

URL = "https://hooks.example.gov.cn/dispatch"
DAY = timedelta(days=1)


class Line:
    """Stands for the way to the subscribers: notes what was sent, answers what it is told to."""

    def __init__(self, answer: Callable[[Hook, Message], int] = lambda *_: 200) -> None:
        self.sent: list[tuple[str, str]] = []
        self._answer = answer

    def __call__(self, hook: Hook, message: Message, _: datetime) -> int:
        self.sent.append((hook.name, message.case_id))
        return self._answer(hook, message)


def failing(error: Exception) -> Callable[[Hook, Message], int]:
    def answer(*_: Hook | Message) -> int:
        raise error

    return answer


def enter(store: Store, *names: str) -> None:
    for name in names:
        store.write(partial(hooks.add, name=name, url=URL))


def tell(store: Store, *case_ids: str) -> None:
    for case_id in case_ids:
        store.write(partial(record, kind="dispatch", subject=case_id, payload={}))


def outgoing(store: Store) -> list[dict[str, Any]]:
    with store.reading() as connection:
        return connection.rows(select(outbox).order_by(outbox.c.id))


def deliver(store: Store, line: Line, *, at: datetime | None = None, max_age: timedelta = DAY) -> int:
    """One look, all of it done when this returns; how many messages were taken."""
    deliveries = Deliveries(store.reading, store.writer.submit, line, max_age=max_age)
    taken = deliveries.look(at)
    deliveries.wait()
    deliveries.close()
    return taken


def later(**by: float) -> datetime:
    return datetime.now(UTC) + timedelta(**by)


def test_what_is_due_is_delivered_once(store: Store) -> None:
    enter(store, "crm", "archive")
    tell(store, "1", "2")
    line = Line()
    assert deliver(store, line) == 4
    assert sorted(line.sent) == [("archive", "1"), ("archive", "2"), ("crm", "1"), ("crm", "2")]
    assert {(row["state"], row["attempts"]) for row in outgoing(store)} == {(DELIVERED, 1)}
    assert deliver(store, line, at=later(days=1)) == 0


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda *_: 500, "应答 500"),
        (lambda *_: 302, "应答 302"),
        (failing(TimeoutError()), "TimeoutError"),
        (failing(DispatchError(ErrorKind.NOT_FOUND, "找不到主机 hooks.example.gov.cn。")), "找不到主机"),
    ],
)
def test_what_fails_is_tried_again_later(store: Store, answer: Callable[[Hook, Message], int], why: str) -> None:
    enter(store, "crm")
    tell(store, "1")
    assert deliver(store, Line(answer)) == 1
    (row,) = outgoing(store)
    assert (row["state"], row["attempts"]) == (PENDING, 1)
    assert why in row["error"]
    assert deliver(store, Line()) == 0
    assert deliver(store, Line(), at=later(seconds=1.3 * FIRST_PAUSE)) == 1
    (row,) = outgoing(store)
    assert (row["state"], row["attempts"], row["error"]) == (DELIVERED, 2, "")


def test_one_failure_spares_the_subscriber_the_rest(store: Store) -> None:
    enter(store, "crm", "archive")
    tell(store, "1", "2", "3")
    line = Line(lambda hook, _: 503 if hook.name == "crm" else 200)
    deliver(store, line)
    assert line.sent.count(("crm", "1")) == 1
    assert [sent for sent in line.sent if sent[0] == "crm"] == [("crm", "1")]
    states = {(row["hook"], row["state"]) for row in outgoing(store)}
    assert states == {("crm", PENDING), ("archive", DELIVERED)}
    waiting = {row["next_at"] for row in outgoing(store) if row["hook"] == "crm"}
    assert len(waiting) == 1


def test_it_is_given_up_when_it_is_too_old(store: Store) -> None:
    enter(store, "crm")
    tell(store, "1")
    deliver(store, Line(lambda *_: 500), max_age=timedelta(0))
    (row,) = outgoing(store)
    assert (row["state"], row["error"]) == (DEAD, "应答 500")
    assert row["ended_at"] is not None
    assert deliver(store, Line(), at=later(days=1)) == 0


def test_who_is_gone_is_not_asked_again(store: Store) -> None:
    enter(store, "crm")
    tell(store, "1")
    deliver(store, Line(lambda *_: 410))
    assert [row["state"] for row in outgoing(store)] == [DEAD]


def test_a_message_of_nobody_is_given_up_unsent(store: Store) -> None:
    now = moments.now()
    parts = {"event": "dispatch", "case_id": "1", "payload": "{}", "created_at": now, "next_at": now}
    store.write(lambda connection: connection.add(outbox, {"hook": "gone", **parts}))
    line = Line()
    deliver(store, line)
    assert line.sent == []
    assert [(row["state"], row["error"]) for row in outgoing(store)] == [(DEAD, "订阅已取消")]


def test_two_processes_do_not_take_the_same_message(store: Store) -> None:
    enter(store, "crm")
    tell(store, "1")
    release = threading.Event()
    line = Line(lambda *_: 200 if release.wait(10) else 500)
    first = Deliveries(store.reading, store.writer.submit, line, max_age=DAY)
    second = Deliveries(store.reading, store.writer.submit, line, max_age=DAY)
    assert (first.look(), second.look(), first.look(later(minutes=2)), second.look(later(minutes=2))) == (1, 0, 0, 1)
    release.set()
    for deliveries in (first, second):
        deliveries.wait()
        deliveries.close()
    # The first was taken for dead when its lease ended: the message came twice.
    assert line.sent == [("crm", "1")] * 2


def test_a_slow_subscriber_does_not_hold_up_another(store: Store) -> None:
    enter(store, "slow", "quick")
    tell(store, "1")
    release = threading.Event()
    line = Line(lambda hook, _: 200 if hook.name == "quick" or release.wait(10) else 500)
    deliveries = Deliveries(store.reading, store.writer.submit, line, max_age=DAY)
    deliveries.look()
    tell(store, "2")
    until = time.monotonic() + 10
    while ("quick", "2") not in line.sent and time.monotonic() < until:
        deliveries.look()
        time.sleep(0.01)
    assert [sent for sent in line.sent if sent[0] == "quick"] == [("quick", "1"), ("quick", "2")]
    release.set()
    deliveries.wait()
    deliveries.close()


def test_what_ended_long_ago_is_forgotten(store: Store) -> None:
    enter(store, "crm")
    tell(store, "1", "2")
    deliver(store, Line(lambda _, message: 200 if message.case_id == "1" else 500))
    deliveries = Deliveries(store.reading, store.writer.submit, Line(), max_age=DAY)
    deliveries.forget()
    assert len(outgoing(store)) == 2
    deliveries.forget(datetime.now(UTC) + KEEP)
    assert [row["case_id"] for row in outgoing(store)] == ["2"]
    deliveries.close()


def test_a_store_that_fails_does_not_end_the_deliveries(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.hooks.webhooks.LOOK_SECONDS", 0.01)
    monkeypatch.setattr("serving.hooks.webhooks._STORE_PAUSE", 0.01)
    enter(store, "crm")
    tell(store, "1")
    failures = [DispatchError(ErrorKind.STORE_UNAVAILABLE, "磁盘已满。"), RuntimeError("odd row")]
    line = Line()
    deliveries = Deliveries(store.reading, store.writer.submit, line, max_age=DAY)
    look = deliveries.look

    def flaky(now: datetime | None = None) -> int:
        if failures:
            raise failures.pop()
        return look(now)

    monkeypatch.setattr(deliveries, "look", flaky)
    deliveries.start()
    until = time.monotonic() + 10
    while not line.sent and time.monotonic() < until:
        time.sleep(0.01)
    deliveries.close()
    assert (line.sent, failures) == ([("crm", "1")], [])


def test_pauses_double_up_to_an_hour() -> None:
    seconds = [pause(attempts).total_seconds() for attempts in range(1, 40)]
    wanted = [min(LONGEST_PAUSE, FIRST_PAUSE * 2**number) for number in range(39)]
    assert all(0.8 * most <= found <= 1.2 * most for found, most in zip(seconds, wanted, strict=True))


class Receiver(ThreadingHTTPServer):
    """A subscriber on loopback that keeps what it gets."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[tuple[Mapping[str, str], bytes]] = []


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(202)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


def test_a_subscriber_gets_what_it_can_verify(store: Store) -> None:
    inside = networks("127.0.0.0/8")
    with Receiver() as receiver:
        threading.Thread(target=receiver.serve_forever).start()
        url = f"http://127.0.0.1:{receiver.server_address[1]}/in"
        hook = store.write(lambda connection: hooks.add(connection, "crm", url, inside=inside))
        store.write(lambda connection: record(connection, "decision", "工单-1", {"unit": "龙华区城管局"}))
        deliveries = Deliveries(store.reading, store.writer.submit, sender(store.seal.hooks, inside), max_age=DAY)
        deliveries.look()
        deliveries.wait()
        deliveries.close()
        receiver.shutdown()
    ((headers, body),) = receiver.got
    signing.verify(hook.secret(store.seal.hooks), headers, body, now=time.time())
    payload = json.loads(body)
    assert (payload["event"], payload["case_id"], payload["unit"]) == ("decision", "工单-1", "龙华区城管局")
    assert headers["content-type"] == "application/json"
    assert [row["state"] for row in outgoing(store)] == [DELIVERED]
    assert headers[signing.ID].startswith(f"msg-{outgoing(store)[0]['id']}-2")


def test_an_address_inside_is_not_reached_though_it_was_entered(store: Store) -> None:
    inside = networks("127.0.0.0/8")
    store.write(lambda connection: hooks.add(connection, "crm", "http://127.0.0.1:1/", inside=inside))
    tell(store, "1")
    deliveries = Deliveries(store.reading, store.writer.submit, sender(store.seal.hooks), max_age=DAY)
    deliveries.look()
    deliveries.wait()
    deliveries.close()
    (row,) = outgoing(store)
    assert row["state"] == PENDING
    assert "webhook_networks" in row["error"]


def test_a_subscriber_can_be_tried(store: Store) -> None:
    enter(store, "crm")
    with store.reading() as connection:
        hook = hooks.registered(connection)["crm"]
    said: list[str] = []

    def send(_: Hook, message: Message, __: datetime) -> int:
        said.append(message.payload)
        return 204

    assert knock(send, hook) == (204, "")
    assert json.loads(said[0])["event"] == "ping"
    assert knock(Line(lambda *_: 404), hook) == (404, "应答 404")
    assert knock(Line(failing(ConnectionRefusedError())), hook) == (0, "没有应答（ConnectionRefusedError）")
    assert outgoing(store) == []
