"""From a finished run to a bundle: wide branch, calibration, ONNX, int8, parity gate, manifest.

    dispatch export --run runs/a --out bundle

Everything that is chosen here (mix, temperature, blend, β, thresholds) is chosen on validation.
"""

import json
import logging
import shutil
import subprocess
import tempfile
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from tqdm import tqdm

from dispatch_model.bundle import Manifest, write_manifest
from dispatch_model.encoder import head_tail, session_options
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LabelMaps
from dispatch_model.ngrams import NgramVocabulary
from training.calibrate import Mix, fit_flag_scale, fit_mix
from training.card import write_card
from training.choose import choices
from training.config import TrainingConfig
from training.fit import build_network, load_tokenizer
from training.graph import CHOICE_HEADS, Calibration, DispatchGraph
from training.metrics import mean_of, score, top_k_hits
from training.network import DispatchNetwork
from training.parity import ParityRow, check, compare
from training.prepare import Part, data_fingerprint, load_parts
from training.prior import log_prior
from training.quantize import export_float, quantize
from training.smooth import smooth
from training.targets import MISSING, parent_membership
from training.wide import WideBranch, fit_wide

logger = logging.getLogger(__name__)

SMOOTHING_TEXTS = 256

Arrays = dict[str, NDArray[Any]]


def head_labels(maps: LabelMaps) -> dict[str, list[str]]:
    """Labels of each output of the graph, in order."""
    functions, levels = list(maps.functions), list(maps.levels)
    return {
        "category": list(maps.leaves),
        **{"function": functions, "handler_function": functions},
        **{"level": levels, "handler_level": levels},
        "kind": list(maps.kinds),
        "flags": list(maps.flags),
    }


class Export:
    """One export: a trained network and its data on the way to a bundle folder."""

    def __init__(self, run: Path, config: TrainingConfig, maps: LabelMaps, parts: dict[str, Part]) -> None:
        self.config, self.maps, self.parts = config, maps, parts
        torch.set_num_threads(config.fit.threads or torch.get_num_threads())
        self.tokenizer = load_tokenizer(config.encoder.base)
        self.network: DispatchNetwork = build_network(config, maps)
        self.network.load_state_dict(load_file(run / "network.safetensors"))
        self.network.eval()
        labels = head_labels(maps)
        sizes = {head: len(labels[head]) for head in labels} | {"parent": len(parent_membership(maps)[0])}
        train = parts["train"]
        mixed = train.mixed_texts(config.fit.title_drop, config.fit.seed)
        self.wide: WideBranch = fit_wide(mixed, train.targets, sizes, size=config.ngrams.size, c=config.ngrams.svm_c)
        validation = parts["validation"]
        self.texts = validation.texts
        self.targets = {**validation.targets}
        self.feeds = [self._feed(text) for text in tqdm(self.texts, desc="tokens")]
        self.flat: Arrays = dict(self.wide.margins(self.texts))
        self.flat["category"] = self.flat["parent"][:, self.network.category.parent_of.numpy()]

    def _feed(self, text: str) -> Arrays:
        ids = np.array([head_tail(self.tokenizer.encode(text).ids, self.config.encoder.max_tokens)], dtype=np.int64)
        ngrams, values = self.wide.vocabulary.encode(text)
        return {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "ngram_ids": ngrams[None],
            "ngram_values": values[None],
        }

    def smooth(self) -> None:
        """Prepare the encoder for int8 on a spread of training texts; its answers stay the same."""
        texts = self.parts["train"].texts
        feeds = [self._feed(text) for text in texts[:: max(1, len(texts) // SMOOTHING_TEXTS)]]
        batches = [(torch.from_numpy(feed["input_ids"]), torch.from_numpy(feed["attention_mask"])) for feed in feeds]
        smooth(self.network, self.network.encoder, batches)

    @torch.inference_mode()
    def deep_logits(self) -> Arrays:
        """The network's own fp32 logits on validation, one text at a time as the service runs them."""
        rows: dict[str, list[NDArray[Any]]] = {}
        for feed in tqdm(self.feeds, desc="torch"):
            answer = self.network(torch.from_numpy(feed["input_ids"]), torch.from_numpy(feed["attention_mask"]))
            for head, values in answer.items():
                rows.setdefault(head, []).append(values.numpy())
        return {head: np.concatenate(values) for head, values in rows.items()}

    def calibration(self, deep: Arrays) -> Calibration:
        """Mix of the branches per head and the flags' scale."""
        mixes = {head: fit_mix(deep[head], self.flat[head], self.targets[head]) for head in CHOICE_HEADS}
        return Calibration(mixes, *fit_flag_scale(deep["flags"], self.targets["flags"]))

    def joined(self, deep: Arrays, calibration: Calibration) -> Arrays:
        """What the graph should answer: the reference of the parity gate."""
        mixes = calibration.mixes
        return {head: mixes[head].encoder * deep[head] + mixes[head].wide * self.flat[head] for head in CHOICE_HEADS}

    def run_onnx(self, path: Path) -> Arrays:
        """Outputs of an exported file on validation, with the service's own session options."""
        session = ort.InferenceSession(
            str(path),
            session_options(),
            providers=["CPUExecutionProvider"],
            disabled_optimizers=["SkipLayerNormFusion"],
        )
        names = [output.name for output in session.get_outputs()]
        answers = [session.run(names, feed) for feed in tqdm(self.feeds, desc=path.stem)]
        return {name: np.concatenate([answer[i] for answer in answers]) for i, name in enumerate(names)}

    def sharpen(self, calibration: Calibration, outputs: Arrays) -> Calibration:
        """Temperature per head fitted on the int8 file's own outputs, folded into the mix."""
        mixes = {}
        for head, mix in calibration.mixes.items():
            factor = fit_mix(outputs[head], np.zeros_like(outputs[head]), self.targets[head]).encoder
            mixes[head] = Mix(mix.encoder * factor, mix.wide * factor)
        return replace(calibration, mixes=mixes)

    def write_graph(self, calibration: Calibration, folder: Path) -> tuple[Path, Path]:
        """fp32 and int8 files of the graph under one calibration."""
        whole, small = folder / "fp32.onnx", folder / "model.onnx"
        export_float(DispatchGraph(self.network, self.wide, calibration), whole)
        quantize(whole, small)
        return whole, small


def write_tables(path: Path, vocabulary: NgramVocabulary, prior: NDArray[np.float32]) -> None:
    """n-gram vocabulary and category prior as a compressed archive of plain arrays."""
    np.savez_compressed(path, ngram_keys=vocabulary.keys, ngram_idf=vocabulary.idf, log_prior=prior.astype(np.float16))


def _git_commit() -> str:
    """The commit of this code, `-dirty` when files differ from it."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    command = [git, "describe", "--always", "--dirty"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    return answer.stdout.strip() or "unknown"


def portable(config: TrainingConfig) -> dict[str, Any]:
    """The configuration without the paths of the machine: of an absolute path only its name stays."""
    tree: dict[str, Any] = json.loads(config.model_dump_json())
    for section, key in (("data", "folder"), ("encoder", "base"), ("fit", "start"), ("fit", "teacher")):
        if Path(tree[section][key]).is_absolute():
            tree[section][key] = Path(tree[section][key]).name
    return tree


def practised_cities(part: Part) -> list[str]:
    """Cities of the rows that tell who handled them, by name."""
    told = zip(part.rows["city"], part.rows["handler_function"], strict=True)
    return sorted({city for city, handler in told if handler and city})


def _finished(run: Path) -> TrainingConfig:
    """The configuration of a finished run."""
    for name in ("config.json", "network.safetensors"):
        if not (run / name).is_file():
            raise DispatchError(
                ErrorKind.INVALID_CONFIG,
                f"运行文件夹 {run} 中没有 {name}：请先运行 dispatch train --out {run}，直到训练结束",
                field=name,
            )
    return TrainingConfig.model_validate_json((run / "config.json").read_text(encoding="utf-8"))


def export(run: Path, out: Path, name: str = "haikou") -> Manifest:
    """Make a bundle of a finished run.

    :param run: folder written by `fit`.
    :param out: folder of the bundle; made, or replaced as a whole, once everything passed.
    :raises DispatchError: INVALID_CONFIG when the run is not finished; INVALID_BUNDLE when int8 changes
        too many answers. Nothing is written then.
    """
    config = _finished(run)
    maps = LabelMaps.load()
    parts = load_parts(config, maps)
    work = Export(run, config, maps, parts)
    deep = work.deep_logits()  # before smoothing, so that the gate also sees what smoothing does
    work.smooth()
    calibration = work.calibration(deep)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".export-") as scratch:
        folder = Path(scratch) / "bundle"
        folder.mkdir()
        _, small = work.write_graph(calibration, folder)
        calibration = work.sharpen(calibration, work.run_onnx(small))
        whole, small = work.write_graph(calibration, folder)
        outputs = work.run_onnx(small)
        parity = _parity(work, deep, calibration, work.run_onnx(whole), outputs)
        practised = practised_cities(parts["train"])
        prior = log_prior(parts["train"].targets, maps)
        write_tables(folder / "tables.npz", work.wide.vocabulary, prior)
        work.tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
        fields = {
            "name": name,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "git_commit": _git_commit(),
            "label_maps": maps.fingerprint,
            "heads": head_labels(maps),
            "max_tokens": config.encoder.max_tokens,
            **choices(outputs, work.targets, prior, maps, np.isin(parts["validation"].rows["city"], practised)),
            "practised": practised,
            "training_data": data_fingerprint(parts["train"]),
            "config": portable(config),
            "metrics": {
                "validation": _validation(outputs, work.targets),
                "parity": [asdict(row) for row in parity],
                "mix": _mixes(calibration),
            },
        }
        write_card(folder / "card.md", fields, {name: len(part) for name, part in parts.items()})
        manifest = write_manifest(folder, fields)
        whole.unlink()
        _replace(out, folder, Path(scratch) / "old")
    return manifest


def _replace(out: Path, new: Path, aside: Path) -> None:
    """Put the new folder in the place of the old one, whole; the old one goes with the scratch folder."""
    if out.exists():
        out.replace(aside)
    new.replace(out)


def _validation(outputs: Arrays, targets: Arrays) -> dict[str, dict[str, float]]:
    """Top-1 of the int8 file per head on validation, with its 95 % bootstrap interval."""
    found = {}
    for head in CHOICE_HEADS:
        known = targets[head] != MISSING
        if known.any():
            hits = top_k_hits(outputs[head][known], targets[head][known], 1)
            found[head] = asdict(score(mean_of(hits), int(known.sum())))
    return found


def _mixes(calibration: Calibration) -> dict[str, dict[str, float]]:
    return {head: {k: round(v, 4) for k, v in asdict(mix).items()} for head, mix in calibration.mixes.items()}


def _parity(work: Export, deep: Arrays, calibration: Calibration, whole: Arrays, small: Arrays) -> list[ParityRow]:
    """Compare all three; refuse when too much changed."""
    targets = {head: work.targets[head] for head in CHOICE_HEADS}
    reference = work.joined(deep, calibration)
    rows = [*compare("torch→fp32", reference, whole, targets), *compare("torch→int8", reference, small, targets)]
    for row in rows:
        logger.info("%s %s flips %.2f%% F1 loss %.2f%%", row.step, row.head, 100 * row.flips, 100 * row.f1_loss)
    check(rows)
    return rows
