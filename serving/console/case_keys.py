"""Which key does what to the case on the screen, and why one does nothing just now."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from serving.cases_wire import State
from serving.console.case_view import Action, CasePage


class Act(StrEnum):
    """What an operator asks for; also the `data-act` of a button."""

    ACCEPT = "accept"
    OVERRIDE = "override"
    CONSULT = "consult"
    RETURN = "return"
    REVIEW = "review"
    ASK = "ask"
    MERGE = "merge"
    SKIP = "skip"
    BACK = "back"
    UNDO = "undo"
    TAKE_OVER = "take_over"


HELP = (
    ("1 2 3", "采纳第几条建议，转下一件"),
    ("/", "查找单位（汉字、拼音或首字母）并改派"),
    ("c", "会商：请单位或主管提出意见"),
    ("n", "待补充：须向来电人问明"),
    ("m", "并入来电人此前的工单"),
    ("r", "登记退单；退单待审核时为审核"),
    ("s", "跳过，转下一件"),
    ("b", "返回工作台"),
    ("z", "撤销刚才的一步（10 秒内）"),
)
WORDS: Mapping[Act, str] = {
    Act.ACCEPT: "采纳",
    Act.OVERRIDE: "改派",
    Act.CONSULT: "会商",
    Act.RETURN: "登记退单",
    Act.REVIEW: "审核退单",
    Act.ASK: "转待补充",
    Act.MERGE: "并案",
}
ALWAYS = frozenset({Act.SKIP, Act.BACK, Act.UNDO})  # whoever has the case, and with no case at all
# What an input method makes of a key, by the key that was meant.
_MEANT = str.maketrans("１２３４５６７８９／、ｃｎｍｒｓｂｚ", "123456789//cnmrsbz")
_KEYS: Mapping[str, Act] = {
    "/": Act.OVERRIDE,
    "c": Act.CONSULT,
    "n": Act.ASK,
    "m": Act.MERGE,
    "s": Act.SKIP,
    "b": Act.BACK,
    "z": Act.UNDO,
}
_ACTIONS: Mapping[Act, Action] = {
    Act.ACCEPT: "accept",
    Act.OVERRIDE: "override",
    Act.CONSULT: "consult",
    Act.RETURN: "return",
    Act.REVIEW: "review",
    Act.ASK: "ask",
    Act.MERGE: "merge",
}


@dataclass(frozen=True)
class Press:
    """What a key comes to.

    :param act: None: nothing.
    :param value: what it is done with, such as the rank of a suggestion.
    :param told: why nothing is done; "" also for a key that means nothing here.
    """

    act: Act | None = None
    value: str = ""
    told: str = ""


def press(key: str, page: CasePage | None, *, holder: str = "") -> Press:
    """What a key does to the case on the screen.

    :param page: None: no case is left.
    :param holder: name of the operator who has the case, when that is another one.
    """
    key = key.translate(_MEANT).lower()
    if key.isdecimal():
        return allowed(Act.ACCEPT, page, holder=holder, value=key)
    if key == "r":
        act: Act | None = Act.REVIEW if page and "review" in page.actions else Act.RETURN
    else:
        act = _KEYS.get(key)
    return allowed(act, page, holder=holder) if act else Press()


def allowed(act: Act, page: CasePage | None, *, holder: str = "", value: str = "") -> Press:
    """The act, if the case lets it be done by whoever looks at it; else why not.

    :param value: what it is to be done with.
    """
    if act in ALWAYS or (act is Act.TAKE_OVER and holder):
        return Press(act, value)
    if page is None:
        return Press(told="没有工单了：按 b 返回工作台。")
    if holder:
        return Press(told=f"此工单正由{holder}办理，现在只能查看。按 s 转下一件。")
    if act is Act.TAKE_OVER:
        return Press(told="此工单没有别人在办理，不必接管。")
    if not can(act, page):
        return Press(told=f"此工单{page.state_name}，不能{WORDS[act]}。{_instead(page)}")
    if act is Act.ACCEPT:
        return _accept(page, value)
    return Press(act, value or _first_repeat(act, page))


def can(act: Act, page: CasePage, *, holder: str = "") -> bool:
    """Whether a button for it belongs on the page; one that was dispatched is not sent elsewhere by a single key."""
    corrects = act is Act.ACCEPT and page.state is State.DISPATCHED
    return not holder and not corrects and _ACTIONS[act] in page.actions


def _accept(page: CasePage, value: str) -> Press:
    cards = page.answer.cards
    card = next((card for card in cards if str(card.rank) == value), None)
    if card is None:
        count = f"只有 {len(cards)} 条建议" if cards else "没有建议"
        return Press(told=f"{count}，没有第 {value} 条；按 / 查找单位。")
    return Press(told=card.blocked) if card.blocked else Press(Act.ACCEPT, value)


def _first_repeat(act: Act, page: CasePage) -> str:
    """One key merges into the case the caller brought before; without one, a number is asked for."""
    if act is not Act.MERGE or not page.repeats or not page.repeats[0].mergeable:
        return ""
    return page.repeats[0].case_id


def _instead(page: CasePage) -> str:
    if "review" in page.actions:
        return "按 r 审核退单。"
    if "return" in page.actions:
        return "按 r 登记退单，按 / 更正。"
    return f"请到工单 {page.merged_into} 办理。" if page.merged_into else ""
