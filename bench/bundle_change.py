"""What another bundle costs: the swap itself, a bundle in the shadow, and `POST /route` beside either.

    python -m bench.bundle_change        # half a minute, in this process: app, store and shipped bundle

One client sends cases without pause while another loads the shipped bundle under another name, goes back, and then
lets it answer in the shadow.
"""

import resource
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from fastapi.testclient import TestClient

from bench.beside import alone, beside, route
from dispatch_model.bundle import PARTS, write_manifest
from dispatch_model.router import Router
from serving.app import create_app
from serving.settings import Settings

WARM, QUIET = 10, 50
SWAPS = 6
SHADOWED = 200


def main() -> None:
    """Quiet, then one line per swap, then the shadow, to standard output."""
    router = Router.open(Settings.load().bundle)
    with tempfile.TemporaryDirectory() as data:
        renamed(router, Path(data) / "bundles" / "other")
        settings = Settings(data_dir=Path(data), bundles_dir=Path(data) / "bundles")
        with TestClient(create_app(settings, router)) as client:
            for _ in range(WARM):
                route(client)
            _tell(f"{alone(client, QUIET, '/route alone')}; {_memory()}")
            for number in range(SWAPS):
                path = "/admin/bundle/rollback" if number % 2 else "/admin/bundle"
                query = {} if number % 2 else {"path": "other"}
                told = beside(client, partial(_post, client, path, query))
                time.sleep(3)  # for what was replaced to be given back
                _tell(f"{told}; {_memory()}")
            _post(client, "/admin/shadow", {"path": "other"})
            _tell(alone(client, SHADOWED, "/route, a bundle in the shadow"))
            time.sleep(2)
            shadowed = [
                line for line in client.get("/metrics").text.splitlines() if line.startswith("dispatch_shadow_t")
            ]
            _tell(f"of {SHADOWED}: {', '.join(shadowed)}; {_memory()}")


def renamed(router: Router, folder: Path) -> None:
    """The bundle of `router` under another name; its files are links."""
    folder.mkdir(parents=True)
    bundle = router.encoder.bundle
    for part in PARTS:
        (folder / part).symlink_to(bundle.folder.resolve() / part)
    write_manifest(folder, bundle.manifest.model_dump() | {"name": "other"})


def _post(client: TestClient, path: str, query: dict[str, str]) -> None:
    client.post(path, params=query).raise_for_status()


def _memory() -> str:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return f"{pages * resource.getpagesize() / 2**20:.0f} MiB resident, most {most:.0f}"


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    main()
