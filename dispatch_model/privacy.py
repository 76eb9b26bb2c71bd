"""Personal data replaced by tags before a transcript is stored, logged or shown.

Conservative: a rule needs a shape (check digits, a date, a known prefix) or a cue word beside it.
What a unit needs to find the place stays: roads, house numbers, buildings; rooms do not.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dispatch_model import person_names, personal_numbers, room_numbers, spoken_numbers

_TAG = re.compile(r"\[[\u4e00-\u9fff]{1,6}\]")


@dataclass(frozen=True)
class Masked:
    """A text without personal data; `spans` are `(start, end, tag)` in the text that was given."""

    text: str
    spans: tuple[tuple[int, int, str], ...]


def mask(text: str) -> Masked:
    """Replace personal data by `[电话]`, `[身份证]`, `[银行卡]`, `[证件号]`, `[车牌]`, `[邮箱]`, `[姓名]`, `[门牌]`.

    Tags already there are left alone, and masking twice changes nothing.
    """
    taken = bytearray(len(text))
    for match in _TAG.finditer(text):
        taken[match.start() : match.end()] = bytes([1]) * len(match[0])
    spans: list[tuple[int, int, str]] = []
    for start, end, tag in _finds(text):
        if 1 not in taken[start:end]:
            taken[start:end] = bytes([1]) * (end - start)
            spans.append((start, end, tag))
    if not spans:
        return Masked(text, ())
    spans.sort()
    return Masked(_replaced(text, spans), tuple(spans))


def _finds(text: str) -> Iterator[tuple[int, int, str]]:
    """All finds, the surest first: where two overlap, the earlier wins."""
    yield from personal_numbers.find(text)
    yield from spoken_numbers.find(text)
    for start, end in room_numbers.find(text):
        yield start, end, "[门牌]"
    for start, end in person_names.find(text):
        yield start, end, "[姓名]"


def _replaced(text: str, spans: list[tuple[int, int, str]]) -> str:
    pieces: list[str] = []
    at = 0
    for start, end, tag in spans:
        pieces += (text[at:start], tag)
        at = end
    return "".join([*pieces, text[at:]])
