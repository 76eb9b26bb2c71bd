from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from serving.cases_wire import Accept, Decision, Override, Return, Review

DECISION: TypeAdapter[Accept | Override] = TypeAdapter(Decision)
OVERRIDE = {"action": "override", "unit": " 某局 ", "reason_code": "职能不符"}


def test_a_decision_is_accept_or_override() -> None:
    assert DECISION.validate_python({"action": "accept"}) == Accept(action="accept", rank=1)
    found = DECISION.validate_python({**OVERRIDE, "note": None})
    assert isinstance(found, Override)
    assert (found.unit, found.note) == ("某局", "")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"action": "return"},
        {"action": "accept", "unit": "某局"},
        {"action": "accept", "rank": 0},
        {**OVERRIDE, "unit": "  "},
        {**OVERRIDE, "reason_code": "不想办"},
        {**OVERRIDE, "reason_code": "其他"},
        {**OVERRIDE, "note": "长" * 2001},
        {**OVERRIDE, "rank": 1},
    ],
)
def test_anything_else_is_wrong(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DECISION.validate_python(body)


def test_other_reasons_must_be_told() -> None:
    assert DECISION.validate_python({**OVERRIDE, "reason_code": "其他", "note": "已约定"})
    with pytest.raises(ValidationError, match="note"):
        Return.model_validate({"reason": "其他", "note": " "})
    assert Return.model_validate({"reason": "其他", "note": "已约定"})


def test_a_review_upholds_or_rejects() -> None:
    assert Review.model_validate({"verdict": "upheld"}).note == ""
    with pytest.raises(ValidationError):
        Review.model_validate({"verdict": "maybe"})
