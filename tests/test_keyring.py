import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from dispatch_model.errors import DispatchError, ErrorKind
from serving.guard import keyring
from serving.guard.keyring import Keyring, check_exposed, is_public
from serving.guard.keys import PREFIX_CHARS, Key, hashed, new_key
from serving.guard.scopes import Scope

NOW = datetime.now(UTC)


def known(key: str, number: int = 1, *, expires_at: datetime | None = None, revoked_at: datetime | None = None) -> Key:
    scopes = frozenset({Scope.INTAKE})
    return Key(number, "甲", key[:PREFIX_CHARS], hashed(key), scopes, NOW, expires_at, revoked_at)


def ring(*keys: Key, public: bool = False) -> Keyring:
    found = Keyring(public=public)
    found.take(keys)
    return found


def test_a_key_is_found_by_all_of_its_characters() -> None:
    key = new_key()
    assert ring(known(key)).find(key) == known(key)


def test_keys_that_begin_alike_are_told_apart() -> None:
    first = new_key()
    second = first[:-1] + ("A" if first[-1] != "A" else "B")
    both = ring(known(first, 1), known(second, 2))
    assert (both.find(first).id, both.find(second).id) == (1, 2)


@pytest.mark.parametrize("cut", [slice(0, 0), slice(0, -1), slice(0, PREFIX_CHARS), slice(1, None)])
def test_less_than_the_key_is_wrong(cut: slice) -> None:
    key = new_key()
    with pytest.raises(DispatchError, match="密钥不对") as caught:
        ring(known(key)).find(key[cut])
    assert caught.value.kind is ErrorKind.UNAUTHORIZED
    assert key not in str(caught.value)


def test_a_key_that_ended_says_so() -> None:
    key, at = new_key(), NOW - timedelta(seconds=1)
    with pytest.raises(DispatchError, match="已撤销"):
        ring(known(key, revoked_at=at)).find(key)
    with pytest.raises(DispatchError, match="已过期"):
        ring(known(key, expires_at=at)).find(key)


def test_it_is_open_only_where_no_key_was_ever_made_and_nobody_else_can_connect() -> None:
    assert ring().open
    assert not ring(public=True).open
    assert not ring(known(new_key())).open
    assert not ring(known(new_key(), revoked_at=NOW)).open


def test_it_follows_what_the_store_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring, "LOOK_SECONDS", 0.01)
    key = new_key()
    answers: list[Sequence[Key] | DispatchError] = [[]]

    def load() -> Sequence[Key]:
        if isinstance(answers[0], DispatchError):
            raise answers[0]
        return answers[0]

    following = Keyring()
    following.start(load)
    assert following.open
    answers[0] = [known(key)]
    assert _soon(lambda: not following.open)
    answers[0] = DispatchError(ErrorKind.STORE_UNAVAILABLE, "away")
    time.sleep(0.05)
    assert following.find(key).name == "甲"
    following.close()
    answers[0] = []
    time.sleep(0.05)
    assert not following.open


def _soon(met: Callable[[], bool]) -> bool:
    end = time.monotonic() + 5
    while not met() and time.monotonic() < end:
        time.sleep(0.005)
    return met()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost", "LOCALHOST"])
def test_a_loopback_address_is_not_public(host: str) -> None:
    assert not is_public(host)
    check_exposed(host, [])


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.8", "dispatch.example", "localhost.example"])
def test_any_other_needs_a_key_in_force(host: str) -> None:
    assert is_public(host)
    check_exposed(host, [known(new_key())])
    for none in ([], [known(new_key(), revoked_at=NOW)], [known(new_key(), expires_at=NOW)]):
        with pytest.raises(DispatchError, match="dispatch keys create") as caught:
            check_exposed(host, none)
        assert (caught.value.kind, caught.value.field) == (ErrorKind.INVALID_CONFIG, "host")
