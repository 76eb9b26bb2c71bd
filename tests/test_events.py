import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from serving.store import events, moments
from serving.store.schema import audit_events, decisions, facts, outbox, routings
from serving.store.store import Store

CHAIN = select(audit_events).order_by(audit_events.c.id)
SENT = select(outbox).order_by(outbox.c.id)
ROW: dict[str, Any] = {column.name: None for column in decisions.columns} | {"id": 7, "note": "", "forced": True}


def chain(store: Store) -> list[dict[str, Any]]:
    with store.reading() as connection:
        return connection.rows(CHAIN)


def subscribe(store: Store, **hooks: list[str]) -> None:
    value = json.dumps({name: {"events": kinds} for name, kinds in hooks.items()})
    store.write(lambda connection: connection.execute(insert(facts), {"name": events.HOOKS, "value": value}) and None)


def test_each_event_is_bound_to_the_one_before(store: Store) -> None:
    first = store.write(lambda connection: events.record(connection, "key", "甲", {"b": 1, "a": "乙"}, actor="admin"))
    second = store.write(lambda connection: events.record(connection, "key", "甲", {}))
    one, two = chain(store)
    assert [first, second] == [one["id"], two["id"]] == [1, 2]
    assert (one["actor"], one["action"], one["subject"], one["details"]) == ("admin", "key", "甲", '{"a":"乙","b":1}')
    assert (one["prev_hash"], two["prev_hash"], two["actor"]) == (events.ROOT, one["hash"], "service")
    told = {name: one[name] for name in ("id", "at", "actor", "action", "subject", "details")}
    content = json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert one["hash"] == hashlib.sha256(f"{events.ROOT}\n{content}".encode()).hexdigest()


def test_several_events_are_one_chain(store: Store) -> None:
    happenings = [events.Happening("key", str(number), {}) for number in range(3)]
    assert store.write(lambda connection: events.record_each(connection, happenings)) == 3
    assert store.write(lambda connection: events.record_each(connection, [])) == 3
    hashes = [events.ROOT, *(event["hash"] for event in chain(store))]
    assert [event["prev_hash"] for event in chain(store)] == hashes[:-1]


def test_an_event_of_a_job_that_fails_is_taken_back(store: Store) -> None:
    def fail(connection: Any) -> None:
        events.record(connection, "key", "甲", {})
        raise LookupError("no")

    with pytest.raises(LookupError):
        store.write(fail)
    assert store.write(lambda connection: events.record(connection, "key", "乙", {})) == 1


def test_several_processes_write_one_chain(store: Store, database_url: Path | str) -> None:
    """Each store has a writer and a connection of its own, as a process has."""
    others = [Store.open(database_url, seal=store.seal) for _ in range(3)]

    def work(own: Store) -> None:
        for _ in range(20):
            own.write(lambda connection: events.record(connection, "key", "甲", {}))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, [store, *others]))
    found = chain(store)
    assert [event["id"] for event in found] == list(range(1, 81))
    assert all(after["prev_hash"] == before["hash"] for before, after in pairwise(found))
    for other in others:
        other.close()


def test_subscribers_are_told_what_they_asked_for(store: Store) -> None:
    subscribe(store, all=["dispatch", "decision"], few=["decision"])

    def work(connection: Any) -> None:
        events.record(connection, "dispatch", "1", {"disposition": "auto", events.STAMP: {"sha256": "x"}})
        events.record(connection, "decision", "1", {"forced": False})
        events.record(connection, "rules", "access_list", {})

    store.write(work)
    with store.reading() as connection:
        sent = connection.rows(SENT)
    assert [(row["hook"], row["event"], row["case_id"]) for row in sent] == [
        ("all", "dispatch", "1"),
        ("all", "decision", "1"),
        ("few", "decision", "1"),
    ]
    message = json.loads(sent[0]["payload"])
    assert message == {
        "event": "dispatch",
        "event_id": 1,
        "case_id": "1",
        "at": moments.read(chain(store)[0]["at"]).isoformat(),
        "disposition": "auto",
    }
    assert (sent[0]["state"], sent[0]["next_at"]) == ("pending", chain(store)[0]["at"])


def test_without_subscribers_nothing_is_sent(store: Store) -> None:
    store.write(lambda connection: events.record(connection, "dispatch", "1", {}))
    with store.reading() as connection:
        assert connection.rows(SENT) == []


def test_every_routing_is_told_of_once(store: Store, routed: Callable[..., None]) -> None:
    routed("1", transcript="路灯不亮，我叫李蕉")
    routed("1", transcript="路灯不亮，我叫李蕉")
    (event,) = chain(store)
    told = json.loads(event["details"])
    assert (event["action"], event["subject"], told["disposition"]) == ("dispatch", "1", "suggest")
    assert told["unit"] == {"code": "u1", "function": "城管", "level": "区"}
    assert (told[events.STAMP]["table"], told[events.STAMP]["id"]) == ("routings", told["id"])
    assert "李蕉" not in event["details"]


def test_a_stamp_tells_fixed_columns_and_texts_apart() -> None:
    stamp = events.stamp(decisions, ROW)
    assert (stamp["table"], stamp["id"], list(stamp["texts"])) == ("decisions", 7, ["note"])
    assert events.stamp(decisions, {**ROW, "note": "改"})["sha256"] == stamp["sha256"]
    assert events.stamp(decisions, {**ROW, "note": "改"})["texts"] != stamp["texts"]
    assert events.stamp(decisions, {**ROW, "forced": 1}) == stamp
    assert events.stamp(decisions, {**ROW, "rank": 2})["sha256"] != stamp["sha256"]
    with pytest.raises(KeyError):
        events.stamp(decisions, {"id": 7})


def test_the_answer_of_a_routing_is_a_text() -> None:
    assert events.erasable(routings) == {"answer"}


def test_half_an_emoji_has_a_digest() -> None:
    assert len(events.digest({"note": "\ud83d"})) == len(events.ROOT) == 64
