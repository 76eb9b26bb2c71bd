"""The service in a process of its own on a loopback port, to be killed, starved and fed with nonsense."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from serving.settings import Settings

# Canned answers: the model takes its time, and what is to be seen here is what happens around it.
CANNED = """
from pathlib import Path
from dispatch_model import rules
from dispatch_model.table import Upload
from serving import routing
from tests.canned import CannedRouter

plain, sets = CannedRouter(), {}
for kind in rules.RuleKind:
    file = Path("configs/haikou") / f"{kind}.csv"
    sets[kind] = rules.load(kind, Upload(file.name, file.read_bytes()), plain.maps, plain.city)
routing.open_router = lambda *_: CannedRouter(sets)
"""
SERVE = """
from serving.server import serve
from serving.settings import Settings

serve(Settings.load())
"""
# A clock put back under the service's feet: every module that asks for the time asks this class.
CLOCK = """
import datetime as plain
import sys
from pathlib import Path

class Clock(plain.datetime):
    @classmethod
    def now(cls, tz=None):
        return plain.datetime.now(tz) - plain.timedelta(seconds=float(Path({file!r}).read_text()))

import serving.app
for name, module in list(sys.modules.items()):
    if name.startswith("serving.") and getattr(module, "datetime", None) is plain.datetime:
        module.datetime = Clock
"""
SMALL_DISK = 'mount -t tmpfs -o size="$1" none "$2" && shift 2 && exec "$@"'
READY_SECONDS = 60.0
ROOT = Path(__file__).parent.parent


class Service:
    """One service; what it keeps outlives each of its starts.

    :param settings: as `serving.settings.Settings` has them; port and secret key are chosen.
    :param program: what is run before it serves.
    :param port: None: any that is free.
    :param disk: bytes of a file system of its own at `data_dir`; None: none. It is gone when the process is.
    """

    def __init__(
        self, settings: Mapping[str, object], *, program: str = CANNED, disk: int | None = None, port: int | None = None
    ) -> None:
        self.port = port or free_port()
        self._told = {"log_level": "error", "secret_key": "0" * 64, "drain_delay": 0, **settings, "port": self.port}
        self.settings = Settings.model_validate(self._told)
        self._command = [sys.executable, "-c", program + SERVE]
        if disk is not None:
            mounted = ["sh", "-c", SMALL_DISK, "sh", str(disk), str(self.settings.data_dir)]
            self._command = ["unshare", "--user", "--map-root-user", "--mount", *mounted, *self._command]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Service":
        """Not started yet."""
        return self

    def __exit__(self, *_: object) -> None:
        """Whatever happened, nothing is left running."""
        if self.alive():
            self.kill()

    @property
    def pid(self) -> int:
        """Of the process that was started."""
        if self._process is None:
            raise RuntimeError("the service was not started. This is a bug.")
        return self._process.pid

    def start(self, **changes: object) -> float:
        """Start it and wait until it is ready; returns the seconds that took.

        :param changes: settings for this start.
        :raises SystemExit: when it does not become ready.
        """
        told = {f"DISPATCH_{key.upper()}": str(value) for key, value in {**self._told, **changes}.items()}
        told["TMPDIR"] = str(self.settings.data_dir)  # who is killed cleans nothing up
        began = time.monotonic()
        self._process = subprocess.Popen(
            self._command, env={**os.environ, **told}, cwd=ROOT, stderr=subprocess.DEVNULL, start_new_session=True
        )
        while self.ready() != 200:
            if self._process.poll() is not None or time.monotonic() > began + READY_SECONDS:
                self.kill()
                raise SystemExit("the service did not become ready")
            time.sleep(0.05)
        return time.monotonic() - began

    def alive(self) -> bool:
        """Whether the process that was started still runs."""
        return self._process is not None and self._process.poll() is None

    def ready(self) -> int:
        """Status of /readyz; 0 when nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def kill(self) -> None:
        """`kill -9`, with all its workers at once."""
        os.killpg(self.pid, signal.SIGKILL)
        self._wait()

    def stop(self) -> None:
        """As an operator stops it."""
        os.kill(self.pid, signal.SIGTERM)
        self._wait()

    def _wait(self) -> None:
        if self._process:
            self._process.wait(60)


def free_port() -> int:
    """A loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def folder() -> Iterator[Path]:
    """A new folder, gone afterwards."""
    with TemporaryDirectory(prefix="dispatch-") as name:
        yield Path(name)
