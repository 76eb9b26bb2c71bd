import json
from pathlib import Path
from typing import Any

import pytest

from dispatch_model.errors import DispatchError
from serving.bulk.batch import CHUNK, Tally, route_file
from serving.routing import Router

CASE = {"case_id": "1", "transcript": "路灯不亮"}


def line(**fields: object) -> bytes:
    return json.dumps({**CASE, **fields}, ensure_ascii=False).encode()


def routed(router: Router, folder: Path, content: bytes, threads: int = 1) -> tuple[list[dict[str, Any]], Tally]:
    (folder / "in.jsonl").write_bytes(content)
    tally = route_file(router, folder / "in.jsonl", folder / "out.jsonl", threads=threads)
    lines = (folder / "out.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(text) for text in lines], tally


def test_each_line_becomes_a_routing_in_order(router: Router, tmp_path: Path) -> None:
    many = CHUNK * 7 + 3
    content = b"\n".join(line(case_id=str(number)) for number in range(many))
    answers, tally = routed(router, tmp_path, content, threads=3)
    assert [answer["case_id"] for answer in answers] == [str(number) for number in range(many)]
    assert (tally.lines, tally.errors, tally.read) == (many, 0, len(content))


@pytest.mark.parametrize(
    ("bad", "case_id", "kind", "field"),
    [
        (b"{", None, "invalid_body", None),
        (b"\xff\xfe\xfa", None, "invalid_body", None),
        (b'{"a":' * 100_000, None, "invalid_body", None),
        (b"7", None, "invalid_case", "case"),
        (b'{"case_id":"1","transcript":' + b"9" * 5000 + b"}", None, "invalid_body", None),
        (line(transcript=7), "1", "invalid_case", "transcript"),
        (line(received_at="昨天"), "1", "invalid_case", "received_at"),
        (line(case_id=5), None, "invalid_case", "case_id"),
        (line(transcript=" "), "1", "transcript_empty", "transcript"),
        (line(transcript="崩溃"), "1", "internal", None),
    ],
)
def test_a_bad_line_becomes_an_error_on_its_own_line(
    router: Router, tmp_path: Path, bad: bytes, case_id: str | None, kind: str, field: str | None
) -> None:
    answers, tally = routed(router, tmp_path, b"\n".join([line(case_id="a"), bad, line(case_id="c")]))
    assert [answers[0]["case_id"], answers[2]["case_id"]] == ["a", "c"]
    error = answers[1].pop("error")
    assert answers[1] == {"case_id": case_id, "line": 2}
    assert (error["kind"], error.get("field")) == (kind, field)
    assert (tally.lines, tally.errors) == (3, 1)


def test_the_error_of_a_broken_line_quotes_no_personal_data(router: Router, tmp_path: Path) -> None:
    answers, _ = routed(router, tmp_path, '{"transcript":"手机１３８１２３４５６７８"'.encode())
    assert answers[0]["error"]["value"] == '{"transcript":"手机[电话]"'


def test_empty_optional_fields_are_absent(router: Router, tmp_path: Path) -> None:
    answers, tally = routed(router, tmp_path, line(city="", address="", received_at=None))
    assert (len(answers), tally.errors) == (1, 0)


def test_unknown_fields_are_ignored_and_counted(router: Router, tmp_path: Path) -> None:
    _, tally = routed(router, tmp_path, line(unit="x", note=1) + b"\n" + line(unit="y"))
    assert (tally.errors, tally.ignored) == (0, {"unit": 2, "note": 1})


def test_blank_lines_are_skipped_but_counted_in_line_numbers(router: Router, tmp_path: Path) -> None:
    answers, tally = routed(router, tmp_path, b"\xef\xbb\xbf" + line() + b"\r\n\n  \n{\n")
    assert [answer.get("line") for answer in answers] == [None, 4]
    assert tally.lines == 2


def test_an_empty_file_gives_an_empty_file(router: Router, tmp_path: Path) -> None:
    answers, tally = routed(router, tmp_path, b"")
    assert (answers, tally) == ([], Tally())


def test_the_output_appears_when_it_is_whole(router: Router, tmp_path: Path) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(line())

    def interrupt(_: Tally) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        route_file(router, source, target, progress=interrupt)
    assert not target.exists()
    route_file(router, source, target)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["in.jsonl", "out.jsonl"]


@pytest.mark.parametrize("output", ["in.jsonl", "./sub/../in.jsonl", "alias.jsonl", "in.jsonl.partial"])
def test_what_is_read_is_never_written_over(router: Router, tmp_path: Path, output: str) -> None:
    (tmp_path / "sub").mkdir()
    source = tmp_path / output if output.endswith(".partial") else tmp_path / "in.jsonl"
    source.write_bytes(line())
    (tmp_path / "alias.jsonl").symlink_to(source)
    with pytest.raises(DispatchError, match="同一文件"):
        route_file(router, source, tmp_path / output.removesuffix(".partial"))
    assert source.read_bytes() == line()


@pytest.mark.parametrize("output", ["none/out.jsonl", "folder", "in.jsonl/out.jsonl"])
def test_an_output_that_cannot_be_written_is_named(router: Router, tmp_path: Path, output: str) -> None:
    (tmp_path / "in.jsonl").write_bytes(line())
    (tmp_path / "folder").mkdir()
    with pytest.raises(DispatchError, match="不可用") as caught:
        route_file(router, tmp_path / "in.jsonl", tmp_path / output)
    assert output.partition("/")[0] in caught.value.message


def test_an_input_that_cannot_be_read_is_named(router: Router, tmp_path: Path) -> None:
    with pytest.raises(DispatchError, match="none"):
        route_file(router, tmp_path / "none", tmp_path / "out.jsonl")


def test_a_device_is_written_to_directly(router: Router, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_bytes(line())
    assert route_file(router, source, Path("/dev/null")).lines == 1
    assert Path("/dev/null").is_char_device()
