from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from serving.hooks import hooks, outbox
from serving.hooks.outbox import DEAD, DELIVERED, KEEP, LEASE, PENDING, UNDONE, Outcome
from serving.store import moments
from serving.store.connection import Connection
from serving.store.events import record
from serving.store.schema import outbox as table
from serving.store.store import Store

URL = "https://hooks.example.gov.cn/dispatch"


def fill(store: Store, *names: str, count: int = 3) -> None:
    """So many messages for each of these subscribers."""
    for name in names:
        store.write(partial(hooks.add, name=name, url=URL))
    for number in range(count):
        store.write(partial(record, kind="dispatch", subject=f"工单-{number}", payload={}))


def outgoing(store: Store) -> list[dict[str, Any]]:
    with store.reading() as connection:
        return connection.rows(select(table).order_by(table.c.id))


def give_up(store: Store) -> None:
    store.write(lambda connection: connection.execute(update(table).values(state=DEAD, error="应答 500")).rowcount)


def now() -> datetime:
    return datetime.now(UTC)


def test_what_is_taken_is_leased(store: Store) -> None:
    fill(store, "crm")
    moment = now()
    taken = store.write(lambda connection: outbox.take(connection, (), moment))
    assert [(message.case_id, message.attempts) for message in taken] == [(f"工单-{n}", 1) for n in range(3)]
    with store.reading() as connection:
        assert not outbox.any_due(connection, moment + LEASE - timedelta(seconds=1))
        assert outbox.any_due(connection, moment + LEASE)
    assert store.write(lambda connection: outbox.take(connection, (), moment)) == []


def test_what_is_taken_back_while_it_is_looked_for_is_not_taken(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, "crm", count=2)

    def late(connection: Connection) -> list[outbox.Message]:
        found = connection.rows(select(table).order_by(table.c.id))
        outbox.take_back(connection, outbox.Of("工单-0", "dispatch", 7))
        monkeypatch.setattr(connection, "rows", lambda *_: found)
        return outbox.take(connection, (), now())

    store.write(lambda connection: connection.execute(update(table).values(payload='{"id": 7}')).rowcount)
    assert [message.case_id for message in store.write(late)] == ["工单-1"]
    assert [row["state"] for row in outgoing(store)] == [UNDONE, PENDING]


def test_nothing_is_taken_for_who_is_being_served(store: Store) -> None:
    fill(store, "crm", "archive", count=1)
    taken = store.write(lambda connection: outbox.take(connection, ("crm",), now()))
    assert [message.hook for message in taken] == ["archive"]


def test_each_message_ends_as_it_went(store: Store) -> None:
    fill(store, "crm")
    one, two, three = (row["id"] for row in outgoing(store))
    later = now() + timedelta(minutes=5)
    ends = [
        Outcome(one, DELIVERED, now()),
        Outcome(two, DEAD, now(), "应答 410"),
        Outcome(three, PENDING, later, "应答 503"),
    ]
    store.write(lambda connection: outbox.end(connection, ends))
    rows = outgoing(store)
    assert [(row["state"], row["error"]) for row in rows] == [
        (DELIVERED, ""),
        (DEAD, "应答 410"),
        (PENDING, "应答 503"),
    ]
    assert rows[2]["next_at"] == moments.stored(later)
    assert [row["ended_at"] is None for row in rows] == [False, False, True]


def test_only_what_ended_long_ago_is_forgotten(store: Store) -> None:
    fill(store, "crm")
    one, two, _ = (row["id"] for row in outgoing(store))
    ends = [Outcome(one, DELIVERED, now()), Outcome(two, DEAD, now())]
    store.write(lambda connection: outbox.end(connection, ends))
    assert store.write(lambda connection: outbox.forget(connection, now())) == 0
    assert store.write(lambda connection: outbox.forget(connection, now() + KEEP)) == 2
    assert [row["case_id"] for row in outgoing(store)] == ["工单-2"]


def test_what_waits_can_be_cancelled(store: Store) -> None:
    fill(store, "crm", "archive", count=2)
    store.write(lambda connection: outbox.end(connection, [Outcome(outgoing(store)[0]["id"], DELIVERED, now())]))
    assert store.write(lambda connection: outbox.cancel(connection, "crm")) == 1
    assert [(row["hook"], row["state"]) for row in outgoing(store)] == [
        ("crm", DELIVERED),
        ("archive", PENDING),
        ("archive", PENDING),
    ]


def test_what_was_given_up_is_listed_and_begun_anew(store: Store) -> None:
    fill(store, "crm")
    give_up(store)
    with store.reading() as connection:
        listed = outbox.dead(connection, most=2)
        assert outbox.counts(connection) == {"crm": {DEAD: 3}}
    assert [(message.case_id, message.error) for message in listed] == [("工单-2", "应答 500"), ("工单-1", "应答 500")]
    before = moments.now()
    assert store.write(lambda connection: outbox.revive(connection, "other")) == 0
    assert store.write(lambda connection: outbox.revive(connection, "crm")) == 3
    assert {(row["state"], row["attempts"], row["error"]) for row in outgoing(store)} == {(PENDING, 0, "")}
    assert all(str(row["created_at"]) >= before for row in outgoing(store))


def test_two_processes_take_different_messages(store: Store, database_url: Path | str) -> None:
    other = Store.open(database_url, seal=store.seal)
    fill(store, "crm", count=60)
    takes = [one.writer.submit(lambda connection: outbox.take(connection, (), now())) for one in (store, other)]
    first, second = ({message.id for message in taken.result()} for taken in takes)
    other.close()
    assert len(first) + len(second) == 60
    assert not first & second
