import json
from functools import partial

import pytest
from sqlalchemy import select

from dispatch_model.errors import DispatchError, ErrorKind
from serving.hooks import hooks
from serving.hooks.hooks import EVENTS
from serving.outward import networks
from serving.store.events import HOOKS, Kind, record
from serving.store.schema import audit_events, facts, outbox
from serving.store.store import Store

URL = "https://hooks.example.gov.cn/dispatch"


def add(store: Store, name: str = "crm", **options: object) -> hooks.Hook:
    return store.write(lambda connection: hooks.add(connection, name, URL, **options))  # type: ignore[arg-type]


def outgoing(store: Store) -> list[dict[str, object]]:
    with store.reading() as connection:
        return connection.rows(select(outbox).order_by(outbox.c.id))


def test_a_subscriber_is_told_of_the_events_it_asked_for(store: Store) -> None:
    add(store, "crm", events=("return", "decision"))
    add(store, "archive")
    kinds: tuple[Kind, ...] = ("dispatch", "decision", "rules")
    for kind in kinds:
        store.write(partial(record, kind=kind, subject="工单-1", payload={"unit": "u1"}, actor="desk"))
    assert [(row["hook"], row["event"]) for row in outgoing(store)] == [
        ("archive", "dispatch"),
        ("crm", "decision"),
        ("archive", "decision"),
    ]
    payload = json.loads(str(outgoing(store)[1]["payload"]))
    assert (payload["event"], payload["case_id"], payload["unit"]) == ("decision", "工单-1", "u1")
    assert payload["at"].endswith("+08:00")


def test_what_fails_in_the_transaction_tells_nobody(store: Store) -> None:
    add(store)

    def job(connection: object) -> None:
        record(connection, "dispatch", "工单-1", {})  # type: ignore[arg-type]
        raise DispatchError(ErrorKind.CASE_CONFLICT, "另一处已受理。")

    with pytest.raises(DispatchError, match="另一处"):
        store.write(job)
    assert outgoing(store) == []


def test_subscribers_are_read_as_they_were_entered(store: Store) -> None:
    with store.reading() as connection:
        assert hooks.registered(connection) == {}
    one = add(store, events=("return", "dispatch"), note="受理系统")
    two = add(store, "archive")
    with store.reading() as connection:
        assert list(hooks.registered(connection).values()) == [one, two]
    assert (one.events, two.events) == (("dispatch", "return"), EVENTS)


@pytest.mark.parametrize(
    ("name", "url", "events", "field"),
    [
        ("crm", URL, ["dispatch"], "name"),
        ("CRM", URL, ["dispatch"], "name"),
        ("", URL, ["dispatch"], "name"),
        ("../x", URL, ["dispatch"], "name"),
        ("new", "http://hooks.example.gov.cn", ["dispatch"], "url"),
        ("new", URL, ["dispatched"], "events"),
        ("new", URL, [], "events"),
    ],
)
def test_a_wrong_subscriber_is_refused(store: Store, name: str, url: str, events: list[str], field: str) -> None:
    add(store)
    with pytest.raises(DispatchError) as refused:
        store.write(lambda connection: hooks.add(connection, name, url, events=events))
    assert (refused.value.kind, refused.value.field) == (ErrorKind.INVALID_PARAMETER, field)


def test_an_address_inside_needs_the_setting(store: Store) -> None:
    inside = networks("10.1.0.0/16")
    hook = store.write(lambda connection: hooks.add(connection, "crm", "http://10.1.0.9/in", inside=inside))
    assert hook.url == "http://10.1.0.9/in"


def test_a_name_entered_again_has_another_secret(store: Store) -> None:
    key = store.seal.hooks
    before = add(store)
    store.write(lambda connection: hooks.remove(connection, "crm"))
    after = add(store)
    assert before.secret(key) != after.secret(key)
    with store.reading() as connection:
        ((fact,),) = connection.execute(select(facts.c.value).where(facts.c.name == HOOKS)).fetchall()
    assert after.secret(key) not in fact


def test_who_is_taken_out_is_told_nothing_more(store: Store) -> None:
    add(store, "crm")
    add(store, "archive")
    store.write(lambda connection: record(connection, "dispatch", "工单-1", {}))
    assert store.write(lambda connection: hooks.remove(connection, "crm")) == 1
    store.write(lambda connection: record(connection, "dispatch", "工单-2", {}))
    assert [row["hook"] for row in outgoing(store)] == ["archive", "archive"]


def test_an_unknown_name_is_told_with_near_ones(store: Store) -> None:
    add(store, "archive")
    with pytest.raises(DispatchError, match="archive") as unknown:
        store.write(lambda connection: hooks.remove(connection, "archiv"))
    assert unknown.value.kind is ErrorKind.NOT_FOUND


def test_who_came_and_went_is_in_the_audit_log(store: Store) -> None:
    url = f"{URL}?token=hidden"
    store.write(lambda connection: hooks.add(connection, "crm", url, events=["return"], actor="cli:me"))
    store.write(lambda connection: hooks.remove(connection, "crm", actor="cli:me"))
    with store.reading() as connection:
        rows = connection.rows(select(audit_events).order_by(audit_events.c.id))
    told = [json.loads(row["details"]) for row in rows]
    assert {(row["actor"], row["action"], row["subject"]) for row in rows} == {("cli:me", "hook", "crm")}
    assert told == [{"change": "add", "url": URL, "events": ["return"]}, {"change": "remove", "messages": 0}]
