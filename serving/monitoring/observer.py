"""Sees every request: gives it an id and timings, then has it counted, logged and checked off its path.

A thread of its own does the latter five times a second. What Python does between two runs of the model comes from
cold caches and counts in every request; done together, and later, it costs a fraction and nobody waits for it.
"""

import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from threading import Event, Lock, Thread

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.monitoring.logs import place_of
from serving.web.exchange import REQUEST_ID, Exchange, current

LOOK_SECONDS = 0.2
_IN_A_ROW = 8  # about a millisecond
_MOST_WAITING = 2_000  # with the cases and answers they hold, some 20 MB

logger = logging.getLogger(__name__)

Sink = Callable[[Exchange], None]
_REQUEST_ID = REQUEST_ID.encode()
_SERVER_TIMING = b"server-timing"


class Observer:
    """Hands finished exchanges to `sinks`, in order, from a thread of its own.

    :param sinks: each is called with every exchange; one that fails does not keep it from the others.
    :param lost: called with why (`full`, `fault`) whenever an exchange could not be handed on.
    """

    def __init__(self, sinks: Sequence[Sink], lost: Callable[[str], None]) -> None:
        self._sinks = tuple(sinks)
        self._lost = lost
        self._waiting: deque[Exchange] = deque()
        self._looking = Lock()
        self._stop = Event()
        self._thread: Thread | None = None
        self._each_time: Callable[[], None] | None = None
        self.in_flight = 0  # written by the event loop only

    def start(self, each_time: Callable[[], None]) -> None:
        """Begin to look; `each_time` is called once a look, from the observer's thread."""
        self._each_time = each_time
        self._stop.clear()
        self._thread = Thread(target=self._look, name="observer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Hand on what is left, then stop."""
        self._stop.set()
        if self._thread:
            self._thread.join()
        self.flush()

    def add(self, exchange: Exchange) -> None:
        """Take over a finished exchange; never blocks."""
        if len(self._waiting) < _MOST_WAITING:
            self._waiting.append(exchange)
        else:
            self._lost("full")

    def flush(self) -> None:
        """Hand on all that came before this call."""
        with self._looking:
            for number in range(len(self._waiting)):
                self._hand_on(self._waiting.popleft())
                if number % _IN_A_ROW == 0:
                    time.sleep(0)  # lets a thread that serves go first
            if self._each_time:
                self._guarded(self._each_time)

    def _look(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            self.flush()

    def _hand_on(self, exchange: Exchange) -> None:
        for sink in self._sinks:
            self._guarded(partial(sink, exchange))

    def _guarded(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:  # noqa: BLE001 - who only looks on must not stop looking
            logger.error("not observed: %s", place_of(error))
            self._lost("fault")


class Watched:
    """ASGI middleware, the outermost: every request is an exchange, every response says its id and timings."""

    def __init__(self, app: ASGIApp, observer: Observer) -> None:
        self._app = app
        self._observer = observer
        # Counting on from a random beginning takes a fraction of what a random number for each would.
        self._prefix = secrets.token_hex(8)
        self._numbers = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and see what comes of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange.of(scope, f"{self._prefix}-{next(self._numbers):x}")

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    (_REQUEST_ID, exchange.request_id.encode()),
                    (_SERVER_TIMING, exchange.server_timing().encode()),
                ]
            await send(message)

        token = current.set(exchange)
        self._observer.in_flight += 1
        try:
            await self._app(scope, receive, told)
        finally:
            self._observer.in_flight -= 1
            current.reset(token)
            exchange.close(scope)
            self._observer.add(exchange)
