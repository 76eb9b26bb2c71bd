"""uvicorn, with an end that nobody notices: first not ready, then no new work, then what was accepted, then gone."""

import math
import os
import signal
import socket
import time
from contextlib import ExitStack
from types import FrameType

import uvicorn
from fastapi import FastAPI

from dispatch_model.errors import DispatchError, ErrorKind
from serving.settings import Settings
from serving.web.admission import Admission
from serving.web.http_limits import BoundedHttp

# Longer than proxies keep an idle connection to us: who closes first must be the one that sends.
_KEEP_ALIVE_SECONDS = 75


class Listener(uvicorn.Server):
    """Serves one application on one socket until SIGTERM, then for `drain_delay` seconds more.

    A second SIGTERM, or SIGINT (Ctrl+C), ends the delay; a second SIGINT all of it.

    :param admission: told first that the end is near, then that nobody may come in.
    :param drain_delay: seconds.
    :param parent: the process that started this one, if it is to end with it.
    """

    def __init__(
        self, config: uvicorn.Config, admission: Admission, *, drain_delay: float = 0.0, parent: int | None = None
    ) -> None:
        super().__init__(config)
        self._admission = admission
        self._drain_delay = drain_delay
        self._parent = parent
        self._leave_at = math.inf

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to leave, or leave at once when that was begun before."""
        first = not self._admission.leaving
        self._admission.announce_leaving()
        if first and sig == signal.SIGTERM:
            self._leave_at = time.monotonic() + self._drain_delay
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: whether it is time to end."""
        if self._parent and os.getppid() != self._parent:
            self.handle_exit(signal.SIGTERM, None)
            self._parent = None
        if time.monotonic() >= self._leave_at:
            self._leave_at = math.inf
            super().handle_exit(signal.SIGTERM, None)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let nobody in, finish what was accepted, close."""
        self._admission.close()
        await super().shutdown(sockets)


def listen(app: FastAPI, settings: Settings, sock: socket.socket, parent: int | None = None) -> None:
    """Serve `app` on a bound socket until told to stop."""
    config = uvicorn.Config(
        app,
        http=BoundedHttp,
        log_config=None,
        # The line per request is our own, see `serving.monitoring.logs`.
        access_log=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=math.ceil(max(settings.deadline, settings.batch_deadline)) + 1,
    )
    listener = Listener(config, app.state.admission, drain_delay=settings.drain_delay, parent=parent)
    listener.run(sockets=[sock])


def bound(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A socket at that address; nobody can connect to it yet.

    :param shared: let other sockets be bound there, too; the kernel then spreads connections over those who listen.
    :raises DispatchError: INVALID_CONFIG when host or port cannot be had.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, number, _, address = found[0]
        with ExitStack() as undo:
            sock = undo.enter_context(socket.socket(family, kind, number))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if shared:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            sock.bind(address)
            undo.pop_all()
    except OSError as error:
        why = error.strerror or str(error)
        told = f"不能监听 {host}:{port}（{why}）；请核对 host 与 port，或停掉占用该端口的程序。"
        raise DispatchError(ErrorKind.INVALID_CONFIG, told, field="port", value=port) from None
    return sock
