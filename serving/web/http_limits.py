"""HTTP on a socket, with an end to how long a head may be and how slowly a request may come in.

uvicorn over httptools has neither: a client that sends headers for ever, or a byte a minute, would keep its memory and
its connection. What is bounded here has not reached the application; `serving.web.limits` bounds what has.
"""

from asyncio import TimerHandle, Transport

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.web.limits import HEADER_BYTES, URL_BYTES

HEAD_BYTES = 2 * (HEADER_BYTES + URL_BYTES)  # what lies between this and their sum gets a readable answer
REQUEST_SECONDS = 60.0  # from the first byte, or from connecting, to the last byte of the body


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's protocol for one connection; what goes beyond a bound ends it."""

    _timer: TimerHandle | None = None
    _in_head = False
    _head = 0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """A client is there, and had better say something."""
        super().connection_made(transport)
        self._start()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what came in without ending the head."""
        super().data_received(data)
        if self._in_head:
            self._head += len(data)
            if self._head > HEAD_BYTES:
                self._end(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._in_head, self._head = True, 0
        self._start()

    def on_headers_complete(self) -> None:
        """The body comes next."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The last byte of a request; from here on the service is what takes time."""
        self._stop()
        super().on_message_complete()

    def _start(self) -> None:
        self._stop()
        self._timer = self.loop.call_later(REQUEST_SECONDS, self._end, b"408 Request Timeout")

    def _stop(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _end(self, status: bytes) -> None:
        """Close, and say why where no answer was begun."""
        self._stop()
        if self.transport.is_closing():
            return
        if self._in_head:
            self.transport.write(b"HTTP/1.1 %b\r\nconnection: close\r\ncontent-length: 0\r\n\r\n" % status)
        self.transport.close()
