"""`kill -9` under load, again and again: every row that was acknowledged is there, and no half one.

    python -m bench.kill --rounds 50                # SQLite
    python -m bench.kill --rounds 50 --postgres     # PostgreSQL of the dev extra, made for the run and deleted after it

The service (with canned answers, so that it writes all the time) is loaded by eight clients over HTTP: cases,
decisions, returns and reviews. At a random moment it is killed, in every second round with two workers. Then the
database must hold every row that a client got a 200 for, no case without its routing, and a whole chain of events
that vouches for each of them; and the service must start again and answer what was under way.
"""

import argparse
import random
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import nullcontext

from bench.clients import Clients, Line, Request, Seen
from bench.postgres import Postgres
from bench.service import Service, folder
from dispatch_model.errors import DispatchError
from serving.settings import Settings
from serving.store.audit import opened, verify
from serving.store.connection import Connection

SECONDS = (0.0, 1.5)  # from the first acknowledgement to the kill
MOST = 5  # faults of a round told in full
_COLUMN = {"cases": "case_id"}
_HALVES = (
    ("件无派单结果的工单", "SELECT count(*) FROM cases WHERE case_id NOT IN (SELECT case_id FROM routings)"),
    ("件有两个派单结果的工单", "SELECT count(*) - count(DISTINCT case_id) FROM routings"),
    ("条无工单的派单结果", "SELECT count(*) FROM routings WHERE case_id NOT IN (SELECT case_id FROM cases)"),
)


def main() -> None:
    """One line per round, then the sum; exit status 1 when anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--postgres", action="store_true")
    options = parser.parse_args()
    with Postgres.temporary() if options.postgres else nullcontext() as server:
        found = list(rounds(options.rounds, server.url if server else ""))
    sys.stdout.write(f"{options.rounds} kills, {sum(found)} faults\n")
    sys.exit(any(found))


def rounds(number: int, database_url: str = "", *, most: float = SECONDS[1]) -> Iterator[int]:
    """The faults that each kill left; a line for each on standard output.

    :param database_url: of an empty PostgreSQL database; '': SQLite.
    :param most: seconds from the first acknowledgement to the kill.
    """
    with (
        folder() as data,
        Service({"data_dir": data, "database_url": database_url, "auto_migrate": "always"}) as service,
    ):
        every, under_way = Seen(), list[Request]()
        for index in range(number):
            spent = service.start(workers=1 + index % 2)
            wrong = answer_again(service.port, under_way, every)
            seen = load(service, str(index), random.uniform(SECONDS[0], most))
            under_way, before = seen.open, every.rows
            for table, known in seen.acknowledged.items():
                every.acknowledged[table] |= known
            found = [*wrong, *seen.wrong, *faults(service.settings, every)]
            rows = " ".join(f"{table} {len(known)}" for table, known in every.acknowledged.items())
            told = f"ready after {spent:.1f} s, {every.rows - before} acknowledged, {len(under_way)} under way"
            sys.stdout.write(
                "".join(
                    f"{line}\n" for line in [f"round {index}: {told}; all: {rows}; {len(found)} faults", *found[:MOST]]
                )
            )
            sys.stdout.flush()
            yield len(found)


def load(service: Service, name: str, seconds: float) -> Seen:
    """Load the service and kill it so long after the first acknowledgement."""
    clients = Clients(service.port, name)
    clients.start()
    try:
        if not clients.first.wait(20):
            clients.seen.wrong.append("nothing was acknowledged within 20 s")
        time.sleep(seconds)
        service.kill()
    finally:
        seen = clients.stop()
    return seen


def answer_again(port: int, requests: Iterable[Request], seen: Seen) -> list[str]:
    """Send what was under way when the service was killed; what it does not answer."""
    line, wrong = Line(port), []
    for request in requests:
        status, answer = line.post(request)
        if status == 200:
            seen.acknowledged[request.table].add(answer["case_id" if request.table == "cases" else "id"])
        else:
            wrong.append(f"{status} {request.path}: {answer}")
    line.close()
    return wrong


def faults(settings: Settings, seen: Seen) -> list[str]:
    """What of the acknowledged is missing, what is there by half, and where the chain of events is broken."""
    try:
        with opened(settings) as connection:
            return [*_lost(connection, seen), *_halves(connection), *verify(connection).flaws]
    except DispatchError as error:
        return [error.message]


def _lost(connection: Connection, seen: Seen) -> Iterator[str]:
    for table, known in seen.acknowledged.items():
        stored = {row[0] for row in connection.run(f"SELECT {_COLUMN.get(table, 'id')} FROM {table}").fetchall()}
        if lost := known - stored:
            yield f"{table}: {len(lost)} acknowledged and lost, such as {next(iter(lost))}"


def _halves(connection: Connection) -> Iterator[str]:
    for name, query in _HALVES:
        ((number,),) = connection.run(query).fetchall()
        if number:
            yield f"{number} {name}"


if __name__ == "__main__":
    main()
