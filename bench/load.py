"""What clients see of a service under load: eight at once, at capacity, and at four times that.

    python bench/load.py                 # own server on loopback, SQLite; 5 runs of 12 s
    python bench/load.py --workers 2 --seconds 20

A closed loop sends the next case when the last was answered: that is how capacity is found. An open loop sends at
random moments at a given rate, whatever comes back. Clients run in a process of their own, on bare connections: with
some hundred requests under way, httpx takes longer than the service it would measure. Every case is new and 150
characters long; afterwards each one answered 200 must be in the database. "late" is how far the clients themselves were
behind: where it is not small, the machine was too busy for the figure to say anything.
"""

import argparse
import asyncio
import json
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

from route_cpu import TEXT, cpu_seconds, free_port, wait_ready

LONGEST = 30.0  # seconds of one run
Seen = tuple[int, float]  # status (0: no response), seconds
Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def main() -> None:
    """Run all, or be the client process of one run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=12.0, help="of each run, at most 30")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--queue-limit", type=int, default=16)
    parser.add_argument("--client", nargs=4, metavar=("URL", "NAME", "CLIENTS", "RATE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    seconds = min(options.seconds, LONGEST)
    if options.client:
        url, name, clients, rate = options.client
        sys.stdout.write(json.dumps(asyncio.run(_drive(url, name, int(clients), float(rate), seconds))))
        return
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as data:
        server = _start(port, data, options.workers, options.queue_limit)
        try:
            wait_ready(url, server)
            _measure(url, server, seconds, options)
            _check_stored(Path(data) / "dispatch.db")
        finally:
            server.terminate()
            server.wait(30)


def _measure(url: str, server: "subprocess.Popen[bytes]", seconds: float, options: Any) -> None:
    def run(told: str, name: str, clients: int, rate: float, length: float = seconds) -> dict[str, Any]:
        command = [sys.executable, __file__, f"--seconds={length}", "--client", url, name, str(clients), str(rate)]
        before = _cpu(server)
        answer = subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=3 * LONGEST).stdout
        found: dict[str, Any] = json.loads(answer)
        found["cpu"] = (_cpu(server) - before) * 1e3
        ANSWERED.update(found["answered"])
        _tell(told, found)
        return found

    run("warming up", "warm", 2, 0.0, 2.0)
    run("closed, 1 client", "one", 1, 0.0)
    run(f"closed, {options.clients} clients", "many", options.clients, 0.0)
    # As many as wait without being refused: the server never idles.
    crowd = max(options.clients, options.queue_limit * options.workers * 3 // 4)
    full = run(f"closed, {crowd} clients", "full", crowd, 0.0)
    capacity = len(_served(full["seen"])) / full["took"]
    at = run(f"open, {capacity:.0f}/s (capacity)", "at", 0, capacity)
    over = run(f"open, {4 * capacity:.0f}/s (4×)", "over", 0, 4 * capacity)
    ratio = _percentile(_served(over["seen"]), 99) / _percentile(_served(at["seen"]), 99)
    _say(f"p99 of the served at 4× ÷ at capacity: {ratio:.2f}")


ANSWERED: set[str] = set()


def _start(port: int, data: str, workers: int, queue_limit: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", "from serving.cli import main; main()", "serve"]
    settings = {"DATA_DIR": data, "PORT": port, "WORKERS": workers, "QUEUE_LIMIT": queue_limit}
    environment = {**os.environ, **{f"DISPATCH_{key}": str(value) for key, value in settings.items()}}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Clients:
    """Sends cases, on kept connections while there are idle ones."""

    def __init__(self, url: str, name: str) -> None:
        self._host, self._port = url.removeprefix("http://").split(":")
        self._name = name
        self._idle: list[Line] = []
        self.seen: list[Seen] = []
        self.answered: list[str] = []
        self.late = 0.0

    async def send(self, number: int) -> None:
        """One case, and note what came of it."""
        case_id = f"{self._name}-{number}"
        body = json.dumps({"case_id": case_id, "transcript": TEXT}, ensure_ascii=False).encode()
        began = time.perf_counter()
        try:
            status = await asyncio.wait_for(self._exchange(body), LONGEST)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            status = 0
        self.seen.append((status, time.perf_counter() - began))
        if status == 200:
            self.answered.append(case_id)

    async def _exchange(self, body: bytes) -> int:
        reader, writer = self._idle.pop() if self._idle else await asyncio.open_connection(self._host, int(self._port))
        head = f"POST /route HTTP/1.1\r\nHost: {self._host}:{self._port}\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
        self._idle.append((reader, writer))
        return int(answer.split(b" ", 2)[1])

    async def closed(self, clients: int, seconds: float) -> None:
        """`clients` of them, each waiting for its answer."""
        until = time.perf_counter() + seconds
        numbers = count()

        async def go_on() -> None:
            while time.perf_counter() < until:
                await self.send(next(numbers))

        await asyncio.gather(*(go_on() for _ in range(clients)))

    async def open(self, rate: float, seconds: float) -> None:
        """`rate` a second at random moments."""
        rng = random.Random(1)
        async with asyncio.TaskGroup() as tasks:
            begin = due = time.perf_counter()
            for number in count():
                due += rng.expovariate(rate)
                if due > begin + seconds:
                    break
                if (wait := due - time.perf_counter()) > 0:
                    await asyncio.sleep(wait)
                self.late = max(self.late, time.perf_counter() - due)
                tasks.create_task(self.send(number))


async def _drive(url: str, name: str, clients: int, rate: float, seconds: float) -> dict[str, Any]:
    """One run: a closed loop of `clients`, or an open one at `rate` a second."""
    drivers = Clients(url, name)
    began = time.perf_counter()
    await (drivers.open(rate, seconds) if rate else drivers.closed(clients, seconds))
    return {**vars(drivers), "_idle": [], "took": time.perf_counter() - began}


def _tell(name: str, found: dict[str, Any]) -> None:
    seen: list[Seen] = found["seen"]
    served = _served(seen)
    counts = " ".join(f"{status or 'none'}×{count}" for status, count in sorted(Counter(s for s, _ in seen).items()))
    refused = [spent for status, spent in seen if status == 429]
    p50, p99 = _percentile(served, 50), _percentile(served, 99)
    more = f" · refused: p50 {_percentile(refused, 50):.1f} ms" if refused else ""
    _say(
        f"{name}: {len(served) / found['took']:.1f} served/s · p50 {p50:.1f} ms · p99 {p99:.1f} ms"
        f" · p99÷p50 {p99 / p50:.2f} · server CPU {found['cpu'] / len(seen):.2f} ms a request · {counts}{more}"
        f" · late {found['late'] * 1e3:.0f} ms · load {os.getloadavg()[0]:.1f}"
    )


def _served(seen: Sequence[Seen]) -> list[float]:
    return [spent for status, spent in seen if status == 200]


def _percentile(seconds: Sequence[float], percent: int) -> float:
    """In milliseconds."""
    return statistics.quantiles(seconds, n=100, method="inclusive")[percent - 1] * 1e3


def _cpu(server: "subprocess.Popen[bytes]") -> float:
    """CPU seconds of the server and its workers."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    return sum(cpu_seconds(int(pid)) for pid in [server.pid, *children])


def _check_stored(database: Path) -> None:
    connection = sqlite3.connect(database)
    stored = {case_id for (case_id,) in connection.execute("SELECT case_id FROM cases")}
    connection.close()
    _say(f"answered 200: {len(ANSWERED)}, of them not in the database: {len(ANSWERED - stored)}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
