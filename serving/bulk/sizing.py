"""How many cores, replicas and bytes a volume of calls needs: `dispatch size` and the tables of docs/sizing.md.

Calls arrive by chance, so what counts is not the average but how long one waits behind others: with c cores and a
offered load of a = rate × CPU seconds, the chance to wait at all is Erlang's C(c, a), and to wait longer than t it is
C·exp(−(c − a)·t/s) (A. K. Erlang 1917; service times taken as exponential, ours vary less, so waits are shorter).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, exp

from dispatch_model.errors import DispatchError, ErrorKind

DAYS = 365
GIB = 1 << 30
WAITING = 0.01  # share of calls that may wait longer than `Volume.wait_ms`
BUSIEST = 0.7  # share of its time a core may be busy in the peak; the rest is for the database, the system, a bad day
MOST_CORES = 10_000


@dataclass(frozen=True)
class Measured:
    """What one case costs; measured, not guessed.

    :param served_ms: CPU of the service for one stored `/route` (bench/route_cpu.py).
    :param bulk_ms: CPU of one case on Ray (bench/bulk.py).
    :param worker_mib: resident memory of one worker process (bench/replicas.py).
    :param stored_kib: what a case takes in the database, with its routing and indexes (bench/replicas.py).
    """

    served_ms: float
    bulk_ms: float
    worker_mib: float
    stored_kib: float


# One 147-character text, 2 virtual cores of an AMD EPYC: docs/benchmarks.md. Another machine: measure there.
MEASURED = Measured(served_ms=15.1, bulk_ms=10.3, worker_mib=252, stored_kib=6.4)


@dataclass(frozen=True)
class Volume:
    """How many calls come, and how unevenly.

    :param busy_hour: share of a day's calls in its busiest hour; 1/24 would be an even day.
    :param burst: peak minute against the mean of the busiest hour; rainstorms and outages make it high.
    :param wait_ms: what 99 of 100 calls may wait for a free core at most.
    """

    calls_per_day: float
    busy_hour: float = 0.12
    burst: float = 3.0
    wait_ms: float = 50.0

    @property
    def peak(self) -> float:
        """Calls a second in the peak minute."""
        return self.calls_per_day * self.busy_hour / 3600 * self.burst


@dataclass(frozen=True)
class Size:
    """What to provide.

    :param peak: calls a second in the peak minute.
    :param busy: cores that the peak keeps busy.
    :param cores: cores of all replicas together while one of them is down.
    :param replicas: of `replica_cores` cores each, one to spare.
    :param memory_gib: resident memory of all workers.
    :param database_gib: what a year of cases takes.
    """

    peak: float
    busy: float
    cores: int
    replicas: int
    memory_gib: float
    database_gib: float


def size(volume: Volume, measured: Measured = MEASURED, *, replica_cores: int = 2) -> Size:
    """The fewest cores with which the peak neither waits nor runs hot.

    :raises DispatchError: INVALID_PARAMETER for a volume no installation has.
    """
    service = measured.served_ms / 1e3
    busy = volume.peak * service
    cores = next((count for count in range(1, MOST_CORES) if _enough(count, busy, service, volume.wait_ms / 1e3)), 0)
    if not cores:
        raise DispatchError(
            ErrorKind.INVALID_PARAMETER,
            f"每天 {volume.calls_per_day:g} 件需要 {MOST_CORES} 核以上；请核对数量与每件的处理器时间。",
            field="calls_per_day",
            value=volume.calls_per_day,
        )
    replicas = ceil(cores / replica_cores) + 1
    return Size(
        peak=volume.peak,
        busy=busy,
        cores=cores,
        replicas=replicas,
        memory_gib=replicas * replica_cores * measured.worker_mib * (1 << 20) / GIB,
        database_gib=volume.calls_per_day * DAYS * measured.stored_kib * (1 << 10) / GIB,
    )


def bulk_hours(cases: float, cores: int, measured: Measured = MEASURED) -> float:
    """Hours to route a history on Ray, with all `cores` busy to the end."""
    return cases * measured.bulk_ms / 1e3 / cores / 3600


def waits(cores: int, busy: float) -> float:
    """Erlang's C: the chance that a call finds all cores busy; 1 when they cannot keep up.

    :param busy: offered load in cores.
    """
    if busy >= cores:
        return 1.0
    blocked = 1.0
    for count in range(1, cores + 1):  # Erlang's B by its recurrence, which cannot overflow
        blocked = busy * blocked / (count + busy * blocked)
    return blocked / (1 - busy / cores * (1 - blocked))


def _enough(cores: int, busy: float, service: float, wait: float) -> bool:
    if busy > cores * BUSIEST:
        return False
    return waits(cores, busy) * exp(-(cores - busy) * wait / service) <= WAITING


def volume_table(measured: Measured = MEASURED) -> Iterator[str]:
    """Lines of a Markdown table by calls a day."""
    columns = ("calls a day", "peak, calls a second", "cores busy then", "cores needed", "replicas of 2 cores")
    yield f"| {' | '.join(columns)} | memory | database, a year |"
    yield "|---|---|---|---|---|---|---|"
    for calls in (1_000, 5_000, 20_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000):
        found = size(Volume(calls), measured)
        yield (
            f"| {calls:,} | {found.peak:.1f} | {found.busy:.3f} | {found.cores} | {found.replicas} "
            f"| {found.memory_gib:.1f} GiB | {found.database_gib:,.0f} GiB |"
        )


def bulk_table(measured: Measured = MEASURED) -> Iterator[str]:
    """Lines of a Markdown table by length of the history and number of cores."""
    clusters = (2, 16, 64, 256)
    yield f"| cases | core hours | {' | '.join(f'{cores} cores' for cores in clusters)} |"
    yield f"|---|---|{'---|' * len(clusters)}"
    for cases in (100_000, 1_000_000, 10_000_000, 100_000_000):
        times = " | ".join(_told(bulk_hours(cases, cores, measured)) for cores in clusters)
        yield f"| {cases:,} | {bulk_hours(cases, 1, measured):,.1f} | {times} |"


def _told(hours: float) -> str:
    if hours < 1:
        return f"{max(1, hours * 60):.0f} min"
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.0f} days"
