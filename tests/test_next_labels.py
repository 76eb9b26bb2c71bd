import json
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dispatch_model.encoder import HEADS, Encoder, Predictions
from dispatch_model.errors import DispatchError
from dispatch_model.label_task import Candidate
from dispatch_model.labels import LabelMaps
from serving import cli
from training.annotations import read_tasks
from training.next_labels import next_labels, worths, write_tasks

LAMP, FISH, BUS = "桥头路灯不亮，晚上看不清路", "河里漂着死鱼，没有人管", "公交车等了一个小时也不来"


def case(name: str, text: str, **told: Any) -> Candidate:
    return Candidate.model_validate({"id": name, "city": "海口市", "text": text} | told)


def test_disputed_cases_come_first_and_each_text_once() -> None:
    cases = [case("a", LAMP), case("b", FISH), case("c", BUS, signal="override", told="交警"), case("d", f"{FISH}！")]
    chosen = next_labels(cases, 10)
    assert chosen.tasks[0].case.id == "c"
    assert {task.case.id for task in chosen.tasks} == {"a", "b", "c"}
    assert [task.rank for task in chosen.tasks] == [1, 2, 3]
    assert chosen.offered == 3
    assert "改派与成立的退单 1 件" in next(chosen.lines())


def test_of_one_text_the_disputed_case_is_taken() -> None:
    (task,) = next_labels([case("a", LAMP), case("b", LAMP, signal="return", refused=("水务",))], 5).tasks
    assert task.case.id == "b"


def test_what_was_given_out_does_not_come_again() -> None:
    seen = [case("a", LAMP), case("x", f"{FISH}。")]
    chosen = next_labels([case("a", BUS), case("b", FISH), case("c", LAMP), case("d", BUS)], 5, seen=seen)
    assert [task.case.id for task in chosen.tasks] == ["d"]


def test_the_model_says_what_it_thinks_unless_the_task_is_blind(maps: LabelMaps) -> None:
    (task,) = next_labels([case("a", LAMP)], 1).tasks
    assert task.guess.keys() == {"category", "function", "level", "kind"}
    assert task.guess["category"] in maps.leaves
    assert task.bundle == Encoder.open().bundle.version
    assert next_labels([case("a", LAMP)], 1, blind=True).tasks[0].guess == {}


def test_no_case_gives_no_task() -> None:
    assert next_labels([], 5).tasks == []


def test_a_sure_model_that_was_overridden_is_a_surprise(maps: LabelMaps) -> None:
    functions = list(maps.functions)
    sizes = {"category": len(maps.leaves), "level": 4, "handler_level": 4, "kind": 6, "flags": 5}
    rows = 4
    tables: dict[str, Any] = {
        name: np.full((rows, sizes.get(name, len(functions))), -30.0, dtype=np.float32) for name in HEADS
    }
    for table in tables.values():
        table[:, 0] = 0.0  # sure of the first label
    said, other = functions[0], functions[1]
    cases = [
        case("a", LAMP),
        case("b", LAMP, signal="override", told=other),
        case("c", LAMP, signal="return", refused=(said,)),
        case("d", LAMP, signal="accept", told=said),
    ]
    assert worths(cases, Predictions(**tables), functions) == pytest.approx([0, 1, 1, 0], abs=1e-6)


@pytest.mark.parametrize(("form", "beside"), [("label-studio", "next.xml"), ("argilla", "next.settings.json")])
def test_the_tasks_are_read_back_and_are_for_their_owner_alone(
    tmp_path: Path, maps: LabelMaps, form: str, beside: str
) -> None:
    chosen = next_labels([case("a", LAMP), case("b", FISH)], 2)
    files = write_tasks(chosen.tasks, tmp_path / "next.json", form, maps)
    assert [file.name for file in files] == ["next.json", beside]
    assert [one.task for one in read_tasks(files[0])] == chosen.tasks
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, maps: LabelMaps) -> None:
    with pytest.raises(DispatchError, match="output"):
        write_tasks([], tmp_path / "none" / "next.json", "argilla", maps)


def test_from_a_file_of_cases_to_training_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [{"case_id": str(n), "transcript": text} for n, text in enumerate((LAMP, FISH, BUS))]
    Path("cases.jsonl").write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    run = ["data", "next", "--pool", "cases.jsonl", "--format", "argilla", "--blind"]
    with pytest.raises(SystemExit, match="0"):
        cli.main([*run, "--n", "1", "--output", "first.json"])
    (first,) = read_tasks(Path("first.json"))
    with pytest.raises(SystemExit, match="0"):
        cli.main([*run, "--skip", "first.json", "--output", "rest.json"])
    rest = {one.task.case.id for one in read_tasks(Path("rest.json"))}
    assert rest == {"0", "1", "2"} - {first.task.case.id}
    (record,) = json.loads(Path("first.json").read_text(encoding="utf-8"))
    record["responses"] = {"function": [{"value": "城管", "user_id": "a"}]}
    Path("read.json").write_text(json.dumps([record]), encoding="utf-8")
    with pytest.raises(SystemExit, match="0"):
        cli.main(["data", "import", "--input", "read.json", "--output", "rows.jsonl"])
    row = json.loads(Path("rows.jsonl").read_text(encoding="utf-8"))
    assert (row["function"], row["weight"]) == ("城管", 1.0)
    assert "1 行 → rows.jsonl" in capsys.readouterr().out
