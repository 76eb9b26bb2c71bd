from typing import Any

import pytest
from pydantic import ValidationError

from dispatch_model.worked_row import WEIGHTS, Provenance, Signal, WorkedRow, settle, text_key


def row(name: str, text: str = "桥头的路灯坏了", *, signal: Signal = "accept", at: int = 1, **labels: Any) -> WorkedRow:
    told = {"handler_function": "市政环卫", "handler_level": "区", "category": "030501"} | labels
    provenance = Provenance(case_id=name, signal=signal, at=f"2026-05-{at:02}T08:00:00+08:00")
    return WorkedRow(
        id=name, city="海口市", date="2026-05-01", text=text, weight=WEIGHTS[signal], provenance=provenance, **told
    )


def changed(name: str, **labels: Any) -> WorkedRow:
    """An override to other labels."""
    return row(name, signal="override", **labels)


def refusal(function: str) -> WorkedRow:
    """An upheld return, not yet decided anew."""
    return row("back", signal="return", refused=(function,), handler_function=None, handler_level=None, category=None)


def test_one_text_with_one_label_is_one_row_that_names_the_others() -> None:
    kept, conflicts = settle([row("a"), row("b", "桥头的路灯坏了！", at=2), row("c", "井盖没了")])
    assert [(one.id, one.provenance.repeats) for one in kept] == [("c", ()), ("b", ("a",))]
    assert conflicts == []


@pytest.mark.parametrize("field", ["handler_function", "handler_level", "category"])
def test_of_two_labels_the_stronger_counts(field: str) -> None:
    other = {"handler_function": "交警", "handler_level": "市", "category": "050101"}[field]
    kept, (conflict,) = settle([row("new", at=9), changed("strong", **{field: other})])
    assert [one.id for one in kept] == ["strong"]
    assert (conflict.kept.id, conflict.dropped.id, conflict.field) == ("strong", "new", field)


def test_of_two_as_strong_the_newer_counts() -> None:
    kept, (conflict,) = settle([row("old"), row("new", at=2, handler_function="交警")])
    assert (kept[0].id, conflict.dropped.id) == ("new", "old")


def test_what_was_refused_contradicts_who_accepted_it() -> None:
    kept, (conflict,) = settle([row("yes"), refusal("市政环卫")])
    assert [one.id for one in kept] == ["back"]
    assert conflict.field == "refused"


def test_a_refusal_and_another_function_stand_together() -> None:
    kept, conflicts = settle([row("yes"), refusal("交警")])
    assert {one.id for one in kept} == {"yes", "back"}
    assert conflicts == []


def test_settling_twice_changes_nothing() -> None:
    once, _ = settle([row("a"), row("b", at=2), row("c", signal="override", handler_function="交警")])
    again, conflicts = settle([*once, *once])
    assert again == once
    assert conflicts == []


def test_texts_of_digits_alone_are_not_all_one() -> None:
    assert text_key("12345") != text_key("67890")
    assert text_key("路灯 3 盏。") == text_key("路灯5盏")


def test_a_row_has_no_place_for_who_decided() -> None:
    with pytest.raises(ValidationError):
        WorkedRow.model_validate({**row("a").model_dump(), "operator": "甲"})
