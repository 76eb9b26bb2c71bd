from typing import Any

import pytest

from serving.console.case_keys import Act
from serving.console.case_message import LONGEST, Message, message


def test_what_the_page_sends_is_read() -> None:
    assert message({"what": "key", "case": "1", "value": "c"}) == Message("key", "1", "c")
    assert message({"what": "act", "case": "1", "act": "accept", "value": "2"}) == Message("act", "1", "2", Act.ACCEPT)
    told = {"what": "form", "case": "1", "value": "ask", "values": {"missing": ["地点", "时间"]}}
    assert message(told) == Message("form", "1", "ask", values={"missing": ("地点", "时间")})
    assert message({"what": "look", "case": "1", "value": "u1", "category": "030705"}) == Message(
        "look", "1", "u1", category="030705"
    )


@pytest.mark.parametrize(
    "told",
    [
        None,
        [],
        "key",
        {"what": "drop", "case": "1"},
        {"what": "key", "case": 1},
        {"what": "key", "case": "1", "value": None},
        {"what": "key", "case": "1", "value": "x" * (LONGEST + 1)},
        {"what": "act", "case": "1", "act": "erase"},
        {"what": "form", "case": "1", "values": []},
        {"what": "form", "case": "1", "values": {"note": "x"}},
        {"what": "form", "case": "1", "values": {"note": [1]}},
        {"what": "form", "case": "1", "values": {"note": ["x" * (LONGEST + 1)]}},
    ],
)
def test_what_it_never_sends_is_nothing(told: Any) -> None:
    assert message(told) is None
