import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from tests.test_gate_record import made
from training import run_steps
from training.run_record import RunRecord
from training.scorecard import Evaluation

if TYPE_CHECKING:
    from training.config import TrainingConfig


def test_train_notes_config_data_and_scores(tmp_path: Path, tiny_config: "TrainingConfig") -> None:
    def fit(_: object, out: Path) -> dict[str, float]:
        for name in run_steps.WEIGHTS:
            (out / name).write_text(name, encoding="utf-8")
        return {"function": 0.8}

    run_steps.train(fit, tiny_config, tmp_path)
    record = RunRecord.load(tmp_path)
    assert record.config == json.loads(tiny_config.model_dump_json())
    assert record.data.keys() == {"cases.jsonl.gz", "labels.csv", "units.csv", "dialogues.jsonl"}
    assert record.steps["train"].figures == {"validation": {"function": 0.8}}
    assert record.steps["train"].outputs.keys() == set(run_steps.WEIGHTS)


def test_export_is_done_once_and_again_when_the_weights_change(tmp_path: Path, bundles: Path) -> None:
    calls: list[str] = []

    def export(_: Path, out: Path, name: str) -> None:
        calls.append(name)
        shutil.copytree(bundles / "one", out, dirs_exist_ok=True)

    run, out = tmp_path / "run", tmp_path / "bundle"
    run.mkdir()
    (run / "config.json").write_text("{}", encoding="utf-8")
    weights = run / "network.safetensors"
    weights.write_text("1", encoding="utf-8")
    for _ in range(2):
        run_steps.export(export, run, out, "haikou")
    assert calls == ["haikou"]
    noted = RunRecord.load(run).steps["export"]
    assert noted.figures["version"].startswith("one+")
    assert "../bundle/card.md" in noted.outputs
    weights.write_text("2", encoding="utf-8")
    run_steps.export(export, run, out, "haikou")
    (out / "card.md").unlink()
    run_steps.export(export, run, out, "haikou")
    assert len(calls) == 3


def test_evaluate_is_done_once_with_a_run_and_always_without(
    tmp_path: Path, bundles: Path, tiny_config: "TrainingConfig"
) -> None:
    calls: list[Path] = []

    def evaluate(_: Path | None, __: object, out: Path) -> Evaluation:
        calls.append(out)
        found = Evaluation("one", "2026-11-23", {}, (), {}, {})
        found.save(out)
        (out / "report.html").write_text("页", encoding="utf-8")
        return found

    out, run = tmp_path / "out", tmp_path / "run"
    for _ in range(2):
        run_steps.evaluate(evaluate, bundles / "one", tiny_config, out)
    assert len(calls) == 2
    for _ in range(2):
        run_steps.evaluate(evaluate, bundles / "one", tiny_config, out, run)
    assert len(calls) == 3
    assert set(RunRecord.load(run).steps["evaluate"].outputs) == {"../out/evaluation.json", "../out/report.html"}


def test_a_gate_is_noted_with_what_it_refused(tmp_path: Path) -> None:
    record = made(passed=False)
    record.save(tmp_path / "gate")
    run_steps.note_gate(tmp_path / "run", record, tmp_path / "gate")
    noted = RunRecord.load(tmp_path / "run").steps["gate"]
    assert noted.figures == {"passed": False, "refused": ["bundle parity"]}
    assert noted.inputs == {"champion": "a" * 64, "challenger": "b" * 64}
    assert list(noted.outputs) == ["../gate/gate.json"]
