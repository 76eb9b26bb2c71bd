import json
from typing import Any
from xml.etree import ElementTree

import pytest

from dispatch_model.label_task import Answer, Answered, Candidate, LabelTask
from dispatch_model.labels import LabelMaps
from training.exchange_formats import (
    argilla_settings,
    from_argilla,
    from_label_studio,
    label_config,
    options,
    to_argilla,
    to_label_studio,
)

READ = {
    "category": ("030501",),
    "function": ("市政环卫",),
    "level": ("区",),
    "kind": ("求助",),
    "flags": ("urgent", "multi"),
}


def answered(*answers: dict[str, tuple[str, ...]], **case: Any) -> Answered:
    told = Candidate.model_validate(
        {"id": "c1", "city": "海口市", "date": "2026-05-03", "text": "桥头路灯<b>不亮&</b>"} | case
    )
    guess = {"category": "030705", "function": "城管", "level": "区", "kind": "投诉"}
    task = LabelTask(case=told, rank=3, worth=0.25, guess=guess, bundle="haikou+1")
    return Answered(task, tuple(map(Answer, answers)))


CASES = [
    answered(),
    answered(READ),
    answered(READ, READ | {"flags": (), "kind": ("投诉",)}),
    answered(signal="return", refused=("城管",)),
    answered(READ, signal="override", told="交警", refused=("城管", "水务")),
]


@pytest.mark.parametrize("one", CASES)
def test_label_studio_gives_back_what_it_got(one: Answered, maps: LabelMaps) -> None:
    assert from_label_studio(json.loads(json.dumps(to_label_studio(one, maps)))) == one


@pytest.mark.parametrize("one", CASES)
def test_argilla_gives_back_what_it_got(one: Answered) -> None:
    assert from_argilla(json.loads(json.dumps(to_argilla(one)))) == one


def test_an_export_of_label_studio_is_read(maps: LabelMaps) -> None:
    body = to_label_studio(answered(), maps) | {"id": 7, "project": 1, "created_at": "2026-05-04T00:00:00Z"}
    path = ["03 城乡建设", "0305 市政", "030501 照明"]
    result = [
        {"id": "x", "from_name": "category", "to_name": "text", "type": "taxonomy", "value": {"taxonomy": [path]}},
        {"id": "y", "from_name": "function", "to_name": "text", "type": "choices", "value": {"choices": ["水务"]}},
        {"id": "z", "from_name": "remark", "to_name": "text", "type": "textarea", "value": {"text": ["?"]}},
    ]
    annotations = [
        {"id": 1, "completed_by": 5, "was_cancelled": False, "result": result},
        {"id": 2, "completed_by": 6, "was_cancelled": True, "result": result},
    ]
    (answer,) = from_label_studio(body | {"annotations": annotations}).answers
    assert answer.values == {"category": ("030501",), "function": ("水务",), "flags": ()}


def test_an_export_of_argilla_is_read_by_user_without_drafts() -> None:
    body = to_argilla(answered()) | {"status": "completed", "_server_id": "s"}
    body["responses"] = {
        "function": [
            {"value": "水务", "user_id": "a", "status": "submitted"},
            {"value": "城管", "user_id": "b", "status": "discarded"},
            {"value": "交警", "user_id": "c"},
        ],
        "flags": [{"value": ["vague"], "user_id": "c"}],
    }
    first, second = from_argilla(body).answers
    assert first.values == {"function": ("水务",), "flags": ()}
    assert second.values == {"function": ("交警",), "flags": ("vague",)}


def test_a_blind_task_says_nothing_of_the_model(maps: LabelMaps) -> None:
    one = answered()
    blind = Answered(one.task.model_copy(update={"guess": {}}))
    assert "predictions" not in to_label_studio(blind, maps)
    assert to_argilla(blind)["suggestions"] == {}


def test_the_form_of_label_studio_offers_every_label(maps: LabelMaps) -> None:
    view = ElementTree.fromstring(label_config(maps))
    tree = view.find("Taxonomy")
    assert tree is not None
    offered = {choice.get("value", "").split(" ")[0] for choice in tree.iter("Choice") if not len(choice)}
    assert offered == set(maps.leaves)
    for question in ("function", "level", "kind", "flags"):
        (control,) = view.findall(f"Choices[@name='{question}']")
        assert [choice.get("alias") for choice in control] == list(options(maps)[question])


def test_a_guessed_category_is_a_path_of_the_form(maps: LabelMaps) -> None:
    (result,) = [
        one for one in to_label_studio(answered(), maps)["predictions"][0]["result"] if one["type"] == "taxonomy"
    ]
    node = ElementTree.fromstring(label_config(maps)).find("Taxonomy")
    for step in result["value"]["taxonomy"][0]:
        assert node is not None
        node = node.find(f"Choice[@value='{step}']")
    assert node is not None


def test_the_form_of_argilla_offers_every_label(maps: LabelMaps) -> None:
    questions = {one["name"]: one["settings"] for one in argilla_settings(maps)["questions"]}
    assert [one["value"] for one in questions["category"]["options"]] == list(maps.leaves)
    assert questions["flags"]["type"] == "multi_label_selection"
    assert all(one["text"] for question in questions.values() for one in question["options"])
