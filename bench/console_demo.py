"""The console with invented cases, to look at: a service on loopback with operators and a queue; Ctrl+C ends it.

    python -m bench.console_demo --port 8123 --waiting 500 --decided 300

Sign in at http://127.0.0.1:8123/console as li, zhou (派单员), wang (主管) or admin; the password is demo-password-1.
"""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

from tests.console_world import OPERATORS, PASSWORD, world


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8123)
    parser.add_argument("--waiting", type=int, default=60)
    parser.add_argument("--decided", type=int, default=120)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="console-") as folder,
        world(Path(folder), waiting=options.waiting, decided=options.decided, port=options.port) as service,
    ):
        logins = "、".join(login for login, *_ in OPERATORS)
        sys.stdout.write(f"http://127.0.0.1:{service.port}/console  {logins}  {PASSWORD}\n")
        sys.stdout.flush()
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            signal.pause()
        except KeyboardInterrupt:
            service.stop()


if __name__ == "__main__":
    main()
