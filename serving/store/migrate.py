"""Which release's tables a database has, and bringing it to those of this one: `dispatch migrate`.

Alembic is loaded only when there is something to do: a start must not wait for it.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, cast

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from dispatch_model.errors import DispatchError, ErrorKind
from serving.store.connection import Driver
from serving.store.database import Database

HEAD = "0006"
FOLDER = Path(__file__).parent / "migrations"
When = Literal["embedded", "always", "never"]

logger = logging.getLogger(__name__)


def revision(database: Database, driver: Driver) -> str | None:
    """The number of the last step that was applied; None for a database without tables of ours."""
    tables = {name for (name,) in driver.execute(database.table_names)}
    if "alembic_version" in tables:
        row = driver.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(row[0]) if row else None
    if database.embedded and "routings" in tables:
        # Before there was Alembic, SQLite's own number counted the steps after the first.
        (applied,) = driver.execute("PRAGMA user_version").fetchall()
        return f"{1 + int(applied[0]):04}"
    return None


def bring_up(database: Database, when: When = "embedded") -> None:
    """Make sure the tables are those of this release, changing them when that is allowed.

    :param when: who may change them at a start: SQLite's single owner, anybody, or nobody.
    :raises DispatchError: INVALID_CONFIG when they are older and may not be changed, or newer; STORE_UNAVAILABLE.
    """
    found = _found(database)
    if found == HEAD:
        return
    if when == "never" or (when == "embedded" and not database.embedded):
        state = f"为版本 {found}" if found else "尚无数据表"
        raise _behind(
            database, f'{state}，本程序需要 {HEAD}；请先运行 dispatch migrate（或设 auto_migrate = "always"）'
        )
    upgrade(database)


def upgrade(database: Database) -> tuple[str | None, str]:
    """Apply the steps that are missing, all or none; returns the revisions before and after.

    Several processes may do so at once: one works, the others wait and then find nothing to do.

    :raises DispatchError: INVALID_CONFIG when the database is newer than this program; STORE_UNAVAILABLE.
    """
    from alembic import command
    from alembic.config import Config

    with _transaction(database) as connection:
        # Asked again inside: another process may have been faster.
        found = revision(database, cast(Driver, connection.connection.driver_connection))
        _refuse_newer(database, found)
        if found == HEAD:
            return found, HEAD
        config = Config()
        config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
        config.attributes["connection"] = connection
        if found and not connection.dialect.has_table(connection, "alembic_version"):
            command.stamp(config, found)
        command.upgrade(config, HEAD)
    logger.info("database %s: tables brought from %s to %s", database.name, found, HEAD)
    return found, HEAD


def _found(database: Database) -> str | None:
    try:
        connection = database.connect()
        try:
            found = revision(database, connection.driver)
        finally:
            connection.close()
    except database.error as error:
        raise database.unavailable(error) from error
    _refuse_newer(database, found)
    return found


def _refuse_newer(database: Database, found: str | None) -> None:
    if found and found > HEAD:
        raise _behind(database, f"为版本 {found}，新于本程序的 {HEAD}；请换用写入它的那一版程序，或更新的")


def _behind(database: Database, what: str) -> DispatchError:
    return DispatchError(ErrorKind.INVALID_CONFIG, f"数据库 {database.name} 的数据表{what}。", field="database")


@contextmanager
def _transaction(database: Database) -> Iterator[sqlalchemy.Connection]:
    """A transaction through SQLAlchemy, in which no other process migrates."""
    engine = sqlalchemy.create_engine(database.dialect, creator=lambda: database.connect().driver, poolclass=NullPool)

    @event.listens_for(engine, "begin")
    def _begin(connection: sqlalchemy.Connection) -> None:
        connection.exec_driver_sql(database.begin)

    try:
        with engine.begin() as connection:
            if not database.embedded:
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('hotline-dispatch migrate'))")
            yield connection
    except DBAPIError as error:
        raise database.unavailable(error.orig if isinstance(error.orig, Exception) else error) from error
    except database.error as error:
        raise database.unavailable(error) from error
    finally:
        engine.dispose()
