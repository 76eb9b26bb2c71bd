import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from dispatch_model.errors import DispatchError, ErrorKind
from serving.cases import decisions, returns
from serving.cases.casefile import CaseFile
from serving.cases_wire import Accept, Return, Review
from serving.guard.guard import LOCAL
from serving.routing import Router
from serving.settings import Settings
from serving.store import audit, events
from serving.store.audit import Head, Report, verify
from serving.store.erasure import erase
from serving.store.store import Store

TABLES = ("audit_events", "cases", "decisions", "returns", "return_reviews", "routings")


def check(store: Store, head: Head | None = None) -> Report:
    with store.reading() as connection:
        return verify(connection, head=head)


@pytest.fixture
def lived(store: Store, ruled: Router, routed: Callable[..., None]) -> Store:
    """Events 1–3: three cases routed; 4 a decision, 5 its return, 6 the review, 7 the re-dispatch of case 2."""
    for number in "123":
        routed(number)

    def work(connection: Any) -> None:
        wish = Accept(action="accept", note="甲")
        case = CaseFile.read(connection, "2")
        decisions.write(connection, wish, decisions.prepare(ruled, case, wish, LOCAL), LOCAL)
        objection = returns.prepare(ruled, case, Return.model_validate({"reason": "职能不符", "note": "乙"}), LOCAL)
        returns.write(connection, objection)
        returns.review(connection, "2", Review(verdict="upheld"), LOCAL)
        decisions.write(connection, wish, decisions.prepare(ruled, case, wish, LOCAL), LOCAL)

    store.write(work)
    return store


@contextmanager
def intruder(store: Store, database_url: Path | str) -> Iterator[Callable[[str], object]]:
    """Somebody who may write the database, and takes the triggers away first."""
    if isinstance(database_url, Path):
        connection = sqlite3.connect(database_url, isolation_level=None)
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("PRAGMA foreign_keys = OFF")
        yield connection.execute
        connection.close()
        return

    def act(connection: Any) -> None:
        for table in TABLES:
            connection.run(f"ALTER TABLE {table} DISABLE TRIGGER ALL")

    store.write(act)
    yield lambda text: store.write(lambda connection: connection.run(text) and None)


def test_a_chain_nobody_touched_is_whole(lived: Store) -> None:
    report = check(lived)
    assert (report.flaws, report.flawed, report.events, report.earlier) == ([], 0, 7, 0)
    assert report.rows == {"routings": 3, "decisions": 2, "returns": 1, "return_reviews": 1}
    assert report.head.number == 7
    assert check(lived, report.head).flaws == []


def test_an_empty_chain_is_whole(store: Store) -> None:
    report = check(store)
    assert (report.flaws, report.events, str(report.head)) == ([], 0, f"0:{events.ROOT}")


@pytest.mark.parametrize(
    ("tampering", "flaws"),
    [
        ("UPDATE audit_events SET actor = 'x' WHERE id = 4", ["审计事件第 4 号被改动"]),
        ("UPDATE audit_events SET subject = '9' WHERE id = 7", ["审计事件第 7 号被改动"]),
        ("UPDATE audit_events SET at = '2020-01-01 00:00:00.000000' WHERE id = 1", ["审计事件第 1 号被改动"]),
        ("UPDATE audit_events SET details = '{}' WHERE id = 5", ["审计事件第 5 号被改动", "returns 第 1 行没有"]),
        ("UPDATE audit_events SET details = 'x' WHERE id = 5", ["审计事件第 5 号被改动", "returns 第 1 行没有"]),
        ("DELETE FROM audit_events WHERE id = 2", ["审计事件第 2 号缺失", "routings 第 2 行没有对应的审计事件"]),
        (
            "DELETE FROM audit_events WHERE id IN (4, 5)",
            ["第 4 至 5 号缺失", "decisions 第 1 行没有", "returns 第 1 行"],
        ),
        ("DELETE FROM audit_events WHERE id = 7", ["decisions 第 2 行没有对应的审计事件"]),
        ("UPDATE decisions SET unit_name = 'x' WHERE id = 1", ["decisions 第 1 行被改动（审计事件第 4 号为证）"]),
        ("UPDATE decisions SET note = 'x' WHERE id = 1", ["decisions 第 1 行的 note 被改动"]),
        ("UPDATE return_reviews SET outcome = 'rejected'", ["return_reviews 第 1 行被改动"]),
        ("UPDATE routings SET answer = '{}' WHERE id = 3", ["routings 第 3 行的 answer 被改动"]),
        ("UPDATE routings SET unit = 'x' WHERE id = 3", ["routings 第 3 行被改动"]),
        ("DELETE FROM return_reviews", ["return_reviews 第 1 行缺失（审计事件第 6 号为证）"]),
        ("UPDATE cases SET transcript = '\"x\"' WHERE case_id = '1'", ["cases 的工单 1 被改动（审计事件第 1 号为证）"]),
        ("UPDATE cases SET caller = 'x' WHERE case_id = '3'", ["cases 的工单 3 被改动"]),
        ("UPDATE cases SET stored_at = '2020-01-01 00:00:00.000000' WHERE case_id = '3'", ["cases 的工单 3 被改动"]),
    ],
)
def test_whatever_was_tampered_with_is_named(
    lived: Store, database_url: Path | str, tampering: str, flaws: list[str]
) -> None:
    with intruder(lived, database_url) as act:
        act(tampering)
    found = check(lived).flaws
    assert len(found) == len(flaws), found
    assert all(said in flaw for said, flaw in zip(flaws, found, strict=True)), found


def test_two_events_that_changed_places_are_named(lived: Store, database_url: Path | str) -> None:
    with intruder(lived, database_url) as act:
        for old, new in ((2, 99), (3, 2), (99, 3)):
            act(f"UPDATE audit_events SET id = {new} WHERE id = {old}")
    found = check(lived).flaws
    assert [flaw for flaw in found if "第 2 号" in flaw]
    assert [flaw for flaw in found if "第 3 号" in flaw]


def test_an_event_rewritten_with_its_hash_no_longer_fits_the_next(lived: Store, database_url: Path | str) -> None:
    with lived.reading() as connection:
        (event,) = connection.rows(audit._EVENTS, {"after": 3})[:1]
    digest = events.chained(event["prev_hash"], {**event, "actor": "x"})
    with intruder(lived, database_url) as act:
        act(f"UPDATE audit_events SET actor = 'x', hash = '{digest}' WHERE id = 4")
    assert check(lived).flaws == ["审计事件第 5 号不接于其前一号：二者之一被改动或调换"]


def test_a_row_that_was_slipped_in_is_named(lived: Store, database_url: Path | str) -> None:
    with lived.reading() as connection:
        names = ", ".join(
            f'"{name}"' for name in connection.rows(audit._ROW["decisions"], {"id": 1})[0] if name != "id"
        )
    with intruder(lived, database_url) as act:
        act(f"INSERT INTO decisions (id, {names}) SELECT 50, {names} FROM decisions WHERE id = 1")
    assert check(lived).flaws == ["decisions 第 50 行没有对应的审计事件"]


def test_an_end_that_was_cut_off_with_its_rows_is_found_by_the_noted_head(
    lived: Store, database_url: Path | str
) -> None:
    head = check(lived).head
    with intruder(lived, database_url) as act:
        act("DELETE FROM audit_events WHERE id = 7")
        act("DELETE FROM decisions WHERE id = 2")
    assert check(lived).flaws == []
    assert check(lived, head).flaws == ["链尾缺失：应至少有第 7 号事件，现只到第 6 号"]
    assert check(lived, Head(6, events.ROOT)).flaws == ["审计事件第 6 号与所记链头不符：此前的链被改写"]


def test_erasure_leaves_the_chain_whole(lived: Store, database_url: Path | str) -> None:
    lived.write(partial(erase, case_ids=["2"], actor="cli:t"))
    assert check(lived).flaws == []
    with intruder(lived, database_url) as act:
        act("UPDATE decisions SET note = 'x' WHERE id = 1")
        act("UPDATE routings SET answer = '{}' WHERE case_id = '2'")
        act("UPDATE cases SET transcript = '\"x\"' WHERE case_id = '2'")
    found = check(lived).flaws
    assert len(found) == 3, found
    wanted = ("routings 第 2 行的 answer 被改动", "cases 的工单 2 被改动", "decisions 第 1 行的 note 被改动")
    assert all(any(said in flaw for flaw in found) for said in wanted), found


def test_blanks_that_nobody_erased_are_named(lived: Store, database_url: Path | str) -> None:
    with intruder(lived, database_url) as act:
        act("UPDATE cases SET transcript = '\"\"', address = NULL, digests = NULL, caller = NULL WHERE case_id = '2'")
        act("UPDATE decisions SET note = '' WHERE id = 1")
    found = check(lived).flaws
    assert len(found) == 2, found


def test_a_case_that_was_taken_out_is_named(lived: Store, database_url: Path | str) -> None:
    if not isinstance(database_url, Path):
        pytest.skip("PostgreSQL 的外键不容许")
    with intruder(lived, database_url) as act:
        act("DELETE FROM cases WHERE case_id = '1'")
    assert check(lived).flaws == ["cases 的工单 1 缺失（审计事件第 1 号为证）"]


def test_routings_from_before_the_chain_are_only_counted(
    store: Store, database_url: Path | str, routed: Callable[..., None]
) -> None:
    routed("1")
    with intruder(store, database_url) as act:
        act("DELETE FROM audit_events")
    assert (check(store).flaws, check(store).earlier) == ([], 1)
    routed("2")
    report = check(store)
    assert (report.flaws, report.earlier, report.rows["routings"]) == ([], 1, 1)


def test_the_walk_goes_over_pages(lived: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = check(lived)
    monkeypatch.setattr(audit, "_EVENTS", audit._EVENTS.limit(2))
    monkeypatch.setattr(audit, "_NUMBERS", {name: query.limit(2) for name, query in audit._NUMBERS.items()})
    assert check(lived) == whole


def test_many_flaws_are_counted(lived: Store, database_url: Path | str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "MOST_FLAWS", 2)
    with intruder(lived, database_url) as act:
        act("UPDATE audit_events SET actor = 'x'")
    report = check(lived)
    assert (len(report.flaws), report.flawed) == (2, 7)
    lines = list(report.lines())
    assert lines[2:4] == ["……另有 5 处", "7 个事件，所证 7 行，7 处问题"]


def test_no_personal_text_is_in_the_chain(lived: Store) -> None:
    with lived.reading() as connection:
        details = [json.loads(event["details"]) for event in connection.rows(audit._EVENTS, {"after": 0})]
    assert all(not {"note", "clause", "transcript", "answer", "address"} & told.keys() for told in details)


@pytest.mark.parametrize("text", ["", "7", "x:1", f"7:{'0' * 63}"])
def test_a_head_is_a_number_and_a_hash(text: str) -> None:
    with pytest.raises(DispatchError, match="链头") as caught:
        Head.parse(text)
    assert caught.value.kind is ErrorKind.INVALID_PARAMETER
    assert str(Head.parse(f" 7:{events.ROOT}\n")) == f"7:{events.ROOT}"


def test_looking_makes_no_database(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with pytest.raises(DispatchError, match="没有数据库"), audit.opened(settings):
        pass
    assert list(tmp_path.iterdir()) == []
    Store.of(settings).close()
    with audit.opened(settings) as connection:
        assert verify(connection).flaws == []
