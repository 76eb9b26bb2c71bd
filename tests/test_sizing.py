from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from dispatch_model.errors import DispatchError
from serving.bulk.sizing import MEASURED, Volume, bulk_hours, bulk_table, size, volume_table, waits

PAGE = (Path(__file__).parent.parent / "docs" / "sizing.md").read_text(encoding="utf-8")


def waited(cores: int, rate: float, service: float, calls: int = 40_000) -> list[float]:
    """Waits of simulated calls: arrivals and service times exponential, first come first served."""
    random, now, free = Random(7), 0.0, [0.0] * cores
    waits = []
    for _ in range(calls):
        now += random.expovariate(rate)
        first = min(range(cores), key=free.__getitem__)
        start = max(now, free[first])
        free[first] = start + random.expovariate(1 / service)
        waits.append(start - now)
    return waits


def test_the_chance_to_wait_is_erlangs() -> None:
    assert waits(1, 0.5) == pytest.approx(0.5)
    assert waits(2, 1.0) == pytest.approx(1 / 3)
    assert waits(10, 0.0) == 0.0
    assert waits(2, 2.0) == 1.0


@pytest.mark.parametrize(("cores", "busy"), [(1, 0.6), (2, 1.3), (4, 2.5)])
def test_a_simulated_queue_waits_as_told(cores: int, busy: float) -> None:
    share = sum(wait > 0 for wait in waited(cores, busy / 0.0151, 0.0151)) / 40_000
    assert share == pytest.approx(waits(cores, busy), abs=0.03)


@pytest.mark.parametrize("calls", [50_000, 1_000_000, 5_000_000])
def test_with_the_cores_told_the_peak_waits_no_longer_than_asked_and_with_fewer_it_runs_hot(calls: float) -> None:
    volume = Volume(calls)
    found = size(volume)
    queue = sorted(waited(found.cores, found.peak, MEASURED.served_ms / 1e3))
    assert queue[int(len(queue) * 0.99)] * 1e3 <= volume.wait_ms * 1.1
    assert found.busy <= 0.7 * found.cores
    scarce = waits(found.cores - 1, found.busy)
    assert found.cores == 1 or found.busy > 0.7 * (found.cores - 1) or scarce > 0.01


def test_more_calls_dearer_cases_and_shorter_waits_need_no_fewer_cores() -> None:
    calls = [size(Volume(count * 50_000)).cores for count in range(1, 40)]
    dear = [size(Volume(1e6), replace(MEASURED, served_ms=ms)).cores for ms in (5, 12, 50, 200)]
    hurried = [size(Volume(1e6, wait_ms=wait)).cores for wait in (500, 50, 5, 0.5)]
    for row in (calls, dear, hurried):
        assert all(before <= after for before, after in pairwise(row))
        assert row[-1] > row[0]


def test_one_replica_may_be_down() -> None:
    found = size(Volume(1_000_000), replica_cores=4)
    assert (found.replicas - 1) * 4 >= found.cores > (found.replicas - 2) * 4


def test_memory_and_database_follow_from_what_was_measured() -> None:
    found = size(Volume(2**20 / 365), replace(MEASURED, worker_mib=512, stored_kib=8))
    assert found.database_gib == pytest.approx(8)
    assert found.memory_gib == found.replicas


def test_a_volume_beyond_all_measure_is_refused() -> None:
    with pytest.raises(DispatchError, match="10000 核以上"):
        size(Volume(1e12))


def test_bulk_is_cpu_over_cores() -> None:
    assert bulk_hours(3_600_000, 2, replace(MEASURED, bulk_ms=10)) == pytest.approx(5)


def test_the_page_holds_the_tables_of_what_was_measured() -> None:
    assert "\n".join(volume_table()) in PAGE
    assert "\n".join(bulk_table()) in PAGE
