"""Triggers that refuse to change or delete the rows of a table, on both databases."""

from collections.abc import Collection

from alembic import op
from sqlalchemy import inspect

_FUNCTION = """
CREATE OR REPLACE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$
"""


def protect(table: str, *, open_to_change: Collection[str] = ()) -> None:
    """From now on the rows of `table` stay as they are, but for the columns `open_to_change`."""
    connection = op.get_bind()
    columns = [column["name"] for column in inspect(connection).get_columns(table)]
    fixed = ", ".join(f'"{name}"' for name in columns if name not in open_to_change)
    events = {"update": f"UPDATE OF {fixed}" if open_to_change else "UPDATE", "delete": "DELETE"}
    if connection.dialect.name == "sqlite":
        for verb, event in events.items():
            op.execute(
                f"CREATE TRIGGER IF NOT EXISTS {table}_no_{verb} BEFORE {event} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
        return
    op.execute(_FUNCTION)
    for verb, event in events.items():
        op.execute(
            f"CREATE TRIGGER {table}_no_{verb} BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION append_only()"
        )
    op.execute(
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION append_only()"
    )
