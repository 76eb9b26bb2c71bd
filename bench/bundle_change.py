"""What another bundle costs: the swap itself, a bundle in the shadow, and `POST /route` beside either.

    python bench/bundle_change.py        # half a minute, in this process: app, store and shipped bundle

One client sends cases without pause while another loads the shipped bundle under another name, goes back, and then
lets it answer in the shadow.
"""

import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path

from fastapi.testclient import TestClient

from dispatch_model.bundle import PARTS, write_manifest
from dispatch_model.router import Router
from serving.app import create_app
from serving.settings import Settings

TEXT = "龙华区金贸街道某小区门口天天有流动摊贩占道摆摊卖烧烤，油烟很大，希望来人管一管"
SWAPS = 6
SHADOWED = 200
_numbers = count()


def main() -> None:
    """Quiet, then one line per swap, then the shadow, to standard output."""
    router = Router.open(Settings.load().bundle)
    with tempfile.TemporaryDirectory() as data:
        renamed(router, Path(data) / "bundles" / "other")
        settings = Settings(data_dir=Path(data), bundles_dir=Path(data) / "bundles")
        with TestClient(create_app(settings, router)) as client, ThreadPoolExecutor(1) as pool:
            quiet = sorted(_route(client) for _ in range(60))[10:]
            _tell(f"/route alone: median {statistics.median(quiet):.1f}, most {quiet[-1]:.1f} ms; {_memory()}")
            for number in range(SWAPS):
                path = "/admin/bundle/rollback" if number % 2 else "/admin/bundle"
                query = {} if number % 2 else {"path": "other"}
                told = _beside(client, pool, partial(_post, client, path, query))
                time.sleep(3)  # for what was replaced to be given back
                _tell(f"{told}; {_memory()}")
            _post(client, "/admin/shadow", {"path": "other"})
            waits = sorted(_route(client) for _ in range(SHADOWED))
            _tell(f"/route, a bundle in the shadow: median {statistics.median(waits):.1f}, most {waits[-1]:.1f} ms")
            time.sleep(2)
            told = [line for line in client.get("/metrics").text.splitlines() if line.startswith("dispatch_shadow_t")]
            _tell(f"of {SHADOWED}: {', '.join(told)}; {_memory()}")


def renamed(router: Router, folder: Path) -> None:
    """The bundle of `router` under another name; its files are links."""
    folder.mkdir(parents=True)
    bundle = router.encoder.bundle
    for part in PARTS:
        (folder / part).symlink_to(bundle.folder.resolve() / part)
    write_manifest(folder, bundle.manifest.model_dump() | {"name": "other"})


def _beside(client: TestClient, pool: ThreadPoolExecutor, change: Callable[[], None]) -> str:
    started = time.perf_counter()
    changing = pool.submit(change)
    waits = []
    while not changing.done():
        waits.append(_route(client))
    seconds = time.perf_counter() - started
    changing.result()
    first = _route(client)
    waits.sort()
    told = f"in force after {seconds:.2f} s; /route beside it, n {len(waits)}: "
    return told + f"median {statistics.median(waits):.1f}, most {waits[-1]:.1f} ms; first after it {first:.1f} ms"


def _post(client: TestClient, path: str, query: dict[str, str]) -> None:
    client.post(path, params=query).raise_for_status()


def _route(client: TestClient) -> float:
    """Milliseconds of one new case."""
    started = time.perf_counter()
    client.post("/route", json={"case_id": f"B{next(_numbers)}", "transcript": TEXT}).raise_for_status()
    return (time.perf_counter() - started) * 1e3


def _memory() -> str:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return f"{pages * resource.getpagesize() / 2**20:.0f} MiB resident, most {most:.0f}"


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
