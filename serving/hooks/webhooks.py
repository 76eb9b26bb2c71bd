"""Takes messages out of the outbox and to their subscribers, from a thread of its own; at least once, in no order.

A process that takes a message leases it: should it die, the message is due again when the lease ends. So a subscriber
may get one twice, under the same `webhook-id`.
"""

import json
import logging
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import attrgetter
from threading import Condition, Event, Thread
from typing import Any, Self

from dispatch_model.errors import DispatchError
from serving import outward, signing
from serving.hooks import outbox
from serving.hooks.hooks import Hook, registered
from serving.hooks.outbox import DEAD, DELIVERED, LEASE, PENDING, Message, Outcome
from serving.outward import Network
from serving.routing import internal
from serving.settings import Settings
from serving.store import moments
from serving.store.connection import Connection
from serving.store.store import Store

LOOK_SECONDS = 1.0
TIMEOUT = 10.0  # seconds a subscriber may take to answer
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 3600.0
_AT_ONCE = 4  # subscribers
_GONE = 410
_STORE_PAUSE = 5.0
PING = "ping"

logger = logging.getLogger(__name__)

Read = Callable[[], AbstractContextManager[Connection]]
Submit = Callable[[Callable[[Connection], Any]], "Future[Any]"]
Send = Callable[[Hook, Message, datetime], int]


class Deliveries:
    """Looks for what is due and sends it, several subscribers at once, to each one message after another.

    :param read: lends a connection for reading.
    :param submit: the store's writer.
    :param send: sends one message and returns the status of the answer, see `sender`.
    :param max_age: after which a message that never arrived is given up.
    """

    def __init__(self, read: Read, submit: Submit, send: Send, *, max_age: timedelta) -> None:
        self._read, self._submit, self._send = read, submit, send
        self._max_age = max_age
        self._busy: set[str] = set()
        self._guard = Condition()
        self._stop = Event()
        self._senders = ThreadPoolExecutor(_AT_ONCE, "webhook")
        self._thread = Thread(target=self._keep_looking, name="webhooks", daemon=True)

    @classmethod
    def of(cls, store: Store, settings: Settings) -> Self:
        """Those of a running service."""
        send = sender(store.seal.hooks, outward.networks(settings.webhook_networks))
        return cls(store.reading, store.writer.submit, send, max_age=timedelta(hours=settings.webhook_max_age))

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def close(self) -> None:
        """Stop; what is being sent is finished, which takes no longer than a subscriber may."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._senders.shutdown(cancel_futures=True)

    def look(self, now: datetime | None = None) -> int:
        """Take what is due and hand it to the senders; returns how many messages that is."""
        moment = now or datetime.now(UTC)
        with self._guard:
            busy = frozenset(self._busy)
        with self._read() as connection:
            if not outbox.any_due(connection, moment):
                return 0
            hooks = registered(connection)
        taken: list[Message] = self._submit(lambda connection: outbox.take(connection, busy, moment)).result()
        for name, group in groupby(sorted(taken, key=attrgetter("hook")), attrgetter("hook")):
            with self._guard:
                self._busy.add(name)
            self._senders.submit(self._serve, hooks.get(name), list(group))
        return len(taken)

    def wait(self) -> None:
        """Until what was taken has been sent, or has failed."""
        with self._guard:
            self._guard.wait_for(lambda: not self._busy)

    def forget(self, now: datetime | None = None) -> None:
        """Delete what ended long ago."""
        self._submit(lambda connection: outbox.forget(connection, now or datetime.now(UTC))).result()

    def _keep_looking(self) -> None:
        forgotten = -float("inf")
        while not self._stop.wait(LOOK_SECONDS * random.uniform(0.8, 1.2)):
            try:
                self.look()
                if time.monotonic() - forgotten > 3600:
                    self.forget()
                    forgotten = time.monotonic()
            except DispatchError as error:
                logger.warning("webhooks wait for the store: %s", error.message)
                self._stop.wait(_STORE_PAUSE)
            except Exception as error:  # noqa: BLE001 - one odd row must not end all deliveries
                internal(error)

    def _serve(self, hook: Hook | None, group: Sequence[Message]) -> None:
        """Send to one subscriber until one fails: the rest then waits as long as that one."""
        try:
            outcomes = self._outcomes(hook, group)
            self._submit(lambda connection: outbox.end(connection, outcomes)).result()
        except DispatchError as error:
            logger.warning("outcome of %s webhooks not stored, they will be sent again: %s", len(group), error.message)
        except Exception as error:  # noqa: BLE001 - the thread of a pool has nobody to tell
            internal(error)
        finally:
            with self._guard:
                self._busy.discard(group[0].hook)
                self._guard.notify_all()

    def _outcomes(self, hook: Hook | None, group: Sequence[Message]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        until = time.monotonic() + LEASE.total_seconds() - 2 * TIMEOUT
        for message in group:
            if outcomes and outcomes[-1].state == PENDING:
                outcomes.append(outcomes[-1]._replace(id=message.id))
            elif time.monotonic() > until:
                # Beyond its lease another process may take it up.
                outcomes.append(Outcome(message.id, PENDING, datetime.now(UTC), message.error))
            else:
                outcomes.append(self._try(hook, message))
        return outcomes

    def _try(self, hook: Hook | None, message: Message) -> Outcome:
        if hook is None:
            return Outcome(message.id, DEAD, datetime.now(UTC), "订阅已取消")
        status, why = attempt(self._send, hook, message)
        if 200 <= status < 300:
            return Outcome(message.id, DELIVERED, datetime.now(UTC))
        now = datetime.now(UTC)
        given_up = status == _GONE or now - moments.read(message.created_at) >= self._max_age
        logger.warning("webhook %s to %s, attempt %s: %s", message.id, hook.name, message.attempts, why)
        return Outcome(message.id, DEAD if given_up else PENDING, now + pause(message.attempts), why)


def attempt(send: Send, hook: Hook, message: Message) -> tuple[int, str]:
    """The status of the answer, 0 when there is none, and what went wrong in a few words."""
    try:
        status = send(hook, message, datetime.now(UTC))
    except DispatchError as error:
        return 0, error.message
    except OSError as error:
        return 0, f"没有应答（{type(error).__name__}）"
    return status, "" if 200 <= status < 300 else f"应答 {status}"


def knock(send: Send, hook: Hook) -> tuple[int, str]:
    """`attempt` with a message that tells of nothing, to try a subscriber."""
    now = moments.now()
    payload = json.dumps({"event": PING, "at": moments.read(now).isoformat()})
    return attempt(send, hook, Message(0, hook.name, PING, "", payload, 1, now, now, ""))


def sender(key: bytes, inside: Sequence[Network] = ()) -> Send:
    """Sends signed messages over HTTPS.

    :param key: what the secrets of subscribers are derived from.
    :param inside: networks of the office's own that may be reached.
    """

    def send(hook: Hook, message: Message, now: datetime) -> int:
        body = message.payload.encode("utf-8", "replace")
        made = "".join(filter(str.isdecimal, message.created_at))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "hotline-dispatch",
            **signing.sign(hook.secret(key), f"msg-{message.id}-{made}", int(now.timestamp()), body),
        }
        return outward.post(hook.url, body, headers, inside=inside, timeout=TIMEOUT)

    return send


def pause(attempts: int) -> timedelta:
    """How long to wait after so many attempts: 5 s, 10 s, 20 s … an hour, spread by a fifth."""
    seconds = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempts - 1, 20))
    return timedelta(seconds=seconds * random.uniform(0.8, 1.2))
