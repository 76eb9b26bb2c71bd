"""`train`, `export`, `evaluate` and `gate` with the record of their run; what is done already is not done again."""

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from dispatch_model.backend import DEFAULT, BackendName
from dispatch_model.bundle import MANIFEST, PARTS, read_manifest, sha256
from dispatch_model.gate_record import GATE_FILE, GateRecord
from training.config import TrainingConfig
from training.run_record import RunRecord, digests, source_digest
from training.scorecard import Evaluation

DATA = ("cases.jsonl.gz", "labels.csv", "units.csv", "dialogues.jsonl")
WEIGHTS = ("config.json", "network.safetensors")
HEADLINES = ("top1", "macro_f1", "ece")

logger = logging.getLogger(__name__)


def train(fit: Callable[[TrainingConfig, Path], Any], config: TrainingConfig, out: Path) -> None:
    """`training.fit.fit`, which resumes by itself, and what came of it."""
    scores = fit(config, out)
    record = RunRecord.load(out)
    record.config, record.data = json.loads(config.model_dump_json()), _data(config)
    figures = {"validation": scores} if scores else {}
    record.note("train", out, {**record.data, "source": source_digest()}, _in(out, WEIGHTS), figures)


def export(work: Callable[[Path, Path, str], Any], run: Path, out: Path, name: str) -> None:
    """A run's bundle by `training.export.export`, unless it stands in `out` already."""
    inputs = {**digests(_in(run, WEIGHTS)), **RunRecord.load(run).data, "name": name, "source": source_digest()}

    def exported() -> Mapping[str, Any]:
        work(run, out, name)
        return _of_bundle(out)

    _once("export", run, inputs, _in(out, (*PARTS, MANIFEST)), exported)


def evaluate(
    work: Callable[[Path | None, TrainingConfig, Path], Evaluation],
    bundle: Path | None,
    config: TrainingConfig,
    out: Path,
    run: Path | None = None,
    *,
    backend: BackendName = DEFAULT,
) -> None:
    """A bundle's report by `training.evaluate.evaluate`; with a run it is noted there, and made once.

    :param backend: what `work` runs the bundle on.
    """
    if run is None:
        work(bundle, config, out)
        return
    inputs = {**_bundle(bundle), **_data(config), "backend": backend, "source": source_digest()}
    files = _in(out, ("evaluation.json", "report.html"))
    _once("evaluate", run, inputs, files, lambda: _headlines(work(bundle, config, out)))


def note_gate(run: Path, record: GateRecord, folder: Path) -> None:
    """Enter a gate, which knows by itself what it has judged."""
    figures = {"passed": record.passed, "refused": [f"{one.where} {one.what}" for one in record.refused]}
    inputs = {"champion": record.champion.sha256, "challenger": record.challenger.sha256}
    RunRecord.load(run).note("gate", run, inputs, _in(folder, (GATE_FILE, "gate.html")), figures)


def _once(
    step: str, run: Path, inputs: Mapping[str, str], outputs: Iterable[Path], work: Callable[[], Mapping[str, Any]]
) -> None:
    record, files = RunRecord.load(run), list(outputs)
    if record.done(step, run, inputs, files):
        logger.info("%s 已完成（%s），输入与产物均未变，不再重做", step, record.steps[step].at)
        return
    figures = work()
    record.note(step, run, inputs, files, figures)


def _headlines(evaluation: Evaluation) -> dict[str, float]:
    told = (row for row in evaluation.rows if row.part == "test" and row.cases == "all" and row.metric in HEADLINES)
    return {f"{row.truth}/{row.question}/{row.answer}/{row.metric}": round(row.ours.value, 4) for row in told}


def _of_bundle(folder: Path) -> dict[str, Any]:
    manifest = read_manifest(folder)
    told = {"version": manifest.version, "sha256": sha256(folder / MANIFEST), "training_data": manifest.training_data}
    return {**told, "validation": manifest.metrics.get("validation", {})}


def _bundle(folder: Path | None) -> dict[str, str]:
    return {"bundle": "shipped"} if folder is None else {"bundle": sha256(folder / MANIFEST)}


def _data(config: TrainingConfig) -> dict[str, str]:
    return digests(_in(config.data.folder, DATA))


def _in(folder: Path, names: Iterable[str]) -> list[Path]:
    return [folder / name for name in names]
