from pathlib import Path

import pytest

from dispatch_model.errors import DispatchError, ErrorKind
from training.run_record import RECORD_FILE, RunRecord, digests, source_digest


def test_a_step_is_done_until_an_input_or_an_output_changes(tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    out.mkdir()
    made = out / "model.onnx"
    made.write_text("weights", encoding="utf-8")
    record = RunRecord()
    assert not record.done("export", run, {"a": "1"}, [made])
    record.note("export", run, {"a": "1"}, [made], {"top1": 0.8})
    record = RunRecord.load(run)
    assert record.done("export", run, {"a": "1"}, [made])
    assert not record.done("export", run, {"a": "2"}, [made])
    assert not record.done("export", run, {"a": "1"}, [tmp_path / "elsewhere" / "model.onnx"])
    made.write_text("other weights", encoding="utf-8")
    assert not record.done("export", run, {"a": "1"}, [made])
    made.unlink()
    assert not record.done("export", run, {"a": "1"}, [made])


def test_the_record_names_files_as_seen_from_the_run(tmp_path: Path) -> None:
    made = tmp_path / "bundle" / "card.md"
    made.parent.mkdir()
    made.write_text("卡", encoding="utf-8")
    RunRecord().note("export", tmp_path / "run", {}, [made], {})
    assert list(RunRecord.load(tmp_path / "run").steps["export"].outputs) == ["../bundle/card.md"]


def test_a_run_without_a_record_has_an_empty_one_and_a_broken_one_is_told(tmp_path: Path) -> None:
    assert RunRecord.load(tmp_path) == RunRecord()
    (tmp_path / RECORD_FILE).write_text('{"steps": {"train": {}}}', encoding="utf-8")
    with pytest.raises(DispatchError, match=r"steps\.train\.at") as caught:
        RunRecord.load(tmp_path)
    assert caught.value.kind is ErrorKind.INVALID_CONFIG


def test_digests_leave_out_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "here").write_text("a", encoding="utf-8")
    assert list(digests([tmp_path / "here", tmp_path / "gone"])) == ["here"]
    assert len(source_digest()) == 16
