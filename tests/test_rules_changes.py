from dataclasses import replace
from datetime import date

from dispatch_model.access_list import AccessList
from dispatch_model.access_row import AccessRow
from serving.rules.changes import RowChange, row_changes

ROW = AccessRow(
    id="ZJ-1",
    matter="占道经营",
    category="030701",
    level="镇街",
    list="基本",
    lead_function="城管",
    co_functions=("公安", "市场监管"),
    duty="日常巡查",
    region="",
    basis="条例",
    valid_from=None,
    valid_to=None,
    version="1",
)


def listed(*rows: AccessRow) -> AccessList:
    return AccessList(rows, ("030701",), ("城管", "公安"))


def test_rows_that_came_and_went_are_told_by_id() -> None:
    found = row_changes(listed(ROW, replace(ROW, id="ZJ-2")), listed(replace(ROW, id="ZJ-3"), ROW))
    assert [row.id for row in found.added] == ["ZJ-3"]
    assert [row.id for row in found.removed] == ["ZJ-2"]
    assert found.edited == ()
    assert found.added[0].told == "占道经营 · 030701 · 镇街 · 基本 · 城管"


def test_an_edited_row_says_what_each_cell_was_and_is() -> None:
    edited = replace(ROW, list="收回", lead_function="", valid_to=date(2026, 12, 31))
    found = row_changes(listed(ROW), listed(edited))
    assert found.edited == (
        RowChange("ZJ-1", "清单：基本 → 收回；主办职能：城管 → （空）；失效日期：（空） → 2026-12-31"),
    )


def test_a_new_version_or_another_order_is_no_edit() -> None:
    other = replace(ROW, id="ZJ-2")
    found = row_changes(listed(ROW, other), listed(replace(other, version="2", row=9), ROW))
    assert (found.added, found.removed, found.edited) == ((), (), ())


def test_long_cells_are_shortened() -> None:
    found = row_changes(listed(ROW), listed(replace(ROW, duty="巡" * 500)))
    assert len(found.edited[0].told) < 100
