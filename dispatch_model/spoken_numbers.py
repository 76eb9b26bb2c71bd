"""Numbers as they are said and as speech recognition writes them: 幺三八，零零幺三，八零零零."""

import re
from collections.abc import Iterator

from dispatch_model.personal_numbers import follows_order_word, is_identity, is_payment_card

_SAID = "零〇洞幺一两二三四五六七八九拐勾"
_VALUE = str.maketrans(_SAID + "xX叉", "0001122345678979XXX")
_UNIT = rf"(?:[两二三四五六]个)?[{_SAID}\d]"
# Digits come in groups with a pause between; a single one stands apart only where all do.
_PAUSE = r"[ ,，、。…]{0,2}(?:[嗯呃啊哎]|然后)?[ ,，、。…]{0,2}"
_RUN = re.compile(rf"(?:{_UNIT}(?: {_UNIT}){{6,}}|(?:{_UNIT}){{2,}}(?:{_PAUSE}(?:{_UNIT}){{2,}})*)[Xx叉]?")
_ANY = re.compile(rf"[幺洞拐勾零〇]|[{_SAID}][ ,，、]?[{_SAID}][ ,，、]?[{_SAID}]")
_GROUP = re.compile(rf"(?:{_UNIT}|[Xx叉])+")
_DIGIT = re.compile(rf"(?:([两二三四五六])个)?([{_SAID}\dXx叉])")
_MOBILE = re.compile(r"1[3-9]\d{9}")
_LANDLINE = re.compile(r"0(?:10|2\d|[3-9]\d\d)[2-8]\d{6,7}")
_LOCAL = re.compile(r"[2-8]\d{6,7}")
_CALL = re.compile(r"(?:电话|座机|固话|号码|手机)[是为:：,，\s]*$")
_LENGTHS = (19, 18, 17, 16, 12, 11, 10, 8, 7)
_REACH = 8
_AS_WORD = "一两二三"  # "…五六七八一直没人接"


def find(text: str) -> Iterator[tuple[int, int, str]]:
    """`(start, end, tag)` of telephone, identity and card numbers said digit by digit."""
    if not _ANY.search(text):
        return
    for run in _RUN.finditer(text):
        if run.end() - run.start() >= 7 and _ANY.search(run[0]):
            yield from _inside(text, run.start(), run[0])


def _inside(text: str, offset: int, run: str) -> Iterator[tuple[int, int, str]]:
    """A number begins where a group does, and ends where one does: other numbers may stand beside it."""
    digits, places, starts, ends = _read(run)
    at = 0
    for begin in starts:
        if begin < at:
            continue
        for length in _LENGTHS:
            stop = begin + length
            if stop in ends or (stop + 1 in ends and run[places[stop][0]] in _AS_WORD):
                start = offset + places[begin][0]
                tag = _tag(digits[begin:stop], text, start)
                if tag:
                    yield start, offset + places[stop - 1][1], tag
                    at = stop
                    break


def _read(run: str) -> tuple[str, list[tuple[int, int]], list[int], set[int]]:
    """Digits, where in the run each is said, and before and after which digits a group begins and ends."""
    digits = ""
    places: list[tuple[int, int]] = []
    starts, ends = [], set()
    for group in _GROUP.finditer(run):
        starts.append(len(digits))
        for said in _DIGIT.finditer(run, *group.span()):
            times = int(said[1].translate(_VALUE)) if said[1] else 1
            digits += said[2].translate(_VALUE) * times
            places += [said.span()] * times
        ends.add(len(digits))
    return digits, places, starts, ends


def _tag(digits: str, text: str, start: int) -> str:
    if follows_order_word(text, start):
        return ""
    if len(digits) == 18 and is_identity(digits):
        return "[身份证]"
    if _MOBILE.fullmatch(digits) or _LANDLINE.fullmatch(digits):
        return "[电话]"
    if _LOCAL.fullmatch(digits) and _CALL.search(text, max(0, start - _REACH), start):
        return "[电话]"
    return "[银行卡]" if len(digits) >= 16 and digits.isdigit() and is_payment_card(digits) else ""
