"""What a change of the access list costs: the change itself, and `POST /route` beside it.

    python bench/rules_change.py         # half a minute, in this process: app, store and shipped bundle

One client sends cases without pause while another uploads an invented list.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice
from pathlib import Path

from fastapi.testclient import TestClient

from dispatch_model.access_row import COLUMNS, LISTS
from dispatch_model.router import Router
from serving.app import create_app
from serving.settings import Settings

SIZES = (500, 5_000, 20_000)
TEXT = "龙华区金贸街道某小区门口天天有流动摊贩占道摆摊卖烧烤，油烟很大，希望来人管一管"
_numbers = count()


def main() -> None:
    """Quiet, then one line per size to standard output."""
    router = Router.open(Settings.load().bundle)
    with tempfile.TemporaryDirectory() as data:
        settings = Settings(data_dir=Path(data))
        with TestClient(create_app(settings, router)) as client, ThreadPoolExecutor(1) as pool:
            quiet = sorted(_route(client) for _ in range(60))[10:]
            sys.stdout.write(f"/route alone: median {statistics.median(quiet):.1f} ms\n")
            for size in SIZES:
                sys.stdout.write(f"{_beside(client, pool, invented(router, size), size)}\n")


def invented(router: Router, size: int) -> bytes:
    """A list of `size` rows, none of which contradicts another."""
    rows = "\n".join(",".join(row) for row in islice(_rows(router), size))
    return f"{','.join(COLUMNS)}\n{rows}\n".encode()


def _rows(router: Router) -> Iterator[tuple[str, ...]]:
    places = ["", *(code for code, region in router.city.regions.items() if region.level in ("区", "镇街"))]
    keys = ((place, level, leaf) for place in places for level in LISTS for leaf in router.maps.leaves)
    for number, (place, level, leaf) in enumerate(keys):
        name = LISTS[level][number % 3]
        yield f"R-{number}", f"事项{number}", leaf, level, name, "", "", "照办", place, "《示例条例》", "", "", "1"


def _beside(client: TestClient, pool: ThreadPoolExecutor, content: bytes, size: int) -> str:
    started = time.perf_counter()
    change = pool.submit(_change, client, content)
    waits = []
    while not change.done():
        waits.append(_route(client))
    seconds = time.perf_counter() - started
    change.result()
    first = _route(client)
    waits.sort()
    told = f"{size:6} rows: in force after {seconds:5.2f} s; /route beside it, n {len(waits)}: "
    return told + f"median {statistics.median(waits):.1f}, most {waits[-1]:.1f} ms; first after it {first:.1f} ms"


def _change(client: TestClient, content: bytes) -> None:
    client.post("/admin/rules", params={"kind": "access_list"}, content=content).raise_for_status()


def _route(client: TestClient) -> float:
    """Milliseconds of one new case."""
    started = time.perf_counter()
    client.post("/route", json={"case_id": f"B{next(_numbers)}", "transcript": TEXT}).raise_for_status()
    return (time.perf_counter() - started) * 1e3


if __name__ == "__main__":
    main()
