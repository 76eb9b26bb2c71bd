"""One connection to the database as the rest of the service sees it, the same over SQLite and PostgreSQL.

SQLAlchemy writes the SQL, once per statement and dialect; executions go straight to the driver, as through
SQLAlchemy each costs many times what SQLite itself takes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from sqlalchemy import Delete, Dialect, Insert, Select, Table, TextClause, Update, insert

Row = tuple[Any, ...]
Values = Mapping[str, Any]
Statement = Select[Any] | Insert | Update | Delete | TextClause


class Cursor(Protocol):
    """What a driver's cursor offers on both databases."""

    @property
    def description(self) -> Any:
        """One sequence per column, its name first; None when the statement has no result."""

    @property
    def rowcount(self) -> int:
        """Rows changed."""

    def fetchone(self) -> Row | None:
        """The next row."""

    def fetchall(self) -> list[Row]:
        """All rows left."""

    def __iter__(self) -> Iterator[Row]:
        """The rows left."""


class Driver(Protocol):
    """What a driver's connection offers on both databases; both are in autocommit, `BEGIN` is written out."""

    def execute(self, query: str, params: Any = ..., /) -> Cursor:
        """Run one statement."""

    def close(self) -> None:
        """Give it up; what was not committed is gone."""


class Texts:
    """Statements as text for one dialect, each compiled at its first use.

    :param dialect: one whose parameters are named.
    """

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._known: WeakKeyDictionary[Statement, dict[tuple[str, ...], tuple[str, Values]]] = WeakKeyDictionary()

    def of(self, statement: Statement, values: Values) -> tuple[str, Values]:
        """The text, and `values` with those that stand in the statement itself."""
        forms = self._known.get(statement)
        if forms is None:
            forms = self._known[statement] = {}
        # An insert names the columns it is given, so that the others take their defaults.
        columns = tuple(values) if isinstance(statement, Insert) else ()
        form = forms.get(columns)
        if form is None:
            form = forms[columns] = self._compile(statement, columns)
        text, constants = form
        return text, {**constants, **values} if constants else values

    def _compile(self, statement: Statement, columns: tuple[str, ...]) -> tuple[str, Values]:
        compiled = statement.compile(
            dialect=self._dialect,
            column_keys=list(columns) or None,
            compile_kwargs={"render_postcompile": True},
        )
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        return str(compiled), {name: value for name, value in constants.items() if name not in columns}


class Connection:
    """Runs statements of SQLAlchemy Core, or the text of one, on a driver's connection.

    Results are plain tuples. Moments are text (`serving.store.moments`), on PostgreSQL as on SQLite.

    :param driver: the open connection.
    :param texts: those of its dialect.
    """

    def __init__(self, driver: Driver, texts: Texts) -> None:
        self.driver = driver
        self._texts = texts

    def execute(self, statement: Statement, values: Values | None = None) -> Cursor:
        """Run `statement`, best a constant of its module: it is compiled once.

        :param values: of its bind parameters; of an insert, of the columns to fill.
        :raises Exception: the driver's own error; the store turns it into STORE_UNAVAILABLE.
        """
        return self.driver.execute(*self._texts.of(statement, values or {}))

    def run(self, text: str) -> Cursor:
        """Run SQL that has no parameters and is the same on both databases."""
        return self.driver.execute(text)

    def each(self, statement: Statement, rows: Iterable[Values]) -> list[list[Row]]:
        """Run `statement` once per row and return the result of each; all rows have the same keys."""
        return [self.execute(statement, values).fetchall() for values in rows]

    def rows(self, statement: Statement, values: Values | None = None) -> list[dict[str, Any]]:
        """The result with the names of its columns."""
        cursor = self.execute(statement, values)
        names: Sequence[str] = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def add(self, table: Table, values: Values) -> int:
        """Add one row to a table that numbers its rows by `id`; returns the number."""
        (row,) = self.execute(_adding(table), values).fetchall()
        return int(row[0])

    def close(self) -> None:
        """Give it up; what was not committed is gone."""
        self.driver.close()

    def take_turns(self, name: str) -> None:
        """From here to the end of the transaction no other process is inside with the same `name`.

        What reads a last row and adds one after it needs this on PostgreSQL; on SQLite a writer is alone anyway.
        """


@cache
def _adding(table: Table) -> Insert:
    return insert(table).returning(table.c.id)
