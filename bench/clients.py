"""Intake systems and operators that do not give up: what got no answer is sent again until it has one."""

import http.client
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from threading import Event, Lock, Thread
from time import monotonic
from typing import Any

PAUSE = 0.05  # seconds before a request is sent again
TRY_AGAIN = frozenset({0, 429, 503})  # 0: the connection broke
CASES, DECISIONS, RETURNS, REVIEWS = "cases", "decisions", "returns", "return_reviews"
_ACCEPT = {"action": "accept", "rank": 1, "operator": "A017"}
_RETURN = {"reason": "职能不符", "note": "不在本局职责内", "operator": "B203"}
_REVIEW = {"verdict": "rejected", "note": "确属职责", "operator": "S001"}


@dataclass(frozen=True)
class Request:
    """What is sent, and the table its row goes to."""

    table: str
    path: str
    body: Mapping[str, Any]


@dataclass
class Seen:
    """What all clients saw.

    :param acknowledged: by table the case_id, or the number of the row, of every 200 that was read to its end.
    :param open: requests that were under way, or due to be sent again, at the end.
    :param answers: how often each status came, with the kind of the problem.
    :param wrong: answers that no client should get.
    :param moments: seconds by `monotonic`, and status, of every answer.
    """

    acknowledged: dict[str, set[str | int]] = field(
        default_factory=lambda: {table: set() for table in (CASES, DECISIONS, RETURNS, REVIEWS)}
    )
    open: list[Request] = field(default_factory=list)
    answers: Counter[tuple[int, str]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    moments: list[tuple[float, int]] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Acknowledged ones of all tables."""
        return sum(map(len, self.acknowledged.values()))


class Clients:
    """Threads that route invented cases, decide on some of them, and send some of those back.

    :param name: begins every case_id, so that no other clients use the same.
    """

    def __init__(self, port: int, name: str, *, threads: int = 8) -> None:
        self.seen = Seen()
        self.first = Event()
        self._port = port
        self._over = Event()
        self._lock = Lock()
        self._threads = [Thread(target=self._work, args=(f"{name}-{number}",)) for number in range(threads)]

    def start(self) -> None:
        """Begin; `first` is set with the first acknowledgement."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> Seen:
        """End after the request under way, and say what was seen."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        return self.seen

    def insist(self, line: "Line", request: Request) -> dict[str, Any] | None:
        """The answer, however often that takes; None when the end came first, or a refusal."""
        while not self._over.is_set():
            status, answer = line.post(request)
            with self._lock:
                self._note(request, status, answer)
            if status not in TRY_AGAIN:
                return answer if status == 200 else None
            self._over.wait(PAUSE)
        with self._lock:
            self.seen.open.append(request)
        return None

    def _note(self, request: Request, status: int, answer: dict[str, Any]) -> None:
        self.seen.answers[status, str(answer.get("kind", "")) if status != 200 else ""] += 1
        self.seen.moments.append((monotonic(), status))
        if status == 200:
            self.seen.acknowledged[request.table].add(answer["case_id" if request.table == CASES else "id"])
            self.first.set()
        elif status not in TRY_AGAIN:
            self.seen.wrong.append(f"{status} {request.path}: {answer}")

    def _work(self, name: str) -> None:
        line, chance, number = Line(self._port), Random(name), 0
        while not self._over.is_set():
            case_id, number = f"{name}-{number}", number + 1
            about = f"/cases/{case_id}"
            steps = [Request(CASES, "/route", {"case_id": case_id, "transcript": f"路灯不亮，第{number}盏"})]
            if chance.random() < 0.4:
                steps.append(Request(DECISIONS, f"{about}/decision", _ACCEPT))
                if chance.random() < 0.4:
                    steps.append(Request(RETURNS, f"{about}/return", _RETURN))
                    steps.append(Request(REVIEWS, f"{about}/return/review", _REVIEW))
            for step in steps:
                if self.insist(line, step) is None:
                    break
        line.close()


class Line:
    """One kept connection; opened anew when it broke."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def post(self, request: Request) -> tuple[int, dict[str, Any]]:
        """Status and answer; 0 when the connection broke before all of it was there."""
        try:
            body = json.dumps(request.body, ensure_ascii=False).encode()
            self._connection.request("POST", request.path, body, {"Content-Type": "application/json"})
            response = self._connection.getresponse()
            return response.status, json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError):
            self._connection.close()
            return 0, {}

    def close(self) -> None:
        """Give it up."""
        self._connection.close()
