"""The keys in force, in the memory of one process: a request asks this and never the database.

A thread looks into the store once a second, so that a key is known, and a revoked one refused, within two. While the
database cannot be reached, what was last seen holds.
"""

import hmac
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from ipaddress import ip_address
from threading import Event, Thread

from dispatch_model.errors import DispatchError, ErrorKind
from serving.guard.keys import PREFIX_CHARS, Key, any_usable, hashed

LOOK_SECONDS = 1.0
_NOBODY = hashed("")

logger = logging.getLogger(__name__)


class Keyring:
    """Finds the key that a request shows.

    :param public: whether others than this machine can connect. Then it is closed even without any key.
    """

    def __init__(self, *, public: bool = False) -> None:
        self._public = public
        self._keys: dict[str, tuple[Key, ...]] = {}
        self._any = False
        self._stop = Event()
        self._thread: Thread | None = None

    @property
    def open(self) -> bool:
        """Whether no key is asked for: none was ever made, and only this machine can connect.

        A key that was revoked closes for good, so that taking back the last one lets nobody in.
        """
        return not (self._any or self._public)

    def start(self, load: Callable[[], Sequence[Key]]) -> None:
        """Read the keys, then go on looking.

        :param load: reads all keys from the store; may block, and raise DispatchError.
        """
        self.take(load())
        self._stop.clear()
        self._thread = Thread(target=self._follow, args=(load,), name="keys", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._stop.set()
        if self._thread:
            self._thread.join()

    def take(self, keys: Sequence[Key]) -> None:
        """From now on these are the keys."""
        found: dict[str, tuple[Key, ...]] = {}
        for key in keys:
            found[key.prefix] = (*found.get(key.prefix, ()), key)
        self._keys, self._any = found, bool(keys)

    def find(self, given: str) -> Key:
        """The key that is `given`.

        The part that may be seen leads to the hashes to compare with, and that takes as long for a wrong key as for
        a right one.

        :raises DispatchError: UNAUTHORIZED.
        """
        shown = hashed(given)
        known = self._keys.get(given[:PREFIX_CHARS], ())
        same = [key for key in known if hmac.compare_digest(key.hash, shown)]
        if not same:
            hmac.compare_digest(_NOBODY, shown)
            raise unauthorized("密钥不对")
        key, now = same[0], datetime.now(UTC)
        if not key.usable(now):
            raise unauthorized(f"密钥 {key.prefix}… {key.state(now)}")
        return key

    def _follow(self, load: Callable[[], Sequence[Key]]) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            try:
                self.take(load())
            except DispatchError as error:
                logger.warning("keys not read: %s", error.message)


def unauthorized(why: str) -> DispatchError:
    """The one form of words in which a request without a good key is refused."""
    told = "请在请求头中写 Authorization: Bearer <密钥>；密钥由管理员用 dispatch keys create 创建"
    return DispatchError(ErrorKind.UNAUTHORIZED, f"{why}；{told}。", field="Authorization")


def is_public(host: str) -> bool:
    """Whether a service that listens on `host` can be reached from other machines."""
    if host.casefold() == "localhost":
        return False
    try:
        return not ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return True


def check_exposed(host: str, keys: Sequence[Key]) -> None:
    """Refuse to listen for everybody when nobody could be let in.

    :raises DispatchError: INVALID_CONFIG, naming what to do.
    """
    if is_public(host) and not any_usable(keys):
        told = (
            f"host = {host} 可从其他机器访问，但没有有效的密钥；"
            "请先运行 dispatch keys create <名称> --scope intake，或把 host 设为 127.0.0.1。"
        )
        raise DispatchError(ErrorKind.INVALID_CONFIG, told, field="host", value=host)
