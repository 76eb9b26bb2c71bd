"""`POST /route` by one client without pause, alone and beside a change of the running app, in this process."""

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from fastapi.testclient import TestClient

TEXT = "龙华区金贸街道某小区门口天天有流动摊贩占道摆摊卖烧烤，油烟很大，希望来人管一管"
_numbers = count()


def route(client: TestClient) -> float:
    """Milliseconds of one new case."""
    started = time.perf_counter()
    client.post("/route", json={"case_id": f"B{next(_numbers)}", "transcript": TEXT}).raise_for_status()
    return (time.perf_counter() - started) * 1e3


def alone(client: TestClient, cases: int, told: str) -> str:
    """`told`, median and most of `cases` new cases."""
    waits = [route(client) for _ in range(cases)]
    return f"{told}: median {statistics.median(waits):.1f}, most {max(waits):.1f} ms"


def beside(client: TestClient, change: Callable[[], None]) -> str:
    """How long `change` took on another thread, and the cases that were sent meanwhile.

    :raises Exception: whatever `change` raised.
    """
    started, waits = time.perf_counter(), []
    with ThreadPoolExecutor(1) as pool:
        changing = pool.submit(change)
        while not changing.done():
            waits.append(route(client))
    seconds = time.perf_counter() - started
    changing.result()
    first = route(client)
    told = f"in force after {seconds:.2f} s; /route beside it, n {len(waits)}: "
    return told + f"median {statistics.median(waits):.1f}, most {max(waits):.1f} ms; first after it {first:.1f} ms"
