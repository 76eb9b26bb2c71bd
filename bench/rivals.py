"""CPU per request of `/route` against the bare session, the same file behind LitServe, and a BERT pipeline.

    python bench/rivals.py                                       # all on loopback, 5 rounds of 40 requests each
    python bench/rivals.py --litserve-python /path/to/python     # an interpreter that has litserve, for that one alone

Our side does all of its work: it checks a key, masks, reads place and cue words, ranks by the access list and stores
case, routing and audit event on disk. The others only run their model. CPU is that of a server and all its
processes (user + system, /proc), so the client does not count. All servers are up all the time and take turns, with
one kept connection a turn and a pause after each answer. A rival whose packages are missing is skipped.
"""

import argparse
import http.client
import json
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from route_cpu import PAUSE, free_port
from route_cpu import TEXT as SHORTER

from dispatch_model.encoder import Encoder
from serving.settings import Settings

TEXT = f"{SHORTER}盼复。"  # 150 characters
LEAST = 150  # requests of one side
LONGEST = 60.0  # seconds of one turn
READY_SECONDS = 90.0
WARM = 10  # requests before each turn that do not count
SETTLE = 0.3  # seconds for what a server does after it has answered
HERE = Path(__file__).parent
DISPATCH = (sys.executable, "-c", "from serving.cli import main; main()")
OURS, BARE, PACED, LITSERVE, FAST, PIPELINE = (
    "/route", "bare session", "bare session, paced", "LitServe", "LitServe, fast_queue", "BERT pipeline",
)  # fmt: skip


@dataclass
class Side:
    """One side and what it has spent.

    :param turn: runs so many requests and returns CPU seconds, and the wall seconds of each.
    :param rounds: CPU milliseconds per request of each turn.
    :param walls: milliseconds of each request.
    """

    turn: Callable[[int], tuple[float, list[float]]]
    rounds: list[float] = field(default_factory=list)
    walls: list[float] = field(default_factory=list)
    spent: float = 0.0

    def go(self, requests: int) -> None:
        """Take a turn."""
        spent, walls = self.turn(requests)
        self.spent += spent
        self.rounds.append(spent / len(walls) * 1e3)
        self.walls += [wall * 1e3 for wall in walls]

    @property
    def cost(self) -> float:
        """CPU milliseconds per request over all rounds."""
        return self.spent / len(self.walls) * 1e3


@dataclass(frozen=True)
class Server:
    """A server that is up."""

    pid: int
    port: int
    path: str
    key: str = ""

    def turn(self, requests: int) -> tuple[float, list[float]]:
        """Send that many on one connection, fewer when `LONGEST` is over."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        for _ in range(WARM):
            self._post(line)
        time.sleep(SETTLE)
        began, before = time.perf_counter(), tree_seconds(self.pid)
        walls: list[float] = []
        while len(walls) < requests and time.perf_counter() < began + LONGEST:
            started = time.perf_counter()
            self._post(line)
            walls.append(time.perf_counter() - started)
            time.sleep(PAUSE)
        time.sleep(SETTLE)
        spent = tree_seconds(self.pid) - before
        line.close()
        return spent, walls

    def idle(self, seconds: float = 3.0) -> float:
        """CPU milliseconds a second while nobody asks."""
        before = tree_seconds(self.pid)
        time.sleep(seconds)
        return (tree_seconds(self.pid) - before) / seconds * 1e3

    def _post(self, line: http.client.HTTPConnection) -> None:
        case = {"case_id": f"R{time.monotonic_ns()}", "transcript": TEXT}
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        line.request("POST", self.path, json.dumps(case, ensure_ascii=False).encode(), headers)
        answer = line.getresponse()
        told = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{self.path} answered {answer.status}: {told.decode()}")


def tree_seconds(pid: int) -> float:
    """User and system time of a process and all its descendants, with those that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    own = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return own + sum(tree_seconds(int(child)) for task in tasks for child in task.read_text().split())


@contextmanager
def running(command: Sequence[str], port: int, ready: str, **environment: str) -> Iterator[int]:
    """The process number of a server that answers 200 on `ready`; stopped afterwards."""
    told = {"OMP_NUM_THREADS": "1", **os.environ, "PYTHONPATH": str(HERE.parent), **environment}
    quiet = subprocess.DEVNULL
    # A group of its own: LitServe leaves its processes behind when it is terminated.
    process = subprocess.Popen(command, env=told, cwd=HERE.parent, stdout=quiet, stderr=quiet, process_group=0)
    try:
        _wait(port, ready, process)
        yield process.pid
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait(port: int, path: str, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until and process.poll() is None:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            line.request("GET", path)
            if line.getresponse().status == 200:
                return
        except (OSError, http.client.HTTPException):
            pass
        finally:
            line.close()
        time.sleep(0.2)
    raise SystemExit(f"a server did not become ready: {process.args!r}")


def _ours(stack: ExitStack) -> tuple[Server, Path]:
    """The service as shipped, with a key, and its folder."""
    folder, port = stack.enter_context(tempfile.TemporaryDirectory()), free_port()
    data = {"DISPATCH_DATA_DIR": folder, "DISPATCH_DRAIN_DELAY": "0"}
    made = (*DISPATCH, "keys", "create", "bench", "--scope", "intake")
    key = subprocess.run(made, env={**os.environ, **data}, capture_output=True, text=True, check=True).stdout.strip()
    pid = stack.enter_context(running((*DISPATCH, "serve", "--port", str(port)), port, "/readyz", **data))
    return Server(pid, port, "/route", key), Path(folder)


def _rival(stack: ExitStack, python: str, needs: str, program: str, *more: str) -> Server | None:
    """A rival; None, and a line that says why, where its packages are missing."""
    found = subprocess.run([python, "-c", f"import {needs}"], capture_output=True, text=True, check=False)
    if found.returncode:
        _say(f"skipped {program}: {found.stderr.strip().splitlines()[-1]} ({python})")
        return None
    port = free_port()
    pid = stack.enter_context(running([python, str(HERE / program), str(port), *more], port, "/health"))
    return Server(pid, port, "/predict")


def bare(pause: float) -> Callable[[int], tuple[float, list[float]]]:
    """Turns of the session alone, on ready inputs; the pause costs no CPU but leaves the caches to others."""
    encoder = Encoder.open(Settings.load().bundle)
    feeds = encoder.feeds(TEXT)

    def turn(runs: int) -> tuple[float, list[float]]:
        for _ in range(WARM):
            encoder.backend.run(feeds)
        walls, spent = [], 0.0
        for _ in range(runs):
            started, before = time.perf_counter(), time.process_time()
            encoder.backend.run(feeds)
            spent += time.process_time() - before
            walls.append(time.perf_counter() - started)
            if pause:
                time.sleep(pause)
        return spent, walls

    return turn


def main() -> None:
    """Start all, let them take turns, tell what each costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=40, help="of one side in one round")
    parser.add_argument("--litserve-python", default=sys.executable, help="interpreter that has litserve")
    options = parser.parse_args()
    with ExitStack() as stack:
        ours, folder = _ours(stack)
        servers = {
            OURS: ours,
            LITSERVE: _rival(stack, options.litserve_python, "litserve", "rival_litserve.py"),
            FAST: _rival(stack, options.litserve_python, "litserve, zmq", "rival_litserve.py", "fast"),
            PIPELINE: _rival(stack, sys.executable, "torch, transformers", "rival_pipeline.py"),
        }
        up = {name: server for name, server in servers.items() if server}
        sides = {BARE: Side(bare(0.0)), PACED: Side(bare(PAUSE)), **{name: Side(up[name].turn) for name in up}}
        loads = []
        for _ in range(options.rounds):
            for side in sides.values():
                side.go(options.requests)
                loads.append(os.getloadavg()[0])
        _tell(sides, {name: server.idle() for name, server in up.items()})
        _say(f"load {min(loads):.1f}–{max(loads):.1f}")
        _check_stored(folder, options.rounds * (options.requests + WARM))


def _tell(sides: Mapping[str, Side], idle: Mapping[str, float]) -> None:
    for name, side in sides.items():
        few = f" · fewer than {LEAST} requests: of no weight" if len(side.walls) < LEAST else ""
        rest = f" · idle {idle[name]:.1f} ms a second" if name in idle else ""
        _say(
            f"{name}: {side.cost:.2f} ms CPU ({min(side.rounds):.2f}–{max(side.rounds):.2f} by round)"
            f" · p50 {statistics.median(side.walls):.1f} ms · {len(side.walls)} requests{rest}{few}"
        )
    ours = sides[OURS]
    for name, must, aim in ((BARE, 1.25, 1.10), (PACED, 1.25, 1.10)):
        share = ours.cost / sides[name].cost
        _say(f"/route ÷ {name}: {share:.2f} (must ≤ {must} {_met(share <= must)}, aim ≤ {aim} {_met(share <= aim)})")
    for name, must, aim in ((LITSERVE, 1.3, 1.5), (FAST, 1.3, 1.5), (PIPELINE, 10, 20)):
        if name in sides:
            times = sides[name].cost / ours.cost
            _say(
                f"{name} ÷ /route: {times:.2f} (must ≥ {must} {_met(times >= must)}, aim ≥ {aim} {_met(times >= aim)})"
            )


def _met(goal: bool) -> str:
    return "met" if goal else "missed"


def _check_stored(folder: Path, sent: int) -> None:
    connection = sqlite3.connect(folder / "dispatch.db")
    (stored,) = connection.execute("SELECT count(*) FROM cases").fetchone()
    connection.close()
    _say(f"cases sent to /route: {sent}, in its database: {stored}")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
