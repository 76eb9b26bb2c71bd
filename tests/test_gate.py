from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from dispatch_model.errors import DispatchError
from dispatch_model.gate_record import GATE_FILE, Check, GateRecord
from serving import cli
from tests.test_frozen import worked, written
from training import frozen, gate, gate_report, parity
from training.gate import Order
from training.gate_report import REPORT_FILE

if TYPE_CHECKING:
    from training.config import TrainingConfig


@pytest.fixture
def judged(
    tmp_path: Path, tiny_bundle: Path, tiny_config: "TrainingConfig", monkeypatch: pytest.MonkeyPatch
) -> GateRecord:
    """The tiny bundle against itself; the limits of parity suit hundreds of rows, not ten."""
    for name in ("MAX_FLIPS", "MAX_F1_LOSS"):
        monkeypatch.setattr(parity, name, 1.0)
    return gate.gate(tiny_bundle, tiny_bundle, Order(tiny_config, pairs=30), tmp_path)


def test_a_bundle_passes_against_itself(judged: GateRecord, tmp_path: Path) -> None:
    assert judged.passed, judged.refused
    assert {finding.check for finding in judged.findings} == set(Check)
    assert all(finding.change is None or finding.change.value == 0 for finding in judged.findings)
    assert judged.sets["test"].rows == 10
    assert GateRecord.load(tmp_path / judged.folder / GATE_FILE) == judged
    assert "通过：挑战者 tiny+" in (tmp_path / judged.folder / REPORT_FILE).read_text(encoding="utf-8")


def test_the_same_gate_is_not_computed_twice(
    judged: GateRecord,
    tmp_path: Path,
    tiny_bundle: Path,
    tiny_config: "TrainingConfig",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def again(*_: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(gate, "frozen_test", again)
    assert gate.gate(tiny_bundle, tiny_bundle, Order(tiny_config, pairs=30), tmp_path) == judged
    with pytest.raises(AssertionError, match="computed again"):
        gate.gate(tiny_bundle, tiny_bundle, Order(tiny_config, pairs=31), tmp_path)


def test_an_interrupted_gate_keeps_what_was_answered(
    judged: GateRecord,
    tmp_path: Path,
    tiny_bundle: Path,
    tiny_config: "TrainingConfig",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def again(*_: object) -> None:
        raise AssertionError("answered again")

    (tmp_path / judged.folder / GATE_FILE).unlink()
    monkeypatch.setattr(frozen, "predict_texts", again)
    found = gate.gate(tiny_bundle, tiny_bundle, Order(tiny_config, pairs=30), tmp_path)
    assert found.findings == judged.findings


def test_decisions_are_a_second_set(tmp_path: Path, tiny_bundle: Path, tiny_config: "TrainingConfig") -> None:
    row = worked(1, "荷塘村门口的路灯不亮了", handler_function="市政环卫", handler_level="区")
    rows = written(tmp_path / "rows.jsonl", row)
    record = gate.gate(tiny_bundle, tiny_bundle, Order(tiny_config, decisions=rows, pairs=5), tmp_path / "gates")
    assert {name: cases.rows for name, cases in record.sets.items()} == {"test": 10, "decisions": 1}
    assert next(finding.n for finding in record.findings if finding.where == "decisions") == 1
    with pytest.raises(DispatchError, match="不存在"):
        gate.gate(tiny_bundle, tiny_bundle, Order(tiny_config, learned=tmp_path / "none"), tmp_path / "gates")


def test_the_table_tells_first_what_was_refused(judged: GateRecord) -> None:
    worse = [
        finding.model_copy(update={"passed": finding.check is not Check.VIOLATIONS}) for finding in judged.findings
    ]
    record = GateRecord.model_validate({**judged.model_dump(), "findings": worse, "passed": False, "chance": 0.4})
    console = Console(width=200, record=True)
    gate_report.show(record, console)
    text = console.export_text()
    lines = [line for line in text.splitlines() if "✗" in line or "✓" in line]
    assert "违反准入清单" in lines[0]
    assert all("✓" in line for line in lines[1:])
    assert "拒绝：挑战者" in text
    assert "40%" in text
    page = gate_report.render(record)
    assert "✗ 拒绝" in page
    assert "<script" not in page


def test_the_command_ends_with_one_when_it_refuses(
    tmp_path: Path, tiny_bundle: Path, tiny_config: "TrainingConfig", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.config.load_config", lambda _: tiny_config)
    told = ["gate", "--champion", str(tiny_bundle), "--challenger", str(tiny_bundle), "--pairs", "5"]
    told += ["--out", str(tmp_path / "gates"), "--run", str(tmp_path / "run")]
    status = []
    for limit in (-1.0, 1.0):
        for name in ("MAX_FLIPS", "MAX_F1_LOSS"):
            monkeypatch.setattr(parity, name, limit)
        for path in (tmp_path / "gates").glob(f"*/{GATE_FILE}"):
            path.unlink()
        with pytest.raises(SystemExit) as caught:
            cli.main(told)
        status.append(caught.value.code or 0)
    assert status == [1, 0]
    assert '"passed": true' in (tmp_path / "run" / "record.json").read_text(encoding="utf-8")
