from datetime import datetime
from typing import Any

from dispatch_model.cases import CHINA_TIME
from dispatch_model.labels import LabelMaps
from serving.cases.entries import decision_entry
from serving.console.holding import ReturnOpen, Taken

NOW = datetime(2026, 6, 1, 9, tzinfo=CHINA_TIME)
ASKED: dict[str, Any] = {
    "operator": "A017",
    "actor": "console:li",
    "request": "",
    "note": "不在辖区",
    "at": "2026-05-03 01:00:00.000000",  # 09:00 in China
}


def test_the_decision_in_force_names_unit_category_and_operator(maps: LabelMaps) -> None:
    place = {"unit": None, "unit_name": "某局", "function": "城管", "level": "区", "region": "海口市/龙华区"}
    row = {"id": 4, "action": "accept", "rank": 1, "category": "030703", "reason": "", "forced": 1, "return_id": None}
    row |= {"access_row": "J-1", "access_list": "1", "replaces": None, **place, **ASKED}
    taken = Taken.of(decision_entry(row, maps), {"li": "李明"}, NOW)
    assert (taken.id, taken.code, taken.unit, taken.function, taken.level) == (4, "", "某局", "城管", "区")
    assert (taken.category, taken.path) == ("030703", maps.path("030703"))
    assert (taken.forced, taken.when, taken.who) == (True, "05-03 09:00", "李明")


def test_a_return_says_what_the_unit_objects_to() -> None:
    units = {"unit": "u1", "unit_name": "某局", "proposed_unit": None, "proposed_unit_name": "另一局"}
    row = {"id": 2, "decision_id": 4, "reason": "属地不符", "clause": "《示例条例》", **units, **ASKED}
    told = ReturnOpen.of(row, {}, NOW)
    assert (told.id, told.unit, told.reason, told.clause) == (2, "某局", "属地不符", "《示例条例》")
    assert (told.proposed, told.note, told.who) == ("另一局", "不在辖区", "li")
