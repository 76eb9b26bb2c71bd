import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dispatch_model.errors import DispatchError
from serving.bulk.batch import CHUNK, Tally, route_file
from serving.bulk.parts import Part, Plan, finish, finished, prepare, read_plan, route_part
from serving.routing import Router

NOW = datetime(2026, 5, 6, 1, 30, tzinfo=UTC)


def case(number: int) -> bytes:
    return json.dumps({"case_id": str(number), "transcript": "路灯不亮"}, ensure_ascii=False).encode()


def history(folder: Path, content: bytes) -> Path:
    path = folder / "in.jsonl"
    path.write_bytes(content)
    return path


def route_all(router: Router, plan: Plan, source: Path, target: Path) -> Tally:
    total = Tally()
    for part in plan.parts:
        total.add(route_part(router, part, source, target, plan.now))
    return total


def answers(*files: Path) -> list[dict[str, Any]]:
    """Answers of the files, without what no two runs share."""
    read = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return [{name: value for name, value in answer.items() if name != "timing_ms"} for answer in read]


@pytest.mark.parametrize("lines", [1, 3, 64, 1000])
def test_parts_are_whole_lines_that_make_up_the_file(router: Router, tmp_path: Path, lines: int) -> None:
    content = b"\xef\xbb\xbf" + b"\n".join(map(case, range(200))) + b"\r\n\n{\n" + case(200)
    plan = prepare(history(tmp_path, content), tmp_path / "out", lines, router.versions, NOW)
    cut = [content[part.offset : part.offset + part.size] for part in plan.parts]
    assert b"".join(cut) == content
    assert {piece.count(b"\n") for piece in cut[:-1]} <= {lines}
    assert [part.first_line for part in plan.parts] == [1 + index * lines for index in range(len(cut))]


def test_the_answers_of_all_parts_are_those_of_one_run(router: Router, tmp_path: Path) -> None:
    bad = b"\n".join([b"{", b"", '{"case_id":"b","transcript":"崩溃"}'.encode(), b"\xff", b'"a\rb"'])
    content = b"\n".join([*map(case, range(CHUNK + 5)), bad, *map(case, range(100, 170))])
    source, target = history(tmp_path, content), tmp_path / "out"
    plan = prepare(source, target, 30, router.versions, NOW)
    total = route_all(router, plan, source, target)
    alone = route_file(router, source, tmp_path / "alone.jsonl")
    assert answers(*[part.answers(target) for part in plan.parts]) == answers(tmp_path / "alone.jsonl")
    assert (total.lines, total.errors, total.read) == (alone.lines, alone.errors, alone.read)
    assert total.errors == 4


def test_a_folder_is_read_in_order_of_name_each_file_from_line_1(router: Router, tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for name, first in (("b.jsonl", 10), ("a.jsonl", 0)):
        (source / name).write_bytes(case(first) + b"\n{\n" + case(first + 1))
    (source / "notes.txt").write_text("not a history")
    plan = prepare(source, tmp_path / "out", 2, router.versions, NOW)
    route_all(router, plan, source, tmp_path / "out")
    read = answers(*[part.answers(tmp_path / "out") for part in plan.parts])
    assert [(answer["case_id"], answer.get("line")) for answer in read] == [
        *(("0", None), (None, 2), ("1", None)),
        *(("10", None), (None, 2), ("11", None)),
    ]


def test_what_is_finished_is_known_with_its_tally(router: Router, tmp_path: Path) -> None:
    source, target = history(tmp_path, case(1) + b'\n{"case_id":"2","transcript":"x","note":1}\n{'), tmp_path / "out"
    plan = prepare(source, target, 1, router.versions, NOW)
    assert finished(plan, target) == {}
    route_part(router, plan.parts[1], source, target, NOW)
    assert finished(plan, target) == {1: Tally(1, 0, plan.parts[1].size, Tally(ignored={"note": 1}).ignored)}  # type: ignore[arg-type]
    (target / "part-000002.0a.partial").touch()
    finish(target, Tally(3, 1))
    assert list(target.glob("*.partial")) == []
    assert json.loads((target / "summary.json").read_text())["errors"] == 1


def test_an_interrupted_part_leaves_nothing(router: Router, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = history(tmp_path, case(1)), tmp_path / "out"
    plan = prepare(source, target, 1, router.versions, NOW)

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(type(router), "route", interrupt)
    with pytest.raises(KeyboardInterrupt):
        route_part(router, plan.parts[0], source, target, NOW)
    assert [path.name for path in target.iterdir()] == ["plan.json"]


def test_a_second_run_takes_up_the_plan_and_its_moment(router: Router, tmp_path: Path) -> None:
    source, later = history(tmp_path, case(1)), datetime(2026, 6, 1, tzinfo=UTC)
    first = prepare(source, tmp_path / "out", 1, router.versions, NOW)
    assert prepare(source, tmp_path / "out", 1, router.versions, later) == first
    assert read_plan(tmp_path / "out").now == NOW


def test_another_plan_is_refused_with_what_differs(router: Router, tmp_path: Path) -> None:
    source, target = history(tmp_path, case(1) + b"\n" + case(2)), tmp_path / "out"
    prepare(source, target, 2, router.versions, NOW)
    with pytest.raises(DispatchError, match="--part-lines"):
        prepare(source, target, 1, router.versions, NOW)
    with pytest.raises(DispatchError, match="模型包或规则的版本不同"):
        prepare(source, target, 2, router.versions.model_copy(update={"bundle": "bundle-2"}), NOW)
    source.write_bytes(case(1) + b"\n" + case(3))
    with pytest.raises(DispatchError, match="输入的内容不同"):
        prepare(source, target, 2, router.versions, NOW)


def test_a_folder_with_other_things_is_refused(router: Router, tmp_path: Path) -> None:
    source = history(tmp_path, case(1))
    with pytest.raises(DispatchError, match="不是空文件夹"):
        prepare(source, tmp_path, 1, router.versions, NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


@pytest.mark.parametrize(("source", "target"), [("none.jsonl", "out"), ("empty", "out"), ("in.jsonl", "none/out")])
def test_what_cannot_be_read_or_written_is_named(router: Router, tmp_path: Path, source: str, target: str) -> None:
    (tmp_path / "empty").mkdir()
    history(tmp_path, case(1))
    with pytest.raises(DispatchError, match="不可用") as caught:
        prepare(tmp_path / source, tmp_path / target, 1, router.versions, NOW)
    assert (source if target == "out" else target) in caught.value.message


def test_a_part_that_changed_since_is_refused(router: Router, tmp_path: Path) -> None:
    source, target = history(tmp_path, case(1)), tmp_path / "out"
    plan = prepare(source, target, 1, router.versions, NOW)
    source.write_bytes(case(2))
    with pytest.raises(DispatchError, match="被改动"):
        route_part(router, plan.parts[0], source, target, NOW)
    source.unlink()
    with pytest.raises(DispatchError, match=r"in\.jsonl"):
        route_part(router, plan.parts[0], source, target, NOW)


@pytest.mark.parametrize("content", [None, "{", '{"format": 9}'])
def test_a_folder_without_a_plan_is_no_run(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "plan.json").write_text(content)
    with pytest.raises(DispatchError, match=r"plan\.json"):
        read_plan(tmp_path)


def test_parts_sort_as_text(tmp_path: Path) -> None:
    parts = [Part(number=n, source="a", offset=0, size=1, first_line=1, sha256="") for n in (2, 10, 123456)]
    names = [part.answers(tmp_path).name for part in parts]
    assert names == sorted(names)
