"""Which rows still stand, in SQL: those that no step took back; and which cases are merged."""

from sqlalchemy import ColumnElement, FromClause, Table, exists

from serving.store.schema import desk_steps

_undo, _merge = desk_steps.alias("undo"), desk_steps.alias("merge")


def stands(table: Table, rows: FromClause | None = None) -> ColumnElement[bool]:
    """Whether a row of `decisions` or `desk_steps` was not undone.

    :param rows: the table under the name it has in the query; None: its own.
    """
    these = table if rows is None else rows
    taken_back = exists().where(
        # By the case first, as there is an index over it.
        _undo.c.case_id == these.c.case_id,
        _undo.c.undoes_table == table.name,
        _undo.c.undoes_id == these.c.id,
    )
    return ~taken_back


def is_merged(cases: FromClause) -> ColumnElement[bool]:
    """Whether a case goes on under another number: nothing comes after that, unless it is undone."""
    return exists().where(_merge.c.case_id == cases.c.case_id, _merge.c.action == "merge", stands(desk_steps, _merge))
