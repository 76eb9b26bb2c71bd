import json
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import select

from dispatch_model.errors import DispatchError, ErrorKind
from serving.guard import keys
from serving.guard.scopes import Scope
from serving.store.audit import verify
from serving.store.schema import api_keys, audit_events
from serving.store.store import Store

BOTH = frozenset({Scope.INTAKE, Scope.ADMIN})


def make(store: Store, name: str = "受理系统", expires_at: datetime | None = None) -> tuple[str, keys.Key]:
    key = keys.new_key()
    job = partial(keys.create, key=key, name=name, scopes=BOTH, expires_at=expires_at, actor="cli:t")
    return key, store.write(job)


def test_a_key_is_long_random_and_marked() -> None:
    first, second = keys.new_key(), keys.new_key()
    assert first != second
    assert first.startswith("hd_")
    assert len(first) == 3 + 43  # 32 bytes in base64


def test_what_is_made_is_listed_without_the_key(store: Store) -> None:
    key, made = make(store)
    assert keys.of_store(store) == [made]
    assert (made.name, made.scopes, made.prefix) == ("受理系统", BOTH, key[:11])
    with store.reading() as connection:
        ((*row,),) = connection.execute(select(api_keys)).fetchall()
    assert key not in str(row)
    assert key[11:] not in str(row)


def test_a_key_expires(store: Store) -> None:
    at = datetime.now(UTC) + timedelta(days=1)
    _, made = make(store, expires_at=at)
    (found,) = keys.of_store(store)
    assert found == made
    assert (found.usable(at - timedelta(hours=1)), found.usable(at)) == (True, False)
    assert (found.state(at - timedelta(hours=1)), found.state(at)) == ("有效", "已过期")


def test_revoking_takes_one_key_or_all_of_a_name(store: Store) -> None:
    (_, first), (_, second), (_, third) = make(store), make(store), make(store, "大屏")
    (gone,) = store.write(partial(keys.revoke, which=first.prefix, actor="cli:t"))
    assert gone.id == first.id
    assert [key.id for key in store.write(partial(keys.revoke, which="受理系统", actor="cli:t"))] == [second.id]
    usable = [key.id for key in keys.of_store(store) if key.usable(datetime.now(UTC))]
    assert usable == [third.id]
    with pytest.raises(DispatchError, match="是否想写：大屏") as caught:
        store.write(partial(keys.revoke, which="大屏幕", actor="cli:t"))
    assert caught.value.kind is ErrorKind.NOT_FOUND


def test_the_audit_log_tells_of_both_and_stays_whole(store: Store) -> None:
    key, made = make(store)
    store.write(partial(keys.revoke, which=made.prefix, actor="cli:t"))
    with store.reading() as connection:
        events = connection.rows(select(audit_events).order_by(audit_events.c.id))
        assert not verify(connection).flaws
    assert [(one["action"], one["subject"], one["actor"]) for one in events] == [("key", "受理系统", "cli:t")] * 2
    assert [json.loads(one["details"])["change"] for one in events] == ["create", "revoke"]
    assert key not in str(events)


@pytest.mark.parametrize("name", ["", "  ", "local", "console:zhang", "x" * 65, "a\nb"])
def test_a_name_must_tell_something(store: Store, name: str) -> None:
    with pytest.raises(DispatchError, match="密钥名称"):
        make(store, name)
    assert keys.of_store(store) == []


def test_a_key_must_open_something_and_not_be_over_yet(store: Store) -> None:
    with pytest.raises(DispatchError, match="可用：intake、operator、data、admin"):
        store.write(partial(keys.create, key=keys.new_key(), name="x", scopes=(), actor="cli:t"))
    with pytest.raises(DispatchError, match="到期时间已过"):
        make(store, expires_at=datetime.now(UTC))
