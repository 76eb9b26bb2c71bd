"""SQLite, the embedded default: one file in WAL mode, on disk at every commit."""

import sqlite3
from pathlib import Path
from time import monotonic, sleep

from sqlalchemy.dialects import sqlite

from dispatch_model.errors import DispatchError
from serving.store.connection import Connection, Texts
from serving.store.database import unavailable


class Sqlite:
    """The database in one file.

    :param timeout: seconds a transaction waits while another process writes.
    """

    embedded = True
    error = sqlite3.Error
    # Two processes that both upgrade from reading to writing would deadlock; this takes the write lock at once.
    begin = "BEGIN IMMEDIATE"
    table_names = "SELECT name FROM sqlite_master WHERE type = 'table'"
    dialect = "sqlite://"

    def __init__(self, path: Path, timeout: float) -> None:
        self.name = str(path)
        self._path = path
        self._timeout = timeout
        self._texts = Texts(sqlite.dialect(paramstyle="named"))

    def connect(self) -> Connection:
        """Open the file, made with its folder when missing."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise sqlite3.OperationalError(error.strerror or str(error)) from error
        driver = sqlite3.connect(self._path, timeout=self._timeout, isolation_level=None, check_same_thread=False)
        try:
            write_ahead(driver, self._timeout)
            for pragma in ("synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
                driver.execute(f"PRAGMA {pragma}")
        except sqlite3.Error:
            driver.close()
            raise
        return Connection(driver, self._texts)

    def lost(self, connection: Connection) -> bool:  # noqa: ARG002 - there is no server to go away
        """Never."""
        return False

    def gave_up(self, error: Exception) -> bool:  # noqa: ARG002
        """Never: writers take turns from the start."""
        return False

    def unavailable(self, error: Exception) -> DispatchError:
        """Disk, permissions and folder are what can be wrong."""
        return unavailable(self.name, str(error), "磁盘空间、权限和 DISPATCH_DATA_DIR")


def write_ahead(driver: sqlite3.Connection, timeout: float) -> None:
    """Put the file into WAL mode.

    Of two that switch a new file at the same moment SQLite refuses one at once, whatever it was told to wait:
    they would wait for each other. That one tries again.

    :param timeout: seconds until it gives up.
    """
    end = monotonic() + timeout
    while True:
        try:
            driver.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or monotonic() > end:
                raise
            sleep(0.01)
        else:
            return
