"""A rule set: one of the three tables an office keeps, whichever file it came in.

Access list, catalogue and triggers are told apart by `RuleKind`; each is loaded from CSV or xlsx and
turned back into text cells, so that a store, a lint or a workbook needs to know only this module.
"""

import csv
import io
from collections.abc import Mapping
from dataclasses import fields
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from dispatch_model import access_row, catalogue, triggers
from dispatch_model.access_list import AccessList
from dispatch_model.access_row import AccessRow
from dispatch_model.catalogue import Catalogue, CatalogueRow
from dispatch_model.city import City
from dispatch_model.headers import sheet_title
from dispatch_model.labels import KINDS, LabelMaps
from dispatch_model.table import MULTI_VALUE, Source
from dispatch_model.triggers import Trigger, Triggers

RuleSet = AccessList | Catalogue | Triggers
RuleRow = AccessRow | CatalogueRow | Trigger


class RuleKind(StrEnum):
    """Which of the three tables; stable strings, they appear on the wire and in file names."""

    ACCESS_LIST = "access_list"
    CATALOGUE = "catalogue"
    TRIGGERS = "triggers"


def load(kind: RuleKind, source: Source, maps: LabelMaps, city: City) -> RuleSet:
    """Read and validate one rule set, from CSV or xlsx by what the file holds, not by its name.

    :raises DispatchError: INVALID_RULES over every problem of the file.
    """
    if kind is RuleKind.ACCESS_LIST:
        return AccessList.load(source, maps, city)
    if kind is RuleKind.CATALOGUE:
        return Catalogue.load(source, maps)
    return Triggers.load(source)


def columns(kind: RuleKind) -> tuple[str, ...]:
    """The columns of a table, in the order they are written."""
    by_kind = {RuleKind.ACCESS_LIST: access_row.COLUMNS, RuleKind.CATALOGUE: catalogue.COLUMNS}
    return by_kind.get(kind, triggers.COLUMNS)


TITLES: Mapping[RuleKind, str] = MappingProxyType({kind: sheet_title(columns(kind)) for kind in RuleKind})


def cells(row: RuleRow) -> dict[str, str]:
    """A parsed row as the text cells of its columns: many values joined by `|`, dates as 2026-05-01."""
    found = {field.name: _text(getattr(row, field.name)) for field in fields(row) if field.name not in ("row", "days")}
    if isinstance(row, CatalogueRow):
        found |= {kind: _text(row.days.get(kind)) for kind in KINDS}
        return {column: found[column] for column in catalogue.COLUMNS}
    return found


def to_csv(kind: RuleKind, rules: RuleSet) -> bytes:
    """The rule set as canonical CSV in UTF-8, which loads to the same version."""
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, columns(kind), lineterminator="\n")
    writer.writeheader()
    writer.writerows(cells(row) for row in rules.rows)
    return file.getvalue().encode()


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return MULTI_VALUE.join(value)
    return "" if value is None else str(value)
