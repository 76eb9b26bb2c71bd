"""Passwords of operators: what may be one, what is kept of it, and whether one that is given is the right one.

Hashing costs 130 ms (an idle EPYC core or two) and 64 MiB by intention: never inside a transaction, nor on the loop.
"""

import unicodedata
from typing import NewType

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from dispatch_model.errors import DispatchError, ErrorKind

SHORTEST = 10
LONGEST = 128
Hash = NewType("Hash", str)

_hasher = PasswordHasher()
# What an unknown login is held against, so that it takes as long as a known one; nobody has its password.
_NOBODY = Hash("$argon2id$v=19$m=65536,t=3,p=4$bm9ib2R5IGF0IGFsbC4uLg$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")


def hashed(password: str, login: str) -> Hash:
    """What is kept of a new password.

    :raises DispatchError: INVALID_PARAMETER for one that is too short or too long, or the login itself.
    """
    plain = _plain(password)
    if not SHORTEST <= len(plain) <= LONGEST:
        told = f"密码有 {len(plain)} 个字符，应为 {SHORTEST} 至 {LONGEST} 个；请换一个。"
        raise DispatchError(ErrorKind.INVALID_PARAMETER, told, field="password")
    if plain.casefold() == login.casefold():
        raise DispatchError(ErrorKind.INVALID_PARAMETER, "密码与登录名相同；请换一个。", field="password")
    return Hash(_hasher.hash(_bytes(plain)))


def matches(kept: Hash | None, password: str) -> bool:
    """Whether it is the password; takes as long when there is none to compare with.

    :param kept: None for a login that nobody has.
    """
    plain = _plain(password)
    # Longer ones were never taken, and need not cost anything.
    if len(plain) > LONGEST:
        kept, plain = None, ""
    try:
        _hasher.verify(kept or _NOBODY, _bytes(plain))
    except (VerificationError, InvalidHashError):
        return False
    return kept is not None


def renewed(kept: Hash, password: str) -> Hash | None:
    """The hash by today's parameters, when `kept` was made by others; `password` is the right one."""
    return Hash(_hasher.hash(_bytes(_plain(password)))) if _hasher.check_needs_rehash(kept) else None


def _plain(password: str) -> str:
    """The same however it was typed: input methods differ in the width and the parts of a character."""
    return unicodedata.normalize("NFKC", password)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
