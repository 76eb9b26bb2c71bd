"""CPU of one `/route` against the bare ONNX session on the same text.

    python bench/route_cpu.py            # starts its own server on a free loopback port, 300 requests
    python bench/route_cpu.py --clients 8

Server CPU comes from its own accounting (user + system, /proc), so the client does not count. One kept
connection, as an intake system holds it, or several at once. The share outside is told twice: against the session as
the server itself timed it in each request (`timing_ms.infer`; wall time, so with one client on an idle machine only),
and against the bare session.
"""

import argparse
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

TEXT = (
    "市民来电反映，龙华区金贸街道某小区门口每天晚上七点以后都有流动摊贩占道经营，卖烧烤和水果，油烟很大，"
    "垃圾随地乱扔，喇叭一直叫卖到凌晨一点多，严重影响周边居民休息。之前也打过几次电话，来人的时候摊贩就走，"
    "人一走又回来摆，希望有关部门能够安排人员经常巡查，彻底解决这个问题，并给市民一个答复。谢谢。"
)[:150]
PAUSE = 0.003  # seconds, about what the client takes between two requests


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_ready(url: str, server: "subprocess.Popen[bytes]") -> None:
    """Until /readyz answers 200, at most 30 s."""
    for _ in range(300):
        try:
            urllib.request.urlopen(f"{url}/readyz", timeout=1)
        except OSError:
            if server.poll() is not None:
                raise SystemExit("server stopped") from None
            time.sleep(0.1)
        else:
            return
    raise SystemExit("server did not become ready")


def served(requests: int, clients: int) -> tuple[float, float, float]:
    """Milliseconds per request: CPU of the server, session as the server timed it, median wall."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as data:
        command = [sys.executable, "-c", "from serving.cli import main; main()", "serve", "--port", str(port)]
        server = subprocess.Popen(
            command, env={**os.environ, "DISPATCH_DATA_DIR": data}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            wait_ready(url, server)
            _send(port, range(20))
            shares = [range(20 + client, 20 + requests, clients) for client in range(clients)]
            before = cpu_seconds(server.pid)
            with ThreadPoolExecutor(clients) as pool:
                times = [time for share in pool.map(partial(_send, port), shares) for time in share]
            spent = cpu_seconds(server.pid) - before
        finally:
            server.terminate()
            server.wait(20)
    walls, sessions = zip(*times, strict=True)
    return spent / requests * 1e3, statistics.mean(sessions), statistics.median(walls)


def _send(port: int, numbers: Iterable[int]) -> list[tuple[float, float]]:
    """One client's requests over one kept connection."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    times = [_post(line, number) for number in numbers]
    line.close()
    return times


def _post(line: http.client.HTTPConnection, number: int) -> tuple[float, float]:
    """Wall milliseconds of one request, and of the session in it."""
    body = json.dumps({"case_id": f"B{number}", "transcript": TEXT}).encode()
    started = time.perf_counter()
    line.request("POST", "/route", body, {"Content-Type": "application/json"})
    answer = json.loads(line.getresponse().read())
    return (time.perf_counter() - started) * 1e3, float(answer["timing_ms"]["infer"])


def bare(runs: int, pause: float = 0.0) -> float:
    """CPU milliseconds of one bare session run on the same text.

    :param pause: seconds between runs. A served request finds the caches as others left them; so does a run after a
        pause, while back to back each run finds them as it left them itself.
    """
    from dispatch_model.encoder import Encoder
    from serving.settings import Settings

    encoder = Encoder.open(Settings.load().bundle)
    feeds = encoder.feeds(TEXT)
    for _ in range(20):
        encoder.backend.run(feeds)
    started = time.process_time()
    for _ in range(runs):
        encoder.backend.run(feeds)
        time.sleep(pause)
    return (time.process_time() - started) / runs * 1e3


def main() -> None:
    """Interleave A B A B and write the share to standard output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--clients", type=int, default=1)
    given = parser.parse_args()
    count = given.requests
    rounds = [(bare(count), bare(count, PAUSE), *served(count, given.clients)) for _ in range(2)]
    tight, paced, whole, inside, wall = (statistics.mean(column) for column in zip(*rounds, strict=True))
    line = (
        f"session {inside:.2f} ms in the server, {tight:.2f} bare back to back, {paced:.2f} bare paced · "
        f"/route {whole:.2f} ms CPU · outside {1 - inside / whole:.1%}, {1 - tight / whole:.1%}, "
        f"{1 - paced / whole:.1%} · p50 {wall:.1f} ms"
    )
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
