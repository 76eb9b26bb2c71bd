from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import bindparam, delete, insert, select, text, update

from serving.store.connection import Connection
from serving.store.database import open_database
from serving.store.migrate import upgrade
from serving.store.schema import cases, outbox

CASE: dict[str, Any] = {"case_id": "1", "transcript": "甲", "stored_at": "2026-05-01 00:30:00.000000"}
MESSAGE: dict[str, Any] = {
    "hook": "h",
    "event": "dispatch",
    "case_id": "1",
    "payload": "{}",
    "created_at": "2026-05-01 00:30:00.120000",
    "next_at": "2026-05-01 00:30:00.000001",
}


@pytest.fixture
def connection(database_url: Path | str) -> Iterator[Connection]:
    database = open_database(database_url)
    upgrade(database)
    opened = database.connect()
    yield opened
    opened.close()


def test_an_insert_fills_the_columns_it_is_given(connection: Connection) -> None:
    adding = insert(cases)
    connection.execute(adding, CASE)
    connection.execute(adding, {**CASE, "case_id": "2", "city": "海口市"})
    found = connection.rows(select(cases.c.case_id, cases.c.city).order_by(cases.c.case_id))
    assert found == [{"case_id": "1", "city": None}, {"case_id": "2", "city": "海口市"}]


def test_a_numbered_row_tells_its_number_and_takes_its_defaults(connection: Connection) -> None:
    first, second = connection.add(outbox, MESSAGE), connection.add(outbox, MESSAGE)
    assert second > first
    (row,) = connection.rows(select(outbox).where(outbox.c.id == bindparam("id")), {"id": second})
    assert (row["state"], row["attempts"], row["ended_at"]) == ("pending", 0, None)


def test_moments_come_back_as_they_went_in(connection: Connection) -> None:
    number = connection.add(outbox, MESSAGE)
    found = select(outbox.c.created_at, outbox.c.next_at).where(outbox.c.id == number)
    assert connection.execute(found).fetchall() == [(MESSAGE["created_at"], MESSAGE["next_at"])]
    later = select(outbox.c.id).where(outbox.c.created_at > bindparam("since"))
    assert connection.execute(later, {"since": "2026-05-01 00:30:00.119999"}).fetchall() == [(number,)]
    assert connection.execute(later, {"since": MESSAGE["created_at"]}).fetchall() == []


def test_values_in_the_statement_itself_are_kept(connection: Connection) -> None:
    for name in "123":
        connection.execute(insert(cases), {**CASE, "case_id": name})
    some = select(cases.c.case_id).where(cases.c.case_id.in_(["1", "3", "9"])).order_by(cases.c.case_id).limit(5)
    assert connection.execute(some).fetchall() == [("1",), ("3",)]
    assert connection.execute(some.offset(1)).fetchall() == [("3",)]
    assert connection.execute(select(cases.c.case_id).where(cases.c.city == "%(x)s :y ?")).fetchall() == []


def test_changing_and_deleting_tell_how_many(connection: Connection) -> None:
    for name in "12":
        connection.execute(insert(cases), {**CASE, "case_id": name})
    changing = update(cases).where(cases.c.case_id == bindparam("which")).values(city=bindparam("city"))
    assert connection.execute(changing, {"which": "1", "city": None}).rowcount == 1
    assert connection.execute(changing, {"which": "9", "city": None}).rowcount == 0
    assert connection.execute(delete(cases)).rowcount == 2


def test_text_with_parameters(connection: Connection) -> None:
    assert connection.execute(text("SELECT :a || '%' "), {"a": "1"}).fetchall() == [("1%",)]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_many_rows_give_many_results(connection: Connection, count: int) -> None:
    adding = insert(cases).returning(cases.c.case_id)
    rows = [{**CASE, "case_id": str(number)} for number in range(count)]
    assert connection.each(adding, rows) == [[(str(number),)] for number in range(count)]
    finding = select(cases.c.case_id).where(cases.c.case_id == bindparam("case_id"))
    assert connection.each(finding, [{"case_id": "0"}, {"case_id": "x"}]) == [[("0",)] if count else [], []]
    assert connection.each(delete(cases).where(cases.c.case_id == bindparam("case_id")), rows) == [[]] * count


def test_a_statement_is_compiled_once(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    finding = select(cases.c.case_id)
    connection.execute(finding)
    monkeypatch.setattr(type(finding), "compile", lambda *_, **__: pytest.fail("compiled again"))
    connection.execute(finding)
