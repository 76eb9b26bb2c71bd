import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import pytest

from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.outputs import StoredOutputs
from dispatch_model.router import Router
from serving.bulk.batch import Tally
from serving.rules.outputs import SUFFIX, encode_file, outputs_for, snippets


@lru_cache(maxsize=1)
def router() -> Router:
    return Router.open()


class Watch:
    """Keeps what was reported; says whether anything was encoded at all."""

    def __init__(self) -> None:
        self.opened = 0
        self.total = Tally()

    @contextmanager
    def __call__(self, _: Path) -> Iterator[Callable[[Tally], None]]:
        self.opened += 1
        yield self.total.add


def write(folder: Path, *lines: object) -> Path:
    path = folder / "cases.jsonl"
    told = [line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines]
    path.write_text("".join(f"{line}\n" for line in told), encoding="utf-8")
    return path


def case(number: int, text: str = "路灯坏了没人修") -> dict[str, object]:
    return {"case_id": f"C{number}", "transcript": text, "received_at": "2026-05-03"}


def stored(cases: Path, *, target: Path | None = None, watch: Watch | None = None) -> StoredOutputs:
    return outputs_for(cases, router().encoder.bundle, router().city, target=target, watch=watch)


def test_outputs_are_made_beside_the_cases_once(tmp_path: Path) -> None:
    cases = write(tmp_path, case(1), case(2))
    first, second = Watch(), Watch()
    made, read = stored(cases, watch=first), stored(cases, watch=second)
    assert (first.opened, second.opened) == (1, 0)
    assert (first.total.lines, first.total.errors, first.total.read) == (2, 0, cases.stat().st_size)
    assert made.case_id.tolist() == read.case_id.tolist() == ["C1", "C2"]
    assert (tmp_path / f"cases.jsonl{SUFFIX}").is_file()


def test_other_cases_are_encoded_anew(tmp_path: Path) -> None:
    assert len(stored(write(tmp_path, case(1)))) == 1
    watch = Watch()
    assert len(stored(write(tmp_path, case(1), case(2)), watch=watch)) == 2
    assert watch.opened == 1


def test_a_named_file_made_from_other_cases_is_an_error_and_stays(tmp_path: Path) -> None:
    target = tmp_path / "kept.npz"
    stored(write(tmp_path, case(1)), target=target)
    kept = target.read_bytes()
    with pytest.raises(DispatchError, match="工单文件的内容") as raised:
        stored(write(tmp_path, case(2)), target=target)
    assert raised.value.kind is ErrorKind.INVALID_CONFIG
    assert str(target) in raised.value.message
    assert target.read_bytes() == kept


def test_lines_that_cannot_be_routed_are_counted_and_left_out(tmp_path: Path) -> None:
    blank = {"case_id": "E", "transcript": "  "}
    cases = write(tmp_path, case(1), "{", "", blank, case(2) | {"unit": "某局"}, {"case_id": "F"})
    tally = Tally()
    found = encode_file(router(), cases, progress=tally.add)
    assert found.case_id.tolist() == ["C1", "C2"]
    assert (tally.lines, tally.errors) == (5, 3)
    raw = cases.read_bytes()
    assert [json.loads(raw[offset:].splitlines()[0])["case_id"] for offset in found.offset] == ["C1", "C2"]


def test_more_than_one_chunk_keeps_its_order(tmp_path: Path) -> None:
    cases = write(tmp_path, *(case(number) for number in range(70)))
    assert encode_file(router(), cases).case_id.tolist() == [f"C{number}" for number in range(70)]


def test_a_file_without_a_case_is_named(tmp_path: Path) -> None:
    cases = write(tmp_path, "{", "")
    with pytest.raises(DispatchError, match=r"cases\.jsonl 没有一行可用"):
        stored(cases)
    assert not (tmp_path / f"cases.jsonl{SUFFIX}").exists()


def test_snippets_are_masked_and_short(tmp_path: Path) -> None:
    long = "我的电话13876543210，" + "路灯坏了没人修，" * 30
    cases = write(tmp_path, case(1), case(2, long))
    found = stored(cases)
    told = snippets(cases, found.offset.tolist())
    assert told[0] == "路灯坏了没人修"
    shown = told[int(found.offset[1])]
    assert "13876543210" not in shown
    assert "[电话]" in shown
    assert len(shown) == 60
