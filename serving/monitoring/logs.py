"""The log: one JSON object per line, one line per request, no personal text.

What a caller wrote never gets in whole: a case number is masked, a path is told as its template, a foreign exception by
its type and place, as its message may quote a transcript.
"""

import json
import logging
import traceback
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from dispatch_model.cases import CHINA_TIME
from serving.masking import mask
from serving.web.exchange import Exchange, current, shown_id

LogFormat = Literal["json", "text"]

TEXT_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
REQUESTS = "serving.requests"
# Asked every few seconds by machines; they show in the metrics.
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
_MOST_FRAMES = 8
_MOST_CASES = 20
_FIELDS = "fields"

_requests = logging.getLogger(REQUESTS)


def configure(level: str, form: LogFormat) -> None:
    """Log to stderr from now on, unless something was set up before."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(level=level.upper(), handlers=[handler])


def place_of(error: BaseException) -> str:
    """Type and place of an exception, not what it says."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


class TextLines(logging.Formatter):
    """Lines for reading by eye; messages masked, exceptions by type and place."""

    def __init__(self) -> None:
        super().__init__(TEXT_FORMAT)

    def format(self, record: logging.LogRecord) -> str:
        """One line, and one per frame of an exception."""
        line = f"{self.formatTime(record)} {record.levelname} {record.name}: {_message(record)}"
        for name, value in _fields(record).items():
            line += f" {name}={value}"
        return "\n    ".join([line, *_frames(record)])


class JsonLines(logging.Formatter):
    """Each record as one JSON object in one line; `request_id` wherever a request is being served."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        moment = datetime.fromtimestamp(record.created, CHINA_TIME)
        line: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
            **_fields(record),
        }
        if frames := _frames(record):
            line["exception"] = frames
        return json.dumps(line, ensure_ascii=False)


class RequestLog:
    """Writes a line for each exchange.

    :param enabled: False leaves out all but those that ended in a status of 500 or more.
    """

    def __init__(self, *, enabled: bool = True) -> None:
        self._enabled = enabled

    def __call__(self, exchange: Exchange) -> None:
        """One line, dated when the response was out."""
        level = _level(exchange)
        if not _requests.isEnabledFor(level) or not (self._enabled or level >= logging.ERROR):
            return
        message = f"{exchange.method} {exchange.route} {exchange.status}"
        record = _requests.makeRecord(
            REQUESTS, level, "", 0, message, (), None, extra={_FIELDS: request_fields(exchange)}
        )
        record.created = exchange.at + exchange.seconds
        record.msecs = record.created % 1 * 1e3
        _requests.handle(record)


def request_fields(exchange: Exchange) -> dict[str, Any]:
    """What the line of a request says beside its message; empty things are left out."""
    told: Mapping[str, Any] = {
        "request_id": exchange.request_id,
        "trace_id": exchange.traceparent.split("-")[1] if exchange.traceparent.count("-") == 3 else "",
        "method": exchange.method,
        "route": exchange.route,
        "status": exchange.status,
        "error": exchange.error,
        "key": exchange.key,
        "ms": round(exchange.seconds * 1e3, 3),
        "stages_ms": {stage: round(spent, 3) for stage, spent in exchange.stages.items()},
        "cases": [shown_id(answer.case.case_id) for answer in exchange.answers[:_MOST_CASES]],
        "dispositions": [answer.routing.disposition.value for answer in exchange.answers[:_MOST_CASES]],
        "answered": len(exchange.answers),
        "replayed": exchange.replays,
    }
    return {name: value for name, value in told.items() if value or name in ("status", "ms")}


def _level(exchange: Exchange) -> int:
    if exchange.status >= 500:
        return logging.ERROR
    return logging.DEBUG if exchange.route in PROBES else logging.INFO


def _message(record: logging.LogRecord) -> str:
    said = record.getMessage()
    # Lines of requests are made here and hold no text; all others are rare enough to be looked through.
    return said if record.name == REQUESTS else mask(said)


def _fields(record: logging.LogRecord) -> Mapping[str, Any]:
    given: Mapping[str, Any] = getattr(record, _FIELDS, {})
    exchange = current.get()
    return given if given or exchange is None else {"request_id": exchange.request_id}


def _frames(record: logging.LogRecord) -> list[str]:
    """Type of the exception and the innermost frames, outermost first."""
    error = record.exc_info[1] if record.exc_info else None
    if error is None:
        return []
    frames = traceback.extract_tb(error.__traceback__)[-_MOST_FRAMES:]
    return [type(error).__name__, *(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames)]
