"""Database, disk or clock fail under load and come back: clients see a clear 503, then answers, and nothing is lost.

    python -m bench.outage                 # all of it, about two minutes
    python -m bench.outage disk clock      # only these; see TRIALS

The service (with canned answers, so that it writes all the time) is loaded by eight clients over HTTP that send again
what was not answered. PostgreSQL is that of the dev extra; it is stopped in order, at once, and by `kill -9`. The small
disk is a file system of the service's own, filled to the last byte (needs `unshare`, no root); `limit` lets no file of
the service grow, and lifts that again. The clock is put back by an hour for every module of the service.
"""

import argparse
import resource
import shutil
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.clients import Clients, Seen
from bench.kill import answer_again, faults
from bench.postgres import Postgres
from bench.service import CANNED, CLOCK, Service, folder
from serving.settings import Settings
from serving.store.audit import opened

BEFORE, BROKEN, AFTER = 1.5, 2.0, 1.5  # seconds
PATIENCE = 20.0  # seconds until a failure has to show, and until it has to be over
DISK = 16 * 2**20  # bytes
HOUR = 3600.0
CLEAR = (503, "store_unavailable")
_STEPS_BACK = "SELECT count(*) FROM audit_events a JOIN audit_events b ON b.id = a.id + 1 WHERE b.at < a.at"


@dataclass(frozen=True)
class Failure:
    """How something is broken, and mended.

    :param shows: whether writing fails meanwhile; else nobody may notice.
    """

    name: str
    smash: Callable[[], object]
    mend: Callable[[], object]
    shows: bool = True


def main() -> None:
    """A line per failure; exit status 1 when something was lost, unclear or did not recover."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trials", nargs="*", metavar="TRIAL", help=", ".join(TRIALS))
    told = parser.parse_args().trials or list(TRIALS)
    found = [fault for name in told for fault in TRIALS[name]()]
    sys.stdout.write("".join(f"{fault}\n" for fault in found) + f"{len(found)} faults\n")
    sys.exit(bool(found))


def postgres() -> Iterator[str]:
    """The server goes in three ways and comes back."""
    with Postgres.temporary() as server, folder() as data:
        service = Service({"data_dir": data, "database_url": server.url, "auto_migrate": "always"})
        ways = [
            Failure("PostgreSQL stopped in order", lambda: server.stop("fast"), server.start),
            Failure("PostgreSQL stopped at once", lambda: server.stop("immediate"), server.start),
            Failure("PostgreSQL killed with -9", server.kill, server.start),
        ]
        yield from _suffer(service, ways)


def disk() -> Iterator[str]:
    """The disk of the service is full, and then no longer."""
    with folder() as data:
        service = Service({"data_dir": data}, disk=DISK)

        def ballast() -> Path:
            return _inside(service) / "ballast"

        def fill() -> None:
            with ballast().open("wb", buffering=0) as file:
                try:
                    while file.write(bytes(4096)):
                        pass
                except OSError:
                    return

        yield from _suffer(service, [Failure("disk full", fill, lambda: ballast().unlink())], inside=True)


def limit() -> Iterator[str]:
    """No file of the service may grow, and then they may again."""
    with folder() as data:
        service = Service({"data_dir": data})

        def allow(most: int) -> None:
            resource.prlimit(service.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

        ways = [Failure("file size limited", lambda: allow(4096), lambda: allow(resource.RLIM_INFINITY))]
        yield from _suffer(service, ways)


def clock() -> Iterator[str]:
    """The clock is put back by an hour and later set right; nobody may notice."""
    with folder() as data:
        behind = data / "behind"
        behind.write_text("0")
        service = Service({"data_dir": data}, program=CANNED + CLOCK.format(file=str(behind)))
        ways = [
            Failure(
                "clock put back by an hour",
                lambda: _replace(behind, str(HOUR)),
                lambda: _replace(behind, "0"),
                shows=False,
            )
        ]
        yield from _suffer(service, ways)
        with opened(service.settings) as connection:
            ((steps,),) = connection.run(_STEPS_BACK).fetchall()
        if not steps:
            yield "the clock did not go back in the records: this trial showed nothing"


TRIALS: dict[str, Callable[[], Iterator[str]]] = {"postgres": postgres, "disk": disk, "limit": limit, "clock": clock}


def _suffer(service: Service, ways: list[Failure], *, inside: bool = False) -> Iterator[str]:
    """Load the service through each failure; what should not have been.

    :param inside: the database is on a file system that only the service sees, and only while it runs.
    """
    with service:
        service.start()
        clients = Clients(service.port, "outage")
        clients.start()
        try:
            for way in ways:
                yield from _go_through(service, clients.seen, way)
        finally:
            seen = clients.stop()
        yield from answer_again(service.port, seen.open, seen)
        if inside:
            # SQLite would follow the path to the folder that the file system hides.
            for file in _inside(service).glob("dispatch.db*"):
                shutil.copy(file, service.settings.data_dir)
        yield from _tally(service.settings, seen)
        service.stop()


def _go_through(service: Service, seen: Seen, way: Failure) -> Iterator[str]:
    """One failure from before to after; a line on standard output."""
    time.sleep(BEFORE)
    began = time.monotonic()
    way.smash()
    if way.shows and not _within(PATIENCE, lambda: 503 in _statuses(seen, began)):
        yield f"{way.name}: it did not show"
    time.sleep(BROKEN)
    ready = service.ready()
    asked = time.monotonic()
    way.mend()
    mended = time.monotonic()
    if not _within(PATIENCE, lambda: 200 in _statuses(seen, asked)):
        yield f"{way.name}: no answer within {PATIENCE:g} s after it was over"
    first = min((at for at, status in seen.moments if status == 200 and at > asked), default=mended + PATIENCE)
    time.sleep(AFTER)
    if service.ready() != 200:
        yield f"{way.name}: not ready afterwards"
    during, after = _statuses(seen, began, asked), _statuses(seen, time.monotonic() - AFTER / 2)
    if not way.shows and (set(during) != {200} or ready != 200):
        yield f"{way.name}: noticed, {dict(during)}, ready {ready}"
    if set(after) != {200}:
        yield f"{way.name}: not well afterwards, {dict(after)}"
    _say(
        f"{way.name}: {asked - began:.1f} s long, answers {dict(during)}, /readyz {ready}; mending took "
        f"{mended - asked:.1f} s, first answer {first - asked:.1f} s after it began; then {dict(after)}"
    )


def _tally(settings: Settings, seen: Seen) -> Iterator[str]:
    """What was lost, and what was answered that no client should get."""
    yield from seen.wrong
    for (status, kind), times in seen.answers.items():
        if status == 0 or (status >= 500 and (status, kind) != CLEAR):
            yield f"{status or 'connection broken'} {kind}: {times} times"
    found = faults(settings, seen)
    yield from found
    rows = " ".join(f"{table} {len(known)}" for table, known in seen.acknowledged.items())
    _say(f"  acknowledged: {rows}; lost or half: {len(found)}")


def _statuses(seen: Seen, since: float, until: float = float("inf")) -> Counter[int]:
    return Counter(status for at, status in list(seen.moments) if since < at < until)


def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def _inside(service: Service) -> Path:
    """Its folder, as its own process sees it."""
    return Path(f"/proc/{service.pid}/root{service.settings.data_dir}")


def _replace(path: Path, text: str) -> None:
    """At once, so that nobody reads half of it."""
    draft = path.with_suffix(".new")
    draft.write_text(text)
    draft.replace(path)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
