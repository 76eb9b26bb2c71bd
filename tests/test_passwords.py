from time import process_time

import pytest
from argon2 import PasswordHasher, extract_parameters

from dispatch_model.errors import DispatchError
from serving.guard.passwords import _NOBODY, Hash, hashed, matches, renewed

GOOD = "榕树下的蓝铁门7"
WIDE = "ａｂｃｄｅｆｇｈｉｊ"  # as an input method set to full width types it


def test_what_is_kept_is_argon2id_with_a_salt_of_its_own() -> None:
    first, second = hashed(GOOD * 2, "zhang"), hashed(GOOD * 2, "zhang")
    assert first.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert first != second
    assert GOOD not in first
    assert (matches(first, GOOD * 2), matches(first, GOOD)) == (True, False)


@pytest.mark.parametrize("password", ["", "123456789", "x" * 129, "ZhangSan.01"])
def test_a_password_is_long_and_not_the_login(password: str) -> None:
    with pytest.raises(DispatchError, match="请换一个"):
        hashed(password, "zhangsan.01")


def test_ten_characters_are_enough_whatever_their_width() -> None:
    assert matches(hashed(WIDE, "zhang"), "abcdefghij")


def test_half_an_emoji_is_a_character_too() -> None:
    assert matches(hashed("123456789\ud83d", "zhang"), "123456789\ud83d")


def test_nobody_has_no_password() -> None:
    assert not matches(None, "")
    assert not matches(Hash("no hash"), GOOD)
    kept = hashed("x" * 128, "zhang")
    assert (matches(kept, "x" * 128), matches(kept, "x" * 129)) == (True, False)


def test_an_unknown_login_takes_as_long() -> None:
    """The same work by the same parameters: timing it would fail on a busy machine."""
    kept = hashed("0123456789", "zhang")
    assert extract_parameters(_NOBODY) == extract_parameters(kept)
    before = process_time()
    matches(kept, "0123456780")
    known, before = process_time() - before, process_time()
    matches(None, "0123456780")
    assert process_time() - before > known / 5  # not refused without the work


def test_a_hash_by_other_parameters_is_renewed() -> None:
    weak = Hash(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash("0123456789"))
    assert matches(weak, "0123456789")
    fresh = renewed(weak, "0123456789")
    assert fresh is not None
    assert matches(fresh, "0123456789")
    assert renewed(fresh, "0123456789") is None
