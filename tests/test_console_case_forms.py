from typing import Any

import pytest

from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LabelMaps
from serving.console.case_forms import Values, accept_of, category_code, category_text, chosen, merge_of, wish_of
from serving.console.unit_search import FoundUnit
from tests.case_pages import page

POLICE = FoundUnit("460100-交警", "海口市公安局交通警察支队", "交警", "市", "海口市")
CITY = FoundUnit("x", "市城管局", "城管", "市", "海口市")
OTHER_PLACE = FoundUnit("y", "美兰区城管局", "城管", "区", "海口市/美兰区")


@pytest.mark.parametrize(("unit", "reason"), [(POLICE, "职能不符"), (CITY, "层级不符"), (OTHER_PLACE, "属地不符")])
def test_an_override_begins_with_what_differs(maps: LabelMaps, unit: FoundUnit, reason: str) -> None:
    form = chosen(page(), unit, maps)
    assert (form.reason, form.is_correction) == (reason, False)
    assert form.category.startswith("030703 ")


def test_a_category_is_read_by_its_code_or_its_name(maps: LabelMaps) -> None:
    assert category_code(category_text("030705", maps), maps) == "030705"
    assert category_code("露天烧烤", maps) == "030705"
    assert category_code("没有的事", maps) == "没有的事"
    assert category_code("", maps) == ""


def test_an_override_is_read(maps: LabelMaps) -> None:
    values: Values = {"unit": ["u9"], "category": ["030705 某某"], "reason_code": ["属地不符"], "note": [" 核实 "]}
    wish: Any = wish_of("override", values, page(replaces=8), maps, "li")
    assert (wish.unit, wish.category, wish.reason_code, wish.note) == ("u9", "030705", "属地不符", "核实")
    assert (wish.replaces, wish.force, wish.operator) == (8, False, "li")
    forced: Any = wish_of("override", {**values, "force": ["on"]}, page(), maps, "li")
    assert (forced.force, forced.replaces) == (True, None)


def test_what_is_ticked_and_what_is_typed_are_one_question(maps: LabelMaps) -> None:
    wish: Any = wish_of("ask", {"missing": ["地点", "时间"], "question": ["几号楼？"]}, page(), maps, "li")
    assert wish.question == "地点；时间；几号楼？"


def test_the_other_forms_are_read(maps: LabelMaps) -> None:
    told: Any = wish_of("consult", {"units": ["a", "b", "a"], "supervisor": ["on"]}, page(), maps, "li")
    assert (told.units, told.supervisor) == (("a", "b"), True)
    merged: Any = wish_of("merge", {"into": ["7"], "note": ["同一人"]}, page(), maps, "li")
    assert (merged.into, merged.note) == ("7", "同一人")
    returned: Any = wish_of("return", {"reason": ["权属不清"], "clause": ["第二条"]}, page(), maps, "li")
    assert (returned.reason, returned.clause, returned.proposed_unit) == ("权属不清", "第二条", "")
    reviewed: Any = wish_of("review", {"verdict": ["upheld"]}, page(), maps, "li")
    assert (reviewed.verdict, reviewed.operator) == ("upheld", "li")
    assert accept_of(page(replaces=3), 2, "li").model_dump(include={"rank", "replaces"}) == {"rank": 2, "replaces": 3}
    assert merge_of("7", "li").into == "7"


@pytest.mark.parametrize(
    ("kind", "values", "field", "told"),
    [
        ("override", {"unit": ["u"], "reason_code": ["其他"]}, "note", "须写说明"),
        ("override", {"unit": ["u"], "reason_code": ["类别不符"], "force": ["on"]}, "note", "须写明理由"),
        ("override", {"unit": [""], "reason_code": ["类别不符"]}, "unit", "unit"),
        ("consult", {}, "units", "至少一个单位"),
        ("consult", {"units": list("abcdef")}, "units", "勾选了 6 个单位，至多 5 个"),
        ("ask", {"question": ["  "]}, "question", "要问什么"),
        ("merge", {"into": [" "]}, "into", "工单号"),
        ("return", {"reason": ["其他"]}, "note", "须写说明"),
        ("review", {}, "verdict", "退单成立或驳回"),
    ],
)
def test_what_is_missing_is_told(maps: LabelMaps, kind: str, values: Values, field: str, told: str) -> None:
    with pytest.raises(DispatchError, match=told) as refused:
        wish_of(kind, values, page(), maps, "li")
    assert (refused.value.kind, refused.value.field) == (ErrorKind.INVALID_DECISION, field)
