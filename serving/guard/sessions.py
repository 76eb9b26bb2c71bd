"""Who is signed in at the console. A session is a token in the operator's browser; the store has its SHA-256."""

import secrets
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Lock

from sqlalchemy import bindparam, delete, func, insert, or_, select, update

from dispatch_model.errors import DispatchError, ErrorKind
from serving.guard import operators, passwords
from serving.guard.attempts import Attempts
from serving.guard.keys import BYTES, CONSOLE, hashed
from serving.guard.operators import Operator
from serving.guard.passwords import Hash
from serving.store import events, moments
from serving.store.connection import Connection
from serving.store.schema import console_sessions
from serving.store.store import Store

IDLE = timedelta(hours=8)
LONGEST = timedelta(hours=24)
TOUCH = timedelta(minutes=1)  # how often it is written down that an operator is still there
LOGIN_FAILURES, LOGIN_PAUSE = 5, 300.0
# A whole office may come from one address: it may fail more often, and is held up less.
ADDRESS_FAILURES, ADDRESS_PAUSE = 20, 30.0
_LONGEST_LOGIN = 64  # of what is typed; no login is as long
_LONGEST_ADDRESS = 64

_FIND = select(console_sessions.c.login, console_sessions.c.opened_at, console_sessions.c.seen_at).where(
    console_sessions.c.hash == bindparam("its_hash")
)
_ADD = insert(console_sessions)
_TOUCH = (
    update(console_sessions).where(console_sessions.c.hash == bindparam("its_hash")).values(seen_at=bindparam("at"))
)
_CLOSE = (
    delete(console_sessions).where(console_sessions.c.hash == bindparam("its_hash")).returning(console_sessions.c.login)
)
_CLOSE_ALL = (
    delete(console_sessions)
    .where(console_sessions.c.login == bindparam("its_login"))
    .returning(console_sessions.c.hash)
)
_COUNT = (
    select(console_sessions.c.login, func.count())
    .where(console_sessions.c.seen_at >= bindparam("since"))
    .group_by(console_sessions.c.login)
)
_SWEEP = delete(console_sessions).where(
    or_(
        console_sessions.c.seen_at < bindparam("idle_since"),
        console_sessions.c.opened_at < bindparam("open_since"),
    )
)


def _now() -> datetime:
    return datetime.now(UTC)


class Sessions:
    """Signs operators in and out. Methods block: call them from a worker thread.

    :param idle: without a request, until a session ends.
    :param longest: until it ends in any case.
    :param clock: the time.
    """

    def __init__(
        self,
        store: Store,
        *,
        idle: timedelta = IDLE,
        longest: timedelta = LONGEST,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._store = store
        self._idle = idle
        self._longest = longest
        self._clock = clock
        self._logins = Attempts(LOGIN_FAILURES, LOGIN_PAUSE)
        self._addresses = Attempts(ADDRESS_FAILURES, ADDRESS_PAUSE)
        self._touching: set[str] = set()
        self._lock = Lock()

    def open(self, login: str, password: str, *, address: str) -> str:
        """Sign in; returns the token, which is told nowhere else.

        :param address: of the network, where the request comes from.
        :raises DispatchError: UNAUTHORIZED in the same words whatever was wrong; RATE_LIMITED after failures.
        """
        login, address = login.strip().casefold()[:_LONGEST_LOGIN], address[:_LONGEST_ADDRESS]
        self._addresses.begin(address)
        try:
            self._logins.begin(login)
        except DispatchError:
            self._addresses.forgive(address)  # it was not even tried
            raise
        kept = self._kept(login)
        if not passwords.matches(kept, password) or kept is None:
            raise DispatchError(
                ErrorKind.UNAUTHORIZED, "登录名或密码不对，或该操作员已停用；请核对后重试。", field="login"
            )
        token = secrets.token_urlsafe(BYTES)
        renewed = passwords.renewed(kept, password)
        self._store.write(partial(self._open, login=login, kept=kept, renewed=renewed, token=token, address=address))
        self._addresses.forgive(address)
        self._logins.clear(login)
        return token

    def operator_of(self, token: str | None, *, seen: bool = True) -> Operator | None:
        """Who has this token; None when nobody has, when it ended, or the operator was disabled.

        One look into the store by the token's digest, which tells nothing by how long it takes.

        :param seen: whether it is the operator who asks; False: a page that brings itself up to date.
        """
        if not token:
            return None
        digest, now = hashed(token), self._clock()
        with self._store.reading() as connection:
            row = connection.execute(_FIND, {"its_hash": digest}).fetchone()
            operator = operators.find(connection, row[0]) if row else None
        if row is None or operator is None or operator.disabled_at:
            return None
        opened, last = moments.read(row[1]), moments.read(row[2])
        if now >= min(opened + self._longest, last + self._idle):
            return None
        if seen and now - last >= TOUCH:
            self._touch(digest, now)
        return operator

    def close(self, token: str) -> None:
        """Sign out; nothing happens when the session has ended."""
        self._store.write(partial(_close, digest=hashed(token)))

    def close_all(self, login: str, *, actor: str | None = None) -> int:
        """Sign an operator out everywhere; returns how many sessions that were.

        :param actor: who does it; None: the operator.
        :raises DispatchError: NOT_FOUND.
        """
        return self._store.write(partial(close_all, login=login, actor=actor or CONSOLE + login))

    def anybody(self) -> bool:
        """Whether there is any operator at all."""
        with self._store.reading() as connection:
            return bool(operators.all_(connection))

    def form_token(self, nonce: str) -> str:
        """What a form must bring beside the cookie `nonce`: no other site can make it; a restart changes nothing."""
        return self._store.seal.digest(f"console form\n{nonce}")

    def _kept(self, login: str) -> Hash | None:
        """The hash of the password of who may sign in; None also for who was disabled."""
        with self._store.reading() as connection:
            operator = operators.find(connection, login)
            return operators.password_of(connection, login) if operator and not operator.disabled_at else None

    def _open(
        self, connection: Connection, login: str, kept: Hash, renewed: Hash | None, token: str, address: str
    ) -> None:
        events.take_turns(connection)
        operator = operators.find(connection, login)
        if operator is None or operator.disabled_at or operators.password_of(connection, login) != kept:
            raise DispatchError(
                ErrorKind.UNAUTHORIZED, "密码刚刚被更改，或该操作员刚被停用；请重新登录。", field="login"
            )
        if renewed:
            operators.renew(connection, login, kept, renewed)
        now = self._clock()
        since = {"idle_since": moments.stored(now - self._idle), "open_since": moments.stored(now - self._longest)}
        connection.execute(_SWEEP, since)
        at = moments.stored(now)
        row = {"hash": hashed(token), "login": login, "address": address, "opened_at": at, "seen_at": at}
        connection.execute(_ADD, row)
        events.record(connection, "operator", login, {"change": "login", "address": address}, actor=operator.actor.name)

    def _touch(self, digest: str, now: datetime) -> None:
        """Write it down without waiting: a page is not held up, and not refused, for this."""
        with self._lock:
            if digest in self._touching:
                return
            self._touching.add(digest)
        values = {"its_hash": digest, "at": moments.stored(now)}
        try:
            done = self._store.writer.submit(lambda connection: connection.execute(_TOUCH, values).rowcount)
        except DispatchError:  # the service is stopping
            self._touching.discard(digest)
            return
        done.add_done_callback(partial(self._touched, digest))

    def _touched(self, digest: str, _: Future[int]) -> None:
        self._touching.discard(digest)


def count(connection: Connection) -> dict[str, int]:
    """By login, in how many places operators are signed in; those who signed in nowhere are not there."""
    since = moments.stored(_now() - IDLE)
    return {str(login): int(number) for login, number in connection.execute(_COUNT, {"since": since}).fetchall()}


def close_all(connection: Connection, login: str, *, actor: str) -> int:
    """`Sessions.close_all` inside a transaction.

    :raises DispatchError: NOT_FOUND.
    """
    events.take_turns(connection)
    operators.known(connection, login)
    gone = len(connection.execute(_CLOSE_ALL, {"its_login": login}).fetchall())
    if gone:
        events.record(connection, "operator", login, {"change": "logout", "sessions": gone}, actor=actor)
    return gone


def _close(connection: Connection, digest: str) -> None:
    events.take_turns(connection)
    row = connection.execute(_CLOSE, {"its_hash": digest}).fetchone()
    if row:
        told = {"change": "logout", "sessions": 1}
        events.record(connection, "operator", row[0], told, actor=CONSOLE + row[0])
