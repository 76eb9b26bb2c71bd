"""Memory of the service with one worker and with several, and how long it takes to be ready.

    python bench/memory.py               # own server on loopback, 1 and 4 workers, 200 cases each

Resident memory (RSS) counts what processes share in each of them. "Own" is what a process has for itself alone: so much
one more worker costs. "Together" counts what is shared once (the sum of PSS).
"""

import argparse
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from route_cpu import TEXT, free_port

ANSWERS = 200


def main() -> None:
    """Measure with each number of workers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 4])
    for workers in parser.parse_args().workers:
        with tempfile.TemporaryDirectory() as data:
            sys.stdout.write(_measured(workers, data) + "\n")
            sys.stdout.flush()


def _measured(workers: int, data: str) -> str:
    port = free_port()
    settings = {"DATA_DIR": data, "PORT": port, "WORKERS": workers, "DRAIN_DELAY": 0}
    server = subprocess.Popen(
        [sys.executable, "-c", "from serving.cli import main; main()", "serve"],
        env={**os.environ, **{f"DISPATCH_{key}": str(value) for key, value in settings.items()}},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        ready = _until_ready(port, server)
        for number in range(ANSWERS):
            _send(port, f"M{number}")
        pids = _serving(server.pid) or [server.pid]
        rows = [_memory(pid) for pid in pids]
        whole = sum(_memory(pid)["Pss"] for pid in {server.pid, *pids})
    finally:
        server.terminate()
        server.wait(30)
    rss = "/".join(f"{row['Rss']:.0f}" for row in rows)
    own = "/".join(f"{row['Private_Clean'] + row['Private_Dirty']:.0f}" for row in rows)
    return f"{workers} worker(s): ready after {ready:.2f} s · RSS {rss} MiB · own {own} MiB · together {whole:.0f} MiB"


def _until_ready(port: int, server: "subprocess.Popen[bytes]") -> float:
    began = time.monotonic()
    while time.monotonic() < began + 30:
        if server.poll() is not None:
            raise SystemExit("server stopped")
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            line.request("GET", "/readyz")
            if line.getresponse().status == 200:
                return time.monotonic() - began
        except OSError:
            time.sleep(0.01)
        finally:
            line.close()
    raise SystemExit("server did not become ready")


def _send(port: int, case_id: str) -> None:
    """One case on a connection of its own, so that every worker gets some."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    body = json.dumps({"case_id": case_id, "transcript": TEXT}).encode()
    line.request("POST", "/route", body, {"Content-Type": "application/json"})
    answer = line.getresponse()
    answer.read()
    line.close()
    if answer.status != 200:
        raise SystemExit(f"/route answered {answer.status}")


def _serving(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _memory(pid: int) -> dict[str, float]:
    """MiB by kind."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return {name: int(size) / 1024 for name, size in re.findall(r"^(\w+):\s+(\d+) kB", text, re.MULTILINE)}


if __name__ == "__main__":
    main()
