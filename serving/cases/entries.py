"""Rows of what happened to a case as they go on the wire."""

import json
from collections.abc import Mapping
from typing import Any

from dispatch_model.cases import CategoryRef, UnitRef
from dispatch_model.labels import LabelMaps
from serving.cases_wire import (
    Consulted,
    DecisionEntry,
    DispatchEntry,
    ReturnEntry,
    ReviewEntry,
    StepEntry,
    Undoable,
    Undone,
)
from serving.store import moments
from serving.store.events import SERVICE
from serving.store.schema import decisions

Row = Mapping[str, Any]


def dispatch_entry(row: Row) -> DispatchEntry:
    """A row of `routings` as it goes on the wire."""
    at = moments.read(row["stored_at"])
    return DispatchEntry(id=row["id"], at=at, actor=SERVICE, disposition=row["disposition"])


def decision_entry(row: Row, maps: LabelMaps, *, replayed: bool = False, undone: bool = False) -> DecisionEntry:
    """A row of `decisions` as it goes on the wire."""
    names = ("function", "level", "region")
    code = row["category"]
    return DecisionEntry(
        event="redispatch" if row["return_id"] else "decision",
        action=row["action"],
        rank=row["rank"],
        unit=UnitRef(code=row["unit"] or "", name=row["unit_name"], **{name: row[name] for name in names}),
        category=CategoryRef(code=code, path=maps.path(code) if code in maps.categories else ()),
        reason_code=row["reason"],
        forced=row["forced"],
        rule_id=row["access_row"],
        access_list=row["access_list"],
        return_id=row["return_id"],
        replaces=row["replaces"],
        undone=undone,
        **_common(row, replayed),
    )


def return_entry(row: Row, *, replayed: bool = False) -> ReturnEntry:
    """A row of `returns` as it goes on the wire."""
    names = ("decision_id", "reason", "clause", "unit_name", "proposed_unit_name")
    units = {name: row[name] or "" for name in ("unit", "proposed_unit")}
    return ReturnEntry(**{name: row[name] for name in names}, **units, **_common(row, replayed))


def review_entry(row: Row, *, replayed: bool = False) -> ReviewEntry:
    """A row of `return_reviews` as it goes on the wire."""
    return ReviewEntry(return_id=row["return_id"], verdict=row["outcome"], **_common(row, replayed))


def step_entry(row: Row, undoes: Row | None = None, *, replayed: bool = False, undone: bool = False) -> StepEntry:
    """A row of `desk_steps` as it goes on the wire.

    :param undoes: the row that it takes back.
    """
    return StepEntry(
        event=row["action"],
        return_id=row["return_id"],
        units=[Consulted(**unit) for unit in json.loads(row["units"])],
        supervisor=row["supervisor"],
        question=row["question"],
        into=row["merged_into"],
        undoes=Undone(event=event_of(row["undoes_table"], undoes), id=undoes["id"]) if undoes else None,
        undone=undone,
        **_common(row, replayed),
    )


def event_of(table: str, row: Row) -> Undoable:
    """What the step of a row of that table is called on the wire."""
    if table == decisions.name:
        return "redispatch" if row["return_id"] else "decision"
    event: Undoable = row["action"]
    return event


def _common(row: Row, replayed: bool) -> dict[str, Any]:
    names = ("id", "actor", "operator", "note")
    return {**{name: row[name] for name in names}, "at": moments.read(row["at"]), "replayed": replayed}
