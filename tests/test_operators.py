import json
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from dispatch_model.errors import DispatchError, ErrorKind
from serving.guard import operators
from serving.guard.operators import Operator, Role
from serving.guard.passwords import Hash
from serving.guard.scopes import Scope
from serving.store import moments
from serving.store.audit import verify
from serving.store.schema import audit_events, console_sessions
from serving.store.store import Store

HASH = Hash("a hash")
AT = "2026-05-01 00:30:00.000000"


def make(store: Store, login: str = "zhang", name: str = "张三", role: Role = Role.OPERATOR) -> Operator:
    return store.write(partial(operators.add, login=login, password=HASH, name=name, role=role, actor="cli:t"))


def told(store: Store) -> list[tuple[Any, ...]]:
    with store.reading() as connection:
        assert not verify(connection).flaws
        rows = connection.rows(select(audit_events).order_by(audit_events.c.id))
    assert {row["action"] for row in rows} <= {"operator"}
    return [(row["subject"], row["actor"], json.loads(row["details"])["change"]) for row in rows]


def sign_in(store: Store, login: str) -> None:
    row = {"hash": login * 3, "login": login, "address": "::1", "opened_at": AT, "seen_at": AT}
    store.write(lambda connection: connection.execute(console_sessions.insert(), row).rowcount)


def signed_in(store: Store) -> list[str]:
    with store.reading() as connection:
        return [login for (login,) in connection.execute(select(console_sessions.c.login)).fetchall()]


def test_a_role_may_what_the_ones_before_may() -> None:
    for place, role in enumerate(Role):
        assert [role.may(needed) for needed in Role] == [place >= index for index in range(3)]
    assert [role.word for role in Role] == ["派单员", "主管", "管理员"]


def test_who_is_entered_is_found(store: Store) -> None:
    made = make(store)
    with store.reading() as connection:
        assert operators.all_(connection) == [made]
        assert operators.find(connection, "zhang") == made
        assert operators.find(connection, "li") is None
        assert operators.password_of(connection, "zhang") == HASH
        assert operators.password_of(connection, "li") is None
    assert (made.name, made.role, made.disabled_at) == ("张三", Role.OPERATOR, None)
    assert told(store) == [("zhang", "cli:t", "add")]


def test_the_role_says_what_the_service_allows() -> None:
    scopes = {}
    for role in Role:
        actor = Operator("zhang", "张三", role, created_at=moments.read(AT)).actor
        assert actor.name == "console:zhang"
        scopes[role] = actor.scopes
    assert scopes[Role.OPERATOR] == {Scope.OPERATOR}
    assert scopes[Role.SUPERVISOR] == {Scope.OPERATOR, Scope.DATA, Scope.ADMIN}
    assert scopes[Role.ADMIN] == set(Scope)


@pytest.mark.parametrize(
    "login", ["", "z", "13800000000", "Zhang", "张三", "-zhang", "zhang san", "z" * 33, "zhang\n", "z:x"]
)
def test_a_login_is_plain(store: Store, login: str) -> None:
    with pytest.raises(DispatchError, match="登录名"):
        make(store, login)
    assert told(store) == []


@pytest.mark.parametrize("name", ["", " ", "张\n三", "张" * 65])
def test_a_name_can_be_read(store: Store, name: str) -> None:
    with pytest.raises(DispatchError, match="姓名"):
        make(store, name=name)


def test_a_login_is_given_once(store: Store) -> None:
    make(store)
    with pytest.raises(DispatchError, match="登录名 zhang 已归 张三"):
        make(store, name="张四")
    assert len(told(store)) == 1


def test_who_is_disabled_is_signed_out_and_may_come_back(store: Store) -> None:
    make(store)
    make(store, "li", "李四")
    sign_in(store, "zhang")
    sign_in(store, "li")
    gone = store.write(partial(operators.disable, login="zhang", actor="cli:t"))
    assert gone.disabled_at is not None
    assert signed_in(store) == ["li"]
    again = store.write(partial(operators.disable, login="zhang", actor="cli:t"))
    assert again == gone  # nothing happened: nothing to tell
    back = store.write(partial(operators.enable, login="zhang", actor="cli:t"))
    assert back.disabled_at is None
    assert [change for _, _, change in told(store)] == ["add", "add", "disable", "enable"]


def test_a_new_password_signs_out_and_is_not_in_the_log(store: Store) -> None:
    make(store)
    sign_in(store, "zhang")
    store.write(partial(operators.set_password, login="zhang", password=Hash("another"), actor="cli:t"))
    with store.reading() as connection:
        assert operators.password_of(connection, "zhang") == "another"
        assert "another" not in str(connection.rows(select(audit_events)))
    assert signed_in(store) == []
    assert [change for _, _, change in told(store)] == ["add", "password"]


def test_a_hash_is_renewed_unless_the_password_changed_meanwhile(store: Store) -> None:
    make(store)
    for before, after in ((Hash("stale"), Hash("wrong")), (HASH, Hash("renewed"))):
        store.write(partial(operators.renew, login="zhang", before=before, after=after))
    with store.reading() as connection:
        assert operators.password_of(connection, "zhang") == "renewed"
    assert len(told(store)) == 1


@pytest.mark.parametrize("job", [operators.disable, operators.enable, partial(operators.set_password, password=HASH)])
def test_who_is_not_there_is_told_with_near_logins(store: Store, job: Any) -> None:
    make(store, "zhangsan")
    with pytest.raises(DispatchError, match="是否想写：zhangsan") as caught:
        store.write(partial(job, login="zhangsna", actor="cli:t"))
    assert caught.value.kind is ErrorKind.NOT_FOUND
