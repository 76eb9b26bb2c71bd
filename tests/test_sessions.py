import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from dispatch_model.errors import DispatchError, ErrorKind
from serving.guard import operators, sessions
from serving.guard.operators import Role
from serving.guard.passwords import Hash
from serving.guard.sessions import Sessions
from serving.store.audit import verify
from serving.store.connection import Connection
from serving.store.schema import audit_events, console_sessions
from serving.store.store import Store

GOOD = "three blue doors"
# Cheap: what these tests prove is not how long a hash takes.
WEAK = Hash(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(GOOD))


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


def nothing(_: Connection) -> None:
    """When it is done, the writer is through with what came before."""


def make(store: Store, login: str = "zhang") -> None:
    add = partial(operators.add, login=login, password=WEAK, name="张三", role=Role.OPERATOR, actor="cli:t")
    store.write(add)


def changes(store: Store) -> list[str]:
    with store.reading() as connection:
        assert not verify(connection).flaws
        rows = connection.rows(select(audit_events).order_by(audit_events.c.id))
    return [f"{row['actor']} {json.loads(row['details'])['change']}" for row in rows]


def test_who_signs_in_is_known_by_the_token_alone(store: Store) -> None:
    make(store)
    desk = Sessions(store)
    token = desk.open(" Zhang ", GOOD, address="10.0.0.7")
    assert len(token) == 43
    found = desk.operator_of(token)
    assert found is not None
    assert found.login == "zhang"
    for wrong in (None, "", token[:-1], token + "x", "\ud83d"):
        assert desk.operator_of(wrong) is None
    with store.reading() as connection:
        (row,) = connection.rows(select(console_sessions))
    assert token not in str(row)
    assert row["address"] == "10.0.0.7"
    assert changes(store) == ["cli:t add", "console:zhang login"]


def test_whatever_is_wrong_is_told_in_the_same_words(store: Store) -> None:
    make(store)
    make(store, "gone")
    store.write(partial(operators.disable, login="gone", actor="cli:t"))
    told = set()
    for login, password in (("zhang", "wrong"), ("nobody", GOOD), ("gone", GOOD), ("zhang", ""), ("", "")):
        with pytest.raises(DispatchError) as caught:
            Sessions(store).open(login, password, address="::1")
        assert caught.value.kind is ErrorKind.UNAUTHORIZED
        told.add((caught.value.message, caught.value.field, caught.value.value))
    assert len(told) == 1


def test_five_failures_hold_a_login_up_wherever_they_come_from(store: Store) -> None:
    make(store)
    make(store, "li")
    desk = Sessions(store)
    for number in range(5):
        with pytest.raises(DispatchError, match="登录名或密码不对"):
            desk.open("zhang", "wrong", address=f"10.0.0.{number}")
    with pytest.raises(DispatchError, match="请在 10 秒后再试") as caught:
        desk.open("ZHANG", GOOD, address="10.0.0.9")
    assert (caught.value.kind, caught.value.retry_after) == (ErrorKind.RATE_LIMITED, 10)
    assert desk.operator_of(desk.open("li", GOOD, address="10.0.0.9"))


def test_many_at_once_are_counted_one_by_one(store: Store) -> None:
    make(store)
    desk = Sessions(store)

    def attempt(_: int) -> ErrorKind:
        with pytest.raises(DispatchError) as caught:
            desk.open("zhang", "wrong", address="10.0.0.7")
        return caught.value.kind

    with ThreadPoolExecutor(12) as pool:
        told = Counter(pool.map(attempt, range(12)))
    assert told == {ErrorKind.UNAUTHORIZED: 5, ErrorKind.RATE_LIMITED: 7}


def test_failures_hold_an_address_up_whoever_it_names(store: Store) -> None:
    make(store)
    desk = Sessions(store)
    for number in range(sessions.ADDRESS_FAILURES):
        with pytest.raises(DispatchError, match="登录名或密码不对"):
            desk.open(f"nobody{number}", "wrong", address="10.0.0.7")
    with pytest.raises(DispatchError, match="登录失败次数过多"):
        desk.open("zhang", GOOD, address="10.0.0.7")
    assert desk.operator_of(desk.open("zhang", GOOD, address="10.0.0.8"))


def test_who_signs_in_often_is_not_held_up(store: Store) -> None:
    make(store)
    desk = Sessions(store)
    for _ in range(2 * sessions.ADDRESS_FAILURES):
        desk.open("zhang", GOOD, address="10.0.0.7")


def test_a_session_ends_when_nobody_is_there_and_in_any_case(store: Store) -> None:
    make(store)
    clock = Clock()
    desk = Sessions(store, idle=timedelta(hours=8), longest=timedelta(hours=24), clock=clock)
    token = desk.open("zhang", GOOD, address="::1")
    for _ in range(3):
        clock.now += timedelta(hours=7, minutes=59)
        assert desk.operator_of(token)
        store.write(nothing)
    clock.now += timedelta(minutes=4)
    assert desk.operator_of(token) is None
    token = desk.open("zhang", GOOD, address="::1")
    with store.reading() as connection:
        assert len(connection.rows(select(console_sessions))) == 1  # the old one was swept out
    clock.now += timedelta(hours=8)
    assert desk.operator_of(token) is None


def test_a_page_that_brings_itself_up_to_date_does_not_keep_a_session(store: Store) -> None:
    make(store)
    clock = Clock()
    desk = Sessions(store, idle=timedelta(hours=8), clock=clock)
    token = desk.open("zhang", GOOD, address="::1")
    clock.now += timedelta(hours=7)
    assert desk.operator_of(token, seen=False)
    store.write(nothing)
    clock.now += timedelta(hours=1)
    assert desk.operator_of(token, seen=False) is None


def test_being_there_is_written_down_once_a_minute(store: Store) -> None:
    make(store)
    clock = Clock()
    desk = Sessions(store, clock=clock)
    token = desk.open("zhang", GOOD, address="::1")

    def seen() -> str:
        desk.operator_of(token)
        store.write(nothing)
        with store.reading() as connection:
            ((at,),) = connection.execute(select(console_sessions.c.seen_at)).fetchall()
        return str(at)

    first = seen()
    clock.now += timedelta(seconds=59)
    assert seen() == first
    clock.now += timedelta(seconds=1)
    assert seen() > first


def test_signing_out_ends_one_session_or_all(store: Store) -> None:
    make(store)
    desk = Sessions(store)
    first, second, third = (desk.open("zhang", GOOD, address="::1") for _ in range(3))
    desk.close(first)
    desk.close(first)
    assert [desk.operator_of(token) is None for token in (first, second)] == [True, False]
    with store.reading() as connection:
        assert sessions.count(connection) == {"zhang": 2}
    assert desk.close_all("zhang") == 2
    assert desk.close_all("zhang", actor="cli:t") == 0
    assert desk.operator_of(third) is None
    assert changes(store)[-2:] == ["console:zhang logout"] * 2
    with pytest.raises(DispatchError, match="没有操作员 li"):
        desk.close_all("li")


def test_who_is_disabled_or_has_a_new_password_is_out_at_once(store: Store) -> None:
    make(store)
    desk = Sessions(store)
    token = desk.open("zhang", GOOD, address="::1")
    store.write(partial(operators.disable, login="zhang", actor="cli:t"))
    assert desk.operator_of(token) is None
    store.write(partial(operators.enable, login="zhang", actor="cli:t"))
    assert desk.operator_of(token) is None
    token = desk.open("zhang", GOOD, address="::1")
    store.write(partial(operators.set_password, login="zhang", password=WEAK, actor="cli:t"))
    assert desk.operator_of(token) is None


def test_a_weak_hash_is_renewed_at_the_first_sign_in(store: Store) -> None:
    make(store)
    desk = Sessions(store)
    desk.open("zhang", GOOD, address="::1")
    with store.reading() as connection:
        kept = operators.password_of(connection, "zhang")
    assert kept is not None
    assert "m=65536,t=3,p=4" in kept
    assert desk.operator_of(desk.open("zhang", GOOD, address="::1"))


def test_a_password_that_changes_while_one_signs_in_does_not_let_in(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(store)
    desk = Sessions(store)
    kept = desk._kept("zhang")
    monkeypatch.setattr(desk, "_kept", lambda login: kept if login == "zhang" else None)
    job = partial(operators.set_password, login="zhang", password=Hash("another"), actor="cli:t")
    store.write(job)
    with pytest.raises(DispatchError, match="密码刚刚被更改"):
        desk.open("zhang", GOOD, address="::1")


def test_anybody(store: Store) -> None:
    desk = Sessions(store)
    assert not desk.anybody()
    make(store)
    assert desk.anybody()
