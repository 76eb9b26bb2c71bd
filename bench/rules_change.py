"""What a change of the access list costs: the change itself, and `POST /route` beside it.

    python -m bench.rules_change         # half a minute, in this process: app, store and shipped bundle

One client sends cases without pause while another uploads an invented list.
"""

import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

from fastapi.testclient import TestClient

from bench.beside import alone, beside, route
from dispatch_model.access_row import COLUMNS, LISTS
from dispatch_model.router import Router
from serving.app import create_app
from serving.settings import Settings

SIZES = (500, 5_000, 20_000)
WARM, QUIET = 10, 50


def main() -> None:
    """Quiet, then one line per size to standard output."""
    router = Router.open(Settings.load().bundle)
    with tempfile.TemporaryDirectory() as data:
        settings = Settings(data_dir=Path(data))
        with TestClient(create_app(settings, router)) as client:
            for _ in range(WARM):
                route(client)
            sys.stdout.write(f"{alone(client, QUIET, '/route alone')}\n")
            for size in SIZES:
                told = beside(client, partial(_change, client, invented(router, size)))
                sys.stdout.write(f"{size:6} rows: {told}\n")


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


def _change(client: TestClient, content: bytes) -> None:
    client.post("/admin/rules", params={"kind": "access_list"}, content=content).raise_for_status()


if __name__ == "__main__":
    main()
