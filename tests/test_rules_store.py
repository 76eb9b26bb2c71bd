import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from dispatch_model.cases import CHINA_TIME
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.rules import RuleKind
from serving.rules.store import Action, Draft, Revision, RuleStore
from serving.store.schema import audit_events
from serving.store.store import Store

LIST = RuleKind.ACCESS_LIST


def draft(version: str, content: str = "id,matter\n", origin: int | None = None, kind: RuleKind = LIST) -> Draft:
    action = Action.UPLOAD if origin is None else Action.ROLLBACK
    return Draft(kind, version, action, 1, content.encode(), "admin", "因机构改革", origin)


def add(rules: RuleStore, one: Draft) -> Revision:
    return rules.add([one], rules.heads().get(one.kind, 0), {})


def test_the_newest_revision_of_each_kind_is_in_force(store: Store) -> None:
    rules = RuleStore(store)
    assert rules.heads() == {}
    first, second = add(rules, draft("1-a")), add(rules, draft("1-b", "id,matter\nx,y\n"))
    other = add(rules, draft("2", kind=RuleKind.TRIGGERS))
    assert rules.heads() == {LIST: second.id, RuleKind.TRIGGERS: other.id}
    assert first.id < second.id < other.id
    assert rules.revision(second.id) == second
    assert rules.content(second) == b"id,matter\nx,y\n"
    assert rules.history(LIST) == (second, first)


def test_a_revision_says_who_when_and_what(store: Store) -> None:
    told = Draft(LIST, "1", Action.SHIPPED, 7, b"abc", since=datetime(2026, 5, 1, 0, 30, tzinfo=UTC))
    found = add(RuleStore(store), told)
    assert (found.version, found.action, found.rows, found.author, found.origin) == ("1", "shipped", 7, "", found.id)
    assert found.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert found.since == datetime(2026, 5, 1, 8, 30, tzinfo=CHINA_TIME)


def test_who_changes_what_is_no_longer_in_force_is_told(store: Store) -> None:
    rules = RuleStore(store)
    head = add(rules, draft("1")).id
    rules.add([draft("2")], head, {})
    with pytest.raises(DispatchError, match="已被他人更改") as caught:
        rules.add([draft("3")], head, {})
    assert caught.value.kind is ErrorKind.RULES_CONFLICT
    assert [one.version for one in rules.history(LIST)] == ["2", "1"]


def test_each_revision_leaves_one_audit_event_in_the_same_transaction(store: Store) -> None:
    rules = RuleStore(store)
    revision = rules.add([draft("1"), draft("2")], 0, {"replaced": "1"})
    with store.reading() as connection:
        events = connection.rows(select(audit_events).order_by(audit_events.c.id))
    assert {(event["actor"], event["action"], event["subject"]) for event in events} == {
        ("admin", "rules", "access_list")
    }
    first, second = (json.loads(event["details"]) for event in events)
    assert (first["version"], "replaced" in first) == ("1", False)
    assert second.pop("stamp")
    assert second == {
        "action": "upload",
        "id": revision.id,
        "version": "2",
        "rows": 1,
        "sha256": revision.sha256,
        "note": "因机构改革",
        "replaced": "1",
    }


def test_a_failed_audit_stores_no_revision(store: Store) -> None:
    store.write(lambda connection: connection.run("DROP TABLE audit_events"))
    rules = RuleStore(store)
    with pytest.raises(DispatchError) as caught:
        add(rules, draft("1"))
    assert caught.value.kind is ErrorKind.STORE_UNAVAILABLE
    assert rules.heads() == {}


@pytest.mark.parametrize("statement", ["UPDATE {} SET id = 9", "DELETE FROM {}"])
@pytest.mark.parametrize("table", ["rule_versions", "audit_events"])
def test_what_was_written_cannot_be_changed(store: Store, table: str, statement: str) -> None:
    add(RuleStore(store), draft("1"))
    with pytest.raises(DispatchError, match=f"{table} is append-only"):
        store.write(lambda connection: connection.run(statement.format(table)))


def test_two_who_change_the_same_rules_at_once_are_not_both_right(database_url: Path | str, store: Store) -> None:
    other = Store.open(database_url, seal=store.seal)

    def change(which: Store) -> str:
        try:
            return RuleStore(which).add([draft("1")], 0, {}).version
        except DispatchError as error:
            return error.kind.value

    with ThreadPoolExecutor(2) as pool:
        told = sorted(pool.map(change, [store, other]))
    other.close()
    assert told == ["1", "rules_conflict"]
    assert len(RuleStore(store).history(LIST)) == 1


def test_going_back_twice_goes_back_two_steps(store: Store) -> None:
    rules = RuleStore(store)
    assert rules.previous(LIST) is None
    one, two, three = (add(rules, draft(version)) for version in "123")
    assert rules.previous(LIST) == two
    add(rules, draft("2", origin=two.id))
    assert rules.previous(LIST) == one
    add(rules, draft("1", origin=one.id))
    assert rules.previous(LIST) is None
    add(rules, draft("3", origin=three.id))
    assert rules.previous(LIST) == two


def test_a_row_has_its_history(store: Store) -> None:
    rules = RuleStore(store)
    add(rules, draft("1", "id,matter\nA-1,路灯\nA-10,井盖\n"))
    add(rules, draft("2", "id,matter\nA-1,路灯\nA-10,井盖\nB-1,公厕\n"))
    add(rules, draft("3", 'id,matter\nA-1,"路灯，\n和灯杆"\nB-1,公厕\n'))
    add(rules, draft("4", "id,matter\nB-1,公厕\n"))
    told = [(one.revision.version, one.cells and one.cells["matter"]) for one in rules.row_history(LIST, "A-1")]
    assert told == [("4", None), ("3", "路灯，\n和灯杆"), ("1", "路灯")]
    assert [one.revision.version for one in rules.row_history(LIST, "B-1")] == ["2"]
    assert rules.row_history(LIST, "A") == ()


def test_the_newest_revisions_are_found_without_reading_a_row(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "dispatch.db")
    with store.reading() as connection:
        plan = connection.run("EXPLAIN QUERY PLAN SELECT kind, max(id) FROM rule_versions GROUP BY kind").fetchall()
    store.close()
    assert "COVERING INDEX ix_rule_versions_kind" in str(plan)


def test_an_unreadable_store_is_told(store: Store) -> None:
    store.write(lambda connection: connection.run("DROP TABLE rule_versions"))
    with pytest.raises(DispatchError) as caught:
        RuleStore(store).heads()
    assert caught.value.kind is ErrorKind.STORE_UNAVAILABLE
