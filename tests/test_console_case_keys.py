from typing import Any

import pytest

from serving.cases_wire import State
from serving.console.case_keys import Act, Press, allowed, can, press
from tests.case_pages import page, repeat

SENT: Any = {"state": State.DISPATCHED, "state_name": "已派单", "actions": frozenset({"accept", "override", "return"})}


@pytest.mark.parametrize(
    ("key", "act", "value"),
    [
        ("1", Act.ACCEPT, "1"),
        ("２", Act.ACCEPT, "2"),
        ("/", Act.OVERRIDE, ""),
        ("、", Act.OVERRIDE, ""),
        ("c", Act.CONSULT, ""),
        ("N", Act.ASK, ""),
        ("m", Act.MERGE, ""),
        ("s", Act.SKIP, ""),
        ("b", Act.BACK, ""),
        ("z", Act.UNDO, ""),
    ],
)
def test_a_key_does_what_it_says_as_an_input_method_writes_it_too(key: str, act: Act, value: str) -> None:
    assert press(key, page("u1", "u2")) == Press(act, value)


def test_other_keys_do_nothing_and_say_nothing() -> None:
    assert press("x", page()) == press("²", page()) == Press()


def test_one_key_merges_into_the_case_before() -> None:
    assert press("m", page(repeats=(repeat("0"), repeat("00")))).value == "0"
    assert press("m", page(repeats=(repeat("0", mergeable=False), repeat("00")))).value == ""


def test_r_returns_or_reviews_as_the_case_stands() -> None:
    assert press("r", page(**SENT)).act is Act.RETURN
    assert press("r", page(state=State.RETURNED, actions=frozenset({"review"}))).act is Act.REVIEW
    assert press("r", page()) == Press(told="此工单待决定，不能登记退单。")


def test_what_cannot_be_accepted_says_why() -> None:
    assert press("3", page()).told == "只有 1 条建议，没有第 3 条；按 / 查找单位。"
    blocked = press("1", page("", "u2"))
    assert blocked.act is None
    assert "目录" in blocked.told


def test_a_case_that_was_sent_is_not_sent_elsewhere_by_one_key() -> None:
    assert press("1", page(**SENT)) == Press(told="此工单已派单，不能采纳。按 r 登记退单，按 / 更正。")
    assert press("/", page(**SENT)).act is Act.OVERRIDE
    assert not can(Act.ACCEPT, page(**SENT))


def test_a_merged_case_says_where_it_goes_on() -> None:
    merged = page(state=State.MERGED, state_name="已并案", actions=frozenset(), merged_into="7")
    assert press("c", merged).told == "此工单已并案，不能会商。请到工单 7 办理。"


def test_who_only_looks_can_move_on_and_take_over() -> None:
    assert press("1", page(), holder="周岚").told.startswith("此工单正由周岚办理")
    assert press("s", page(), holder="周岚").act is Act.SKIP
    assert allowed(Act.TAKE_OVER, page(), holder="周岚").act is Act.TAKE_OVER
    assert allowed(Act.TAKE_OVER, page()).act is None
    assert not can(Act.CONSULT, page(), holder="周岚")


def test_without_a_case_there_is_the_way_back() -> None:
    assert press("1", None).told == "没有工单了：按 b 返回工作台。"
    assert (press("b", None).act, press("z", None).act) == (Act.BACK, Act.UNDO)
