import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from dispatch_model.cases import CHINA_TIME
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.label_task import Answer, Answered, Candidate, LabelTask
from dispatch_model.labels import LabelMaps
from training.annotations import import_answers, read_tasks, training_rows, write_import
from training.exchange_formats import to_argilla, to_label_studio
from training.worked import load_worked

AT = datetime(2026, 5, 4, 9, tzinfo=CHINA_TIME)
READ = {"category": ("030501",), "function": ("市政环卫",), "level": ("区",), "kind": ("求助",), "flags": ()}


def task(name: str, *answers: dict[str, tuple[str, ...]], text: str = "桥头路灯不亮") -> Answered:
    case = Candidate(id=name, city="海口市", date="2026-05-03", text=text)
    return Answered(LabelTask(case=case, rank=1, worth=0.5), tuple(map(Answer, answers)))


def written(folder: Path, maps: LabelMaps, *tasks: Answered, argilla: bool = False) -> Path:
    path = folder / "tasks.json"
    body: list[Any] = [to_argilla(one) if argilla else to_label_studio(one, maps) for one in tasks]
    path.write_text(json.dumps(body, ensure_ascii=False), encoding="utf-8")
    return path


@pytest.mark.parametrize("argilla", [False, True])
def test_what_was_read_teaches_like_an_override(tmp_path: Path, maps: LabelMaps, argilla: bool) -> None:
    path = written(tmp_path, maps, task("a", READ), task("b", text="井盖缺失"), argilla=argilla)
    imported = import_answers(path, maps)
    assert imported.unread == 1
    output = tmp_path / "rows.jsonl"
    assert write_import(imported, output, AT) == 1
    (row,) = load_worked(output)
    assert (row.category, row.function, row.level, row.weight) == ("030501", "市政环卫", "区", 1.0)
    assert (row.handler_function, row.provenance.reason, row.text) == (None, "annotated", "桥头路灯不亮")


def test_more_than_half_must_agree(tmp_path: Path, maps: LabelMaps) -> None:
    other = READ | {"function": ("城管",)}
    path = written(tmp_path, maps, task("a", READ, READ, other), task("b", READ, other, text="井盖缺失"))
    imported = import_answers(path, maps)
    assert imported.open_questions == [("b", "function")]
    first, second = training_rows(imported, AT)
    assert (first.function, second.function, second.category) == ("市政环卫", None, "030501")
    assert "意见不一 1 处" in "\n".join(imported.lines())


def test_a_table_of_labels_has_only_what_is_agreed_in_full(tmp_path: Path, maps: LabelMaps) -> None:
    flagged = READ | {"flags": ("urgent", "multi")}
    part = {name: value for name, value in READ.items() if name != "kind"}
    path = written(tmp_path, maps, task("a", flagged), task("b", part, text="井盖缺失"))
    output = tmp_path / "labels.csv"
    assert write_import(import_answers(path, maps), output, AT) == 1
    assert output.read_text(encoding="utf-8").splitlines() == [
        "id,category,function,level,kind,flags",
        'a,030501,市政环卫,区,求助,"urgent,multi"',
    ]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"function": ("市政",)}, "市政环卫"),
        ({"category": ("0305",)}, "末级"),
        ({"level": ("区", "市")}, "恰有一个"),
        ({"flags": ("急",)}, "急"),
    ],
)
def test_an_answer_that_is_no_label_is_named(
    tmp_path: Path, maps: LabelMaps, answer: dict[str, tuple[str, ...]], told: str
) -> None:
    path = written(tmp_path, maps, task("a", READ), task("b", READ | answer))
    with pytest.raises(DispatchError) as caught:
        import_answers(path, maps)
    assert (caught.value.kind, caught.value.field) == (ErrorKind.INVALID_PARAMETER, "input")
    assert "第 2 条" in caught.value.details[0]
    assert told in caught.value.details[0]


def test_a_text_with_personal_data_is_refused_and_not_quoted(tmp_path: Path, maps: LabelMaps) -> None:
    path = written(tmp_path, maps, task("a", READ, text="我的电话是13800001111"))
    with pytest.raises(DispatchError, match="不合标签表") as caught:
        import_answers(path, maps)
    assert "13800001111" not in str(caught.value)


@pytest.mark.parametrize("body", ["{", "{}", '[{"data": {"text": "x"}}]', '[{"id": "a"}]', "[3]"])
def test_a_file_of_something_else_is_named(tmp_path: Path, body: str) -> None:
    path = tmp_path / "tasks.json"
    path.write_text(body, encoding="utf-8")
    with pytest.raises(DispatchError) as caught:
        read_tasks(path)
    assert caught.value.value == str(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DispatchError, match=r"none\.json"):
        read_tasks(tmp_path / "none.json")
