from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.rules import RuleKind
from serving.routing import Router
from serving.rules.filter import Filter


def chosen(router: Router, kind: RuleKind = RuleKind.ACCESS_LIST, **asked: Any) -> list[str]:
    return [row.id for row in Filter(**asked).choose(kind, router.rule_sets[kind], router.city)]


@pytest.mark.parametrize(
    ("asked", "ids"),
    [
        ({}, ["J-1", "J-2", "C-1"]),
        ({"category": "0307"}, ["J-1", "J-2"]),
        ({"category": "030701"}, ["J-1"]),
        ({"level": "村居"}, ["C-1"]),
        ({"region": "龙华区"}, ["J-2", "C-1"]),
        ({"region": "460106"}, ["J-2", "C-1"]),
        ({"region": "海口市/龙华区/金贸街道"}, ["J-2"]),
        ({"region": "海口市"}, ["J-1", "J-2", "C-1"]),
        ({"region": "美兰区"}, []),
        ({"day": date(2026, 4, 30)}, ["J-1", "C-1"]),
        ({"day": date(2026, 10, 31)}, ["J-1", "J-2", "C-1"]),
        ({"q": "j-"}, ["J-1", "J-2"]),
        ({"q": "调解"}, ["C-1"]),
        ({"q": "条例", "category": "03", "level": "镇街", "day": date(2026, 1, 1)}, ["J-1"]),
    ],
)
def test_all_conditions_hold_together(ruled: Router, asked: dict[str, Any], ids: list[str]) -> None:
    assert chosen(ruled, **asked) == ids


def test_the_other_kinds_are_asked_by_their_own_columns(ruled: Router) -> None:
    assert chosen(ruled, RuleKind.CATALOGUE, category="03", level="区") == ["M-1"]
    assert chosen(ruled, RuleKind.CATALOGUE, level="市") == []
    assert chosen(ruled, RuleKind.TRIGGERS, q="冒烟") == ["T-1"]


@pytest.mark.parametrize(
    ("kind", "asked", "said"),
    [
        (RuleKind.TRIGGERS, {"category": "03"}, "触发词没有这一列，可用的条件：q"),
        (RuleKind.CATALOGUE, {"region": "龙华区"}, "派单目录没有这一列，可用的条件：category、level、q"),
        (RuleKind.CATALOGUE, {"day": date(2026, 1, 1)}, "没有这一列"),
        (RuleKind.ACCESS_LIST, {"level": "街道"}, "应为 市、区、镇街、村居 之一"),
        (RuleKind.ACCESS_LIST, {"region": "龙华"}, "不是海口市的区域；是否想写：龙华区"),
    ],
)
def test_a_condition_that_cannot_be_met_is_told(
    ruled: Router, kind: RuleKind, asked: dict[str, Any], said: str
) -> None:
    with pytest.raises(DispatchError, match=said) as caught:
        chosen(ruled, kind, **asked)
    assert (caught.value.kind, caught.value.field) == (ErrorKind.INVALID_PARAMETER, next(iter(asked)))


@pytest.mark.parametrize("asked", [{"limit": 0}, {"limit": 1001}, {"offset": -1}, {"categorie": "03"}])
def test_pages_have_bounds_and_slips_are_errors(asked: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Filter(**asked)
