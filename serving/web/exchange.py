"""One request and its response: what those who serve it note of it on the way.

The record travels in a context variable, so that nothing between the middleware and the engine has to hand it on.
Nobody waits for what is done with it afterwards, see `serving.monitoring.observer`.
"""

import re
import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dispatch_model.cases import Case, Routing, Timing
from dispatch_model.errors import ErrorKind
from serving.masking import mask
from serving.routing import Router

UNMATCHED = "(none)"  # one name for all paths that do not exist: they are as many as a scanner tries
CLIENT_GONE = 499  # no response was begun; the number nginx has for it
REQUEST_ID = "x-request-id"
_ID = re.compile(r"[0-9A-Za-z._:-]{1,64}")
# What may be a mobile, card or identity number, whatever stands between its digits: then the rules of masking decide.
_NUMBER = re.compile(r"1[3-9](?:\D?\d){9}|(?:\d\D?){15}")


class Answer(NamedTuple):
    """A case answered anew, and by which router."""

    router: Router
    case: Case
    routing: Routing


@dataclass(slots=True)
class Exchange:
    """What is known of one request.

    :param at: when it came in, seconds since 1970.
    :param started: the same by the clock that `seconds` is taken from.
    :param route: template of the path, such as /cases/{case_id}: the path itself may name a case.
    :param stages: stage → milliseconds, over all cases of the request.
    :param replays: cases answered from the store.
    :param key: name of the key it came with; '' for none.
    :param error: kind of the error it ended in; '' for none.
    """

    request_id: str
    traceparent: str
    method: str
    at: float
    started: float
    route: str = UNMATCHED
    status: int = CLIENT_GONE
    seconds: float = 0.0
    error: str = ""
    key: str = ""
    replays: int = 0
    stages: dict[str, float] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)

    @classmethod
    def of(cls, scope: Any, number: str) -> "Exchange":
        """The record of a request as it comes in.

        :param scope: that of ASGI.
        :param number: the request's id unless the caller gave it a good one.
        """
        traceparent = ""
        for name, value in scope["headers"]:
            if name == _REQUEST_ID:
                number = _chosen(value.decode("latin-1"), number)
            elif name == b"traceparent":
                traceparent = value.decode("latin-1")
        return cls(number, traceparent, scope["method"], time.time(), time.perf_counter())

    def server_timing(self) -> str:
        """The value of a Server-Timing header, in milliseconds."""
        total = (time.perf_counter() - self.started) * 1e3
        return ", ".join(
            [f"{stage};dur={spent:.3f}" for stage, spent in self.stages.items()] + [f"total;dur={total:.3f}"]
        )

    def close(self, scope: Any) -> None:
        """The response is out, or there is nobody to send it to."""
        self.seconds = time.perf_counter() - self.started
        route = scope.get("route")
        self.route = getattr(route, "path", UNMATCHED)


current: ContextVar[Exchange | None] = ContextVar("exchange", default=None)
_REQUEST_ID = REQUEST_ID.encode()


def note_answer(router: Router, case: Case, routing: Routing) -> None:
    """A case was answered anew."""
    if exchange := current.get():
        exchange.answers.append(Answer(router, case, routing))


def note_timing(timing: Timing, *, replayed: bool) -> None:
    """A reply took so long: queue and store are of the request as a whole, the rest is of its case."""
    if exchange := current.get():
        exchange.replays += replayed
        stages = exchange.stages
        for stage, spent in timing:
            if not replayed or spent:
                before = stages.get(stage, 0.0)
                stages[stage] = max(before, spent) if stage in _OF_REQUEST else before + spent


def note_error(kind: ErrorKind) -> None:
    """The request ends in an error."""
    if exchange := current.get():
        exchange.error = kind.value


def note_key(name: str) -> None:
    """The request shows the key of that name."""
    if exchange := current.get():
        exchange.key = name


_OF_REQUEST = frozenset({"queue", "store"})


def shown_id(given: str) -> str:
    """A number that another system gave to a request or case, as a log may show it: masked where it could be anything.

    Most are plain, and found to be so in a fraction of the time that masking takes.
    """
    return given if _ID.fullmatch(given) and not _NUMBER.search(given) else mask(given)


def _chosen(given: str, number: str) -> str:
    """What the caller calls the request, unless that could be somebody's number."""
    return given if _ID.fullmatch(given) and shown_id(given) == given else number
