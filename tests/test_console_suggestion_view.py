from datetime import datetime
from typing import Any

import pytest

from dispatch_model.cases import CHINA_TIME, Case, Disposition, Reason, Routing
from serving.console.suggestion_view import Ground, answer_of, percent, row_link
from tests.canned import SUGGESTION, UNIT, CannedRouter

NOW = datetime(2026, 11, 23, 9, tzinfo=CHINA_TIME)


def routing(**changes: Any) -> Routing:
    return CannedRouter().route([Case(case_id="1", transcript="路灯不亮")])[0].model_copy(update=changes)


def test_a_card_says_what_the_suggestion_says() -> None:
    rule = Reason(source="access_list", rule_id="J-1", text="准入清单 J-1（基本）：可以主办")
    due = datetime(2026, 11, 27, 18, tzinfo=CHINA_TIME)
    changes = {"reasons": (*SUGGESTION.reasons, rule), "due_at": due, "co_handlers": ("公安",)}
    (card,) = answer_of(routing(suggestions=(SUGGESTION.model_copy(update=changes),)), NOW).cards
    assert (card.rank, card.code, card.unit, card.region) == (1, "u1", "龙华区城市管理局", "海口市/龙华区")
    assert (card.percent, card.path, card.co_handlers) == ("90%", ("城乡建设", "市容环境", "占道经营"), ("公安",))
    assert card.due is not None
    assert card.due.left == "还剩 4 个工作日"
    assert card.grounds == (
        Ground("model", "模型", "出现占道"),
        Ground("access_list", "准入清单", "准入清单 J-1（基本）：可以主办", "J-1", "/console/rules?row=J-1"),
    )
    assert not card.blocked


def test_what_concerns_the_whole_case_stands_apart() -> None:
    duty = Reason(source="model", text="按职责更像由交警·区主办（0.80）")
    changes = {"disposition": Disposition.EMERGENCY, "missing": ("事发地点",), "reasons": (duty,)}
    answer = answer_of(routing(**changes), NOW)
    assert (answer.title, answer.tone, answer.missing) == ("紧急转办", "bad", ("事发地点",))
    assert answer.grounds == (Ground("model", "模型", duty.text),)


def test_a_unit_the_directory_does_not_have_cannot_be_accepted() -> None:
    nobody = SUGGESTION.model_copy(update={"unit": UNIT.model_copy(update={"code": ""})})
    own, other = (answer_of(routing(suggestions=(nobody,)), NOW, own_city=own).cards[0] for own in (True, False))
    assert "改派" in own.blocked
    assert not other.blocked


def test_grounds_that_were_erased_are_left_out() -> None:
    erased = SUGGESTION.model_copy(update={"reasons": (Reason(source="model", text=""),)})
    assert answer_of(routing(suggestions=(erased,)), NOW).cards[0].grounds == ()


@pytest.mark.parametrize(("given", "shown"), [(0.004, "<1%"), (0.0, "<1%"), (0.874, "87%"), (0.999, ">99%")])
def test_no_probability_is_shown_as_certain(given: float, shown: str) -> None:
    assert percent(given) == shown


def test_the_link_to_a_row_is_safe_in_an_address() -> None:
    assert row_link('J&"1/甲') == "/console/rules?row=J%26%221%2F%E7%94%B2"
    assert row_link("") == ""
