"""A small typed client for intake systems; needs `pip install 'hotline-dispatch[client]'`.

    with Client("http://127.0.0.1:8000", key="hd_…") as client:
        routing = client.route({"case_id": "HK20250503-000123", "transcript": "路灯坏了三天了。"})

It waits and asks again when the service is busy (429), starting or without its database (503), too slow (504), or
cannot be reached: a case is answered, and a decision made, once, however often it is sent. Instances may be shared by
threads.
"""

import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, Self, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ValidationError

from dispatch_model.cases import Case, Routing
from dispatch_model.errors import DispatchError, ErrorKind, shorten
from serving.cases_wire import (
    CaseView,
    Decision,
    DecisionEntry,
    DeskStep,
    Return,
    ReturnEntry,
    Review,
    ReviewEntry,
    StepEntry,
)
from serving.web.problems import STATUS

try:
    import httpx
except ModuleNotFoundError as error:
    raise DispatchError(
        ErrorKind.MISSING_EXTRA,
        "缺少客户端所需的 httpx；请先安装客户端扩展：pip install 'hotline-dispatch[client]'。",
        field=error.name,
    ) from None

BATCH_SIZE = 256  # the service's own default, see its setting batch_limit
LONGEST_WAIT = 30.0
_FIRST_WAIT = 0.25
# Too many requests; a proxy without the service behind it; not ready, or no database; too late.
_AGAIN = frozenset({429, 502, 503, 504})
_KINDS = {kind.value: kind for kind in ErrorKind}

Body = BaseModel | Mapping[str, Any]
Model = TypeVar("Model", bound=BaseModel)


class _Batch(BaseModel):
    routings: list[dict[str, Any]]


class Failure(NamedTuple):
    """An attempt that brought no answer.

    :param again: whether another attempt may bring one.
    :param after: seconds the service asks to wait before it; None when it does not say.
    """

    error: DispatchError
    again: bool
    after: float | None = None


class Client:
    """Asks one service.

    :param url: where it listens, e.g. https://dispatch.example.gov.cn; a path before the endpoints is kept.
    :param key: an API key with the scopes of what is asked.
    :param timeout: seconds one attempt may take.
    :param patience: seconds all attempts of one call may take together, waits included.
    :param transport: how httpx connects, for a certificate or proxy of one's own.
    :param sleep: how to wait between attempts.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout: float = 30.0,
        patience: float = 60.0,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout, transport=transport)
        self._patience = patience
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def route(self, case: Case | Mapping[str, Any]) -> Routing:
        """The routing of one case: on the service's disk when this returns, `replayed` when it was there before.

        :raises DispatchError: as the service says; NOT_READY when it cannot be reached within `patience`.
        """
        return _read(Routing, self._ask("POST", "/route", _plain(case)))

    def route_batch(self, cases: Sequence[Case | Mapping[str, Any]]) -> list[Routing | DispatchError]:
        """One routing or error per case, in order; sent in batches the service takes."""
        found: list[Routing | DispatchError] = []
        for start in range(0, len(cases), BATCH_SIZE):
            sent = [_plain(case) for case in cases[start : start + BATCH_SIZE]]
            reply = _read(_Batch, self._ask("POST", "/route/batch", {"cases": sent}))
            found += [_outcome(part) for part in reply.routings]
        return found

    def case(self, case_id: str) -> CaseView:
        """A stored case: its routing, where it stands, what happened to it.

        :raises DispatchError: NOT_FOUND, or as `route`.
        """
        return _read(CaseView, self._ask("GET", _path(case_id)))

    def decide(self, case_id: str, decision: Decision | Mapping[str, Any]) -> DecisionEntry:
        """Accept a suggestion or name another unit; the same once more is answered with what was decided (`replayed`).

        :raises DispatchError: CASE_STATE, NOT_ADMITTED, INVALID_DECISION, FORBIDDEN, or as `route`.
        """
        return _read(DecisionEntry, self._ask("POST", _path(case_id, "decision"), _plain(decision)))

    def step(self, case_id: str, step: DeskStep | Mapping[str, Any]) -> StepEntry:
        """Consult, ask the citizen, merge into another case, or undo; the same once more is `replayed`.

        :raises DispatchError: CASE_STATE, INVALID_DECISION, FORBIDDEN, or as `route`.
        """
        return _read(StepEntry, self._ask("POST", _path(case_id, "step"), _plain(step)))

    def return_(self, case_id: str, objection: Return | Mapping[str, Any]) -> ReturnEntry:
        """Send a case back for the unit that has it.

        :raises DispatchError: CASE_STATE, INVALID_DECISION, or as `route`.
        """
        return _read(ReturnEntry, self._ask("POST", _path(case_id, "return"), _plain(objection)))

    def review(self, case_id: str, review: Review | Mapping[str, Any]) -> ReviewEntry:
        """Uphold or reject the return that waits.

        :raises DispatchError: CASE_STATE, INVALID_DECISION, or as `route`.
        """
        return _read(ReviewEntry, self._ask("POST", _path(case_id, "return/review"), _plain(review)))

    def _ask(self, method: str, path: str, body: object = None) -> bytes:
        """The body of the answer, after as many attempts as patience allows: asked twice, the service does it once."""
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        until = time.monotonic() + self._patience
        attempt = 0
        while True:
            outcome = self._attempt(method, path, content)
            if not isinstance(outcome, Failure):
                return outcome
            wait = _wait(outcome.after, attempt)
            if not outcome.again or time.monotonic() + wait > until:
                raise outcome.error
            self._sleep(wait)
            attempt += 1

    def _attempt(self, method: str, path: str, content: bytes | None) -> bytes | Failure:
        try:
            response = self._http.request(method, path, content=content)
        except httpx.TransportError as error:
            told = f"派单服务 {self._http.base_url} 没有应答（{type(error).__name__}）；请核对地址、网络和服务状态。"
            return Failure(DispatchError(ErrorKind.NOT_READY, told, field="url"), again=True)
        if response.status_code == 200:
            return response.content
        again = response.status_code in _AGAIN
        return Failure(_problem(response), again, _retry_after(response.headers.get("Retry-After")))


def _path(case_id: str, step: str = "") -> str:
    """The endpoint of a case; its number may hold anything that can be printed."""
    return f"/cases/{quote(case_id, safe='')}" + (f"/{step}" if step else "")


def _plain(body: Body) -> dict[str, Any]:
    return body.model_dump(mode="json", exclude_none=True) if isinstance(body, BaseModel) else dict(body)


def _outcome(part: dict[str, Any]) -> Routing | DispatchError:
    return _error(part["error"], 500) if "error" in part else _read(Routing, json.dumps(part).encode())


def _read(kind: type[Model], content: bytes) -> Model:
    """An answer as a model; what a later release adds to it is passed over."""
    try:
        return kind.model_validate_json(content, extra="ignore")
    except ValidationError as error:
        told = f"应答不是派单服务的格式（{error.errors()[0]['msg']}）；请核对地址，或升级客户端。"
        raise DispatchError(ErrorKind.INTERNAL, told, value=content[:80].decode("utf-8", "replace")) from None


def _problem(response: httpx.Response) -> DispatchError:
    """What the service, or whatever stands before it, says went wrong."""
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        told = f"派单服务应答 {response.status_code}，未说明原因；可能是其前的代理，请核对地址。"
        return DispatchError(_kind("", response.status_code), told, value=shorten(response.text))
    return _error(problem, response.status_code)


def _error(problem: dict[str, Any], status: int) -> DispatchError:
    message = problem.get("message") or f"派单服务应答 {status}。"
    parts = {name: problem[name] for name in ("field", "value", "details") if problem.get(name)}
    return DispatchError(_kind(problem.get("kind", ""), status), str(message), **parts)


def _kind(name: str, status: int) -> ErrorKind:
    """The kind the service named; of those a later release adds, the first known one of that status."""
    same_status = (kind for kind, found in STATUS.items() if found == status)
    return _KINDS.get(name) or next(same_status, ErrorKind.INTERNAL)


def _retry_after(value: str | None) -> float | None:
    """Seconds from a Retry-After header, which has seconds or a date (RFC 9110 §10.2.3)."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _wait(after: float | None, attempt: int) -> float:
    """Never earlier than asked, and spread: those refused together must not come back together."""
    base = min(LONGEST_WAIT, _FIRST_WAIT * 2.0 ** min(attempt, 10)) if after is None else after
    return base * random.uniform(1.0, 1.5) if after is not None else random.uniform(base / 2, base)
