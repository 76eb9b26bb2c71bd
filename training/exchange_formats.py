"""Label tasks as Label Studio and Argilla read and write them.

Label Studio: https://labelstud.io/guide/task_format – tasks with `data`, `predictions`, `annotations`; its form is
`label_config`. Argilla 2: the list that `Dataset.records.to_json` writes; its form is `argilla_settings`.
Both give back all of a task, so that nothing has to be kept beside the file.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree import ElementTree

from dispatch_model.label_task import ONE_ANSWER, QUESTIONS, Answer, Answered, LabelTask
from dispatch_model.labels import LabelMaps

TITLES = {
    "category": "诉求类别",
    "function": "应由哪个职能主办",
    "level": "应由哪一级主办",
    "kind": "诉求类型",
    "flags": "标记",
}
FLAG_NAMES = {
    "urgent": "紧急",
    "refuse": "不属受理范围",
    "vague": "信息不足",
    "multi": "一单多诉",
    "status": "查询催办",
}
_TYPES = {"category": "taxonomy", **dict.fromkeys(("function", "level", "kind", "flags"), "choices")}


def options(maps: LabelMaps) -> dict[str, dict[str, str]]:
    """Question → label → what an annotator sees of it; of the categories only those that a case may be given."""
    return {
        "category": {code: f"{code} {'／'.join(maps.path(code))}" for code in maps.leaves},
        "function": {name: f"{name}（{one.scope}）" if one.scope else name for name, one in maps.functions.items()},
        "level": {name: name for name in maps.levels},
        "kind": {name: name for name in maps.kinds},
        "flags": {name: FLAG_NAMES.get(name, name) for name in maps.flags},
    }


def to_label_studio(answered: Answered, maps: LabelMaps) -> dict[str, Any]:
    """One task as Label Studio imports it; readings go along as annotations."""
    task = answered.task
    body: dict[str, Any] = {"data": {"text": task.case.text, "id": task.case.id, "task": task.model_dump(mode="json")}}
    if task.guess:
        guess = [_result(question, (value,), maps) for question, value in task.guess.items()]
        body["predictions"] = [{"model_version": task.bundle, "score": 1.0 - task.worth, "result": guess}]
    if answered.answers:
        body["annotations"] = [
            {"result": [_result(question, value, maps) for question, value in answer.values.items() if value]}
            for answer in answered.answers
        ]
    return body


def from_label_studio(body: Mapping[str, Any]) -> Answered:
    """One task of an export (`JSON`, with annotations); skipped annotations are left out.

    :raises KeyError, TypeError, ValueError: not such a task.
    """
    task = LabelTask.model_validate(body["data"]["task"])
    found = [one for one in body.get("annotations") or () if not one.get("was_cancelled")]
    return Answered(task, tuple(Answer(dict(_read_results(one["result"]))) for one in found))


def _result(question: str, value: tuple[str, ...], maps: LabelMaps) -> dict[str, Any]:
    kind = _TYPES[question]
    told = [_path(code, maps) for code in value] if kind == "taxonomy" else list(value)
    return {"from_name": question, "to_name": "text", "type": kind, "value": {kind: told}}


def _path(code: str, maps: LabelMaps) -> list[str]:
    """The labels from the first level down to `code`."""
    steps = [code]
    while parent := maps.categories[steps[0]].parent:
        steps.insert(0, parent)
    return [f"{step} {maps.categories[step].name}" for step in steps]


def _read_results(results: list[dict[str, Any]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Question and answer; an annotation without any flag says that there is none."""
    yield "flags", ()
    for one in results:
        question, kind = one["from_name"], one["type"]
        if question not in QUESTIONS:
            continue
        told = one["value"][kind]
        codes = [str(path[-1]).split(" ")[0] for path in told] if kind == "taxonomy" else [str(said) for said in told]
        yield question, tuple(codes)


def label_config(maps: LabelMaps) -> str:
    """The labelling interface of a Label Studio project, XML."""
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Text", name="text", value="$text")
    for question in QUESTIONS:
        ElementTree.SubElement(view, "Header", value=TITLES[question])
        told = {"name": question, "toName": "text", "required": "false" if question == "flags" else "true"}
        if question == "category":
            _tree(ElementTree.SubElement(view, "Taxonomy", told, leafsOnly="true", maxUsages="1"), maps)
            continue
        choice = "multiple" if question == "flags" else "single"
        control = ElementTree.SubElement(view, "Choices", told, choice=choice, showInline="true")
        for label, shown in options(maps)[question].items():
            # what is shown would be exported, but for the alias
            ElementTree.SubElement(control, "Choice", value=shown, alias=label)
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode")


def _tree(root: ElementTree.Element, maps: LabelMaps) -> None:
    nodes: dict[str, ElementTree.Element] = {"": root}
    for code in sorted(maps.categories):
        one = maps.categories[code]
        nodes[code] = ElementTree.SubElement(nodes[one.parent or ""], "Choice", value=f"{code} {one.name}")


def to_argilla(answered: Answered) -> dict[str, Any]:
    """One record as `Dataset.records.from_json` reads it; readings go along as responses of nameless users."""
    task = answered.task
    responses: dict[str, list[dict[str, Any]]] = {}
    for number, answer in enumerate(answered.answers, start=1):
        user = f"00000000-0000-4000-8000-{number:012d}"
        for question, value in answer.values.items():
            told = list(value) if question == "flags" else value[0]
            responses.setdefault(question, []).append({"value": told, "user_id": user})
    case = task.case
    known = {"city": case.city, "date": case.date, "signal": case.signal, "told": case.told, "bundle": task.bundle}
    return {
        "id": case.id,
        "fields": {"text": case.text},
        "metadata": {
            **{name: value for name, value in known.items() if value},
            **({"refused": list(case.refused)} if case.refused else {}),
            "rank": task.rank,
            "worth": task.worth,
        },
        "suggestions": {
            question: {"value": value, "score": None, "agent": task.bundle} for question, value in task.guess.items()
        },
        "responses": responses,
        "vectors": {},
    }


def from_argilla(body: Mapping[str, Any]) -> Answered:
    """One record of an export; what was discarded, or is a draft, is left out where the export tells.

    :raises KeyError, TypeError, ValueError: not such a record.
    """
    meta = dict(body.get("metadata") or {})
    refused = meta.get("refused") or ()
    case = {name: meta[name] for name in ("city", "date", "signal", "told") if name in meta}
    case |= {"id": body["id"], "text": body["fields"]["text"]}
    case["refused"] = (refused,) if isinstance(refused, str) else tuple(refused)
    guess = {name: one["value"] for name, one in (body.get("suggestions") or {}).items() if name in ONE_ANSWER}
    told = {"rank": meta["rank"], "worth": meta["worth"], "bundle": meta.get("bundle") or ""}
    task = LabelTask.model_validate({"case": case, "guess": guess, **told})
    return Answered(task, tuple(Answer(one) for one in _by_user(body.get("responses") or {}).values()))


def _by_user(responses: Mapping[str, Any]) -> dict[str, dict[str, tuple[str, ...]]]:
    """Question → answer of each user, in the order they are told; who gave no flag says that there is none."""
    users: dict[str, dict[str, tuple[str, ...]]] = {}
    for question in QUESTIONS:
        for one in responses.get(question) or ():
            if one.get("status") in ("draft", "discarded") or one["value"] is None:
                continue
            value = one["value"]
            told = tuple(map(str, value)) if isinstance(value, list) else (str(value),)
            users.setdefault(str(one["user_id"]), {"flags": ()})[question] = told
    return users


def argilla_settings(maps: LabelMaps) -> dict[str, Any]:
    """The settings of an Argilla dataset, as `Settings.from_json` reads them."""
    return {
        "guidelines": "读工单，逐项选定：类别、应由谁主办（职能与层级）、诉求类型、标记。拿不准的跳过。",
        "allow_extra_metadata": True,
        "distribution": {"strategy": "overlap", "min_submitted": 1},
        "fields": [{"name": "text", "title": "诉求", "required": True, "settings": {"type": "text"}}],
        "questions": [_question(name, shown) for name, shown in options(maps).items()],
        "metadata": [],
        "vectors": [],
    }


def _question(name: str, shown: Mapping[str, str]) -> dict[str, Any]:
    kind = "multi_label_selection" if name == "flags" else "label_selection"
    told = [{"value": label, "text": text} for label, text in shown.items()]
    settings = {"type": kind, "options": told, "visible_options": min(len(told), 20) if len(told) > 3 else None}
    return {"name": name, "title": TITLES[name], "required": name != "flags", "settings": settings}
