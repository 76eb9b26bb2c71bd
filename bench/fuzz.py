"""24,000 requests that make no sense, and not one 5xx.

    python -m bench.fuzz                            # SQLite, the shipped bundle
    python -m bench.fuzz --requests 24000 --postgres --keyed

Half of them are drawn by schemathesis from the OpenAPI the service shows, valid and invalid ones; half are those of
`bench.nonsense`, sent by two threads meanwhile. Afterwards the service must be the same process and ready, and the
chain of events whole.
"""

import argparse
import json
import shutil
import socket
import sys
import time
import urllib.request
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from bench.clients import Seen
from bench.kill import faults
from bench.nonsense import Nonsense, Sent
from bench.postgres import Postgres
from bench.service import Service, folder
from serving.guard import keys
from serving.guard.scopes import Scope
from serving.settings import Settings
from serving.store.store import Store

THREADS = 2
SECONDS = 60.0  # one answer may take at most
MOST = 20  # kinds of wrong answers told
HEAVY = ("/route", "/route/batch", "/cases")  # paths that get more of the drawn requests than others
BUNDLE = Path(__file__).parent.parent / "dispatch_model" / "default_bundle"


@dataclass
class Found:
    """What came back.

    :param statuses: 0: no answer.
    :param wrong: by a short form of answer and path, one request that led to it.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    wrong: dict[str, str] = field(default_factory=dict)
    slowest: float = 0.0
    lock: Any = field(default_factory=Lock)

    def note(self, status: int, answer: bytes, seconds: float, request: str) -> None:
        """One answer to one request."""
        with self.lock:
            self.statuses[status] += 1
            self.slowest = max(self.slowest, seconds)
            if status == 0 or status >= 500:
                self.wrong.setdefault(f"{status} {answer[-300:]!r}", request)


def main() -> None:
    """The statuses, and what was wrong; exit status 1 when anything was."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=24_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--keyed", action="store_true", help="the service asks for a key; most requests show it")
    told = parser.parse_args()
    with Postgres.temporary() if told.postgres else nullcontext() as server, folder() as data:
        shutil.copytree(BUNDLE, data / "bundles" / "copy")
        settings = {"data_dir": data, "bundles_dir": data / "bundles", "database_url": server.url if server else ""}
        with Service({**settings, "auto_migrate": "always", "rate_limit": 0}, program="") as service:
            key = make_key(service.settings) if told.keyed else ""
            service.start()
            began = time.monotonic()
            found = fuzz(service, told.requests, told.seed, key)
            spent = time.monotonic() - began
            broken = afterwards(service)
    counts = " ".join(f"{status or 'none'}×{times}" for status, times in sorted(found.statuses.items()))
    total = sum(found.statuses.values())
    if total < 0.98 * told.requests:
        broken.append(f"only {total} requests were sent")
    lines = [*(f"{answer}\n  {request}" for answer, request in list(found.wrong.items())[:MOST]), *broken]
    lines.append(f"{total} requests in {spent:.0f} s, slowest {found.slowest:.1f} s: {counts}; {len(broken)} faults")
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.exit(bool(found.wrong or broken))


def make_key(settings: Settings) -> str:
    """A new key that opens everything; from then on the service asks for one."""
    store, key = Store.of(settings), keys.new_key()
    store.write(lambda connection: keys.create(connection, key, "fuzz", list(Scope), actor="bench"))
    store.close()
    return key


def fuzz(service: Service, requests: int, seed: int, key: str = "") -> Found:
    """Send so many requests, half of either sort.

    :param key: what the drawn ones show, and most of the others; '': the service asks for none.
    """
    found, each = Found(), requests // 2 // THREADS
    told = [(service.port, each, seed + number, key, found) for number in range(THREADS)]
    threads = [Thread(target=_by_hand, args=one) for one in told]
    for thread in threads:
        thread.start()
    _drawn(service.port, requests - THREADS * each, seed, key, found)
    for thread in threads:
        thread.join()
    return found


def afterwards(service: Service) -> list[str]:
    """What is wrong with the service once all is over."""
    wrong = [] if service.alive() and service.ready() == 200 else ["the service is not ready any more"]
    service.stop()
    return [*wrong, *faults(service.settings, Seen())]


def _by_hand(port: int, requests: int, seed: int, key: str, found: Found) -> None:
    made = Nonsense(seed, key)
    for sent in islice(iter(made.next, None), requests):
        began = time.monotonic()
        answer = exchange(port, sent)
        status = int(answer[9:12]) if answer[:7] == b"HTTP/1." else 0
        request = f"{sent.method!r} {sent.path!r} {sent.headers[:3]!r} {sent.body[:400]!r}"
        found.note(status, answer, time.monotonic() - began, request)


def exchange(port: int, sent: Sent) -> bytes:
    """All that is answered to one request on a connection of its own; b'' when that is nothing."""
    lines = [b"%b %b HTTP/1.1" % (sent.method, sent.path), b"Connection: close"]
    named = {name.lower() for name, _ in sent.headers}
    lines += [b"Host: 127.0.0.1"] * (b"host" not in named)
    lines += [b"%b: %b" % header for header in sent.headers]
    body = sent.body
    if sent.chunked:
        lines.append(b"Transfer-Encoding: chunked")
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    elif b"content-length" not in named:
        lines.append(b"Content-Length: %d" % len(body))
    answer = b""
    try:
        with socket.create_connection(("127.0.0.1", port), SECONDS) as line:
            line.sendall(b"\r\n".join(lines) + b"\r\n\r\n" + body)
            while part := line.recv(65536):
                answer += part
    except OSError as error:
        return answer or str(error).encode()
    return answer


def _drawn(port: int, requests: int, seed: int, key: str, found: Found) -> None:
    """What schemathesis draws from the schema, the same number for every operation but for the heavy ones."""
    import requests as http
    import schemathesis
    from schemathesis.core.result import Ok
    from schemathesis.generation import GenerationMode

    url = f"http://127.0.0.1:{port}"
    with urllib.request.urlopen(f"{url}/openapi.json", timeout=30) as answer:
        schema = schemathesis.openapi.from_dict(json.load(answer))
    operations: list[Any] = [result.ok() for result in schema.get_all_operations() if isinstance(result, Ok)]
    weights = [4 if one.path.startswith(HEAVY) else 1 for one in operations]
    session = http.Session()
    session.headers.update({"Authorization": f"Bearer {key}"} if key else {})
    left = requests
    for index, operation in enumerate(operations):
        share = left * weights[index] // sum(weights[index:])
        for mode, examples in ((GenerationMode.POSITIVE, share // 2), (GenerationMode.NEGATIVE, share - share // 2)):
            left -= _draw(operation, mode, examples, seed, url, session, found)


def _draw(operation: Any, mode: Any, examples: int, seed: int, url: str, session: Any, found: Found) -> int:
    """Up to so many requests of one operation; how many there were."""
    import hypothesis

    sent = 0

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=max(1, examples),
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:
        nonlocal sent
        sent += 1
        began = time.monotonic()
        response = case.call(base_url=url, session=session, timeout=SECONDS)
        request = f"{case.method} {case.formatted_path} {case.query!r} {str(case.body)[:400]}"
        found.note(response.status_code, response.content, time.monotonic() - began, request)

    try:
        ask()
    except hypothesis.errors.Unsatisfiable:
        return sent  # an operation that takes anything has nothing invalid
    return sent


if __name__ == "__main__":
    main()
