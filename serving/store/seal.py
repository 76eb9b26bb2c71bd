"""A key known to this service alone: digests and pseudonyms made with it tell nothing to who reads the database.

Without a key, a telephone number behind a plain hash is found by trying all numbers.
"""

import hmac
import os
import secrets
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp

from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.pseudonym import pseudonym

SHORTEST = 32  # characters of a key
FILE = "dispatch.key"


class Seal:
    """Makes digests (the same content?) and pseudonyms (the same caller?).

    :param key: secret bytes; every process on one database must have the same.
    :ivar hooks: what the secrets of webhooks are derived from, see `serving.signing`.
    """

    def __init__(self, key: bytes) -> None:
        self._contents, self._callers, self._keys, self.hooks = (
            hmac.digest(key, use, "sha256") for use in (b"content", b"caller", b"key", b"hook")
        )

    @property
    def id(self) -> str:
        """Names the key without telling it."""
        return self._keys.hex()[:8]

    def digest(self, text: str) -> str:
        """64 hexadecimal digits that only the same text has."""
        return hmac.digest(self._contents, text.encode(), "sha256").hex()

    def pseudonym(self, caller: str) -> str | None:
        """64 hexadecimal digits for a caller, however the number is written; None for nobody in particular."""
        return pseudonym(caller, self._callers)

    @classmethod
    def of(cls, text: str) -> "Seal":
        """With the key a setting or a key file holds; the same text is the same key."""
        return cls(text.strip().encode())

    @classmethod
    def open(cls, path: Path) -> "Seal":
        """With the key in the file at `path`, which only its owner may read; made when missing.

        :raises DispatchError: STORE_UNAVAILABLE when it cannot be read or made, INVALID_CONFIG when it is no key.
        """
        try:
            text = _read(path)
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "不是文本"
            told = f"密钥文件 {path} 读不到也建不成（{why}）；请检查权限和 DISPATCH_DATA_DIR。"
            raise DispatchError(ErrorKind.STORE_UNAVAILABLE, told, field="data_dir") from None
        if len(text) < SHORTEST:
            told = f"密钥文件 {path} 已损坏（只有 {len(text)} 个字符，应至少 {SHORTEST} 个）；请从备份恢复。"
            raise DispatchError(ErrorKind.INVALID_CONFIG, told, field=str(path))
        return cls.of(text)


def _read(path: Path) -> str:
    if not path.exists():
        _make(path)
    return path.read_text(encoding="ascii").strip()


def _make(path: Path) -> None:
    """Complete or not at all, also when several processes start at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = mkstemp(dir=path.parent, prefix=f".{path.name}.")  # made with mode 0600
    draft = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(SHORTEST) + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):  # another process was first: its key is the one
            path.hardlink_to(draft)
    finally:
        draft.unlink()
