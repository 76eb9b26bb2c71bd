"""From a finished run to a bundle: wide branch, calibration, ONNX, int8, parity gate, manifest.

    dispatch export --run runs/a --out bundle

Everything that is chosen here (mix, temperature, blend, β, thresholds) is chosen on validation.
"""

import logging
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from tqdm import tqdm

from dispatch_model.backend import open_backend
from dispatch_model.bundle import Manifest, write_manifest
from dispatch_model.encoder import head_tail
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LabelMaps
from training.calibrate import Mix, fit_flag_scale, fit_mix
from training.card import write_card
from training.config import TrainingConfig
from training.fit import build_network, load_tokenizer
from training.graph import CHOICE_HEADS, Calibration, DispatchGraph
from training.manifest import head_labels, manifest_fields, write_tables
from training.network import DispatchNetwork
from training.parity import ParityRow, check, compare
from training.prepare import Part, load_parts
from training.prior import log_prior
from training.quantize import export_float, quantize
from training.smooth import smooth
from training.targets import parent_membership
from training.wide import WideBranch, fit_wide

logger = logging.getLogger(__name__)

SMOOTHING_TEXTS = 256

Arrays = dict[str, NDArray[Any]]


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
        mixed = train.mixed_texts(config.fit.title_drop, config.fit.seed, config.fit.noise_share)
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
        """Outputs of an exported file on validation, run as the service runs it."""
        backend = open_backend(path)
        answers = [backend.run(feed) for feed in tqdm(self.feeds, desc=path.stem)]
        return {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}

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
        prior = log_prior(parts["train"].targets, maps)
        write_tables(folder / "tables.npz", work.wide.vocabulary, prior)
        work.tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
        fields = {"name": name, **manifest_fields(config, maps, parts, outputs, prior, parity, calibration)}
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


def _parity(work: Export, deep: Arrays, calibration: Calibration, whole: Arrays, small: Arrays) -> list[ParityRow]:
    """Compare all three; refuse when too much changed."""
    targets = {head: work.targets[head] for head in CHOICE_HEADS}
    reference = work.joined(deep, calibration)
    rows = [*compare("torch→fp32", reference, whole, targets), *compare("torch→int8", reference, small, targets)]
    for row in rows:
        logger.info("%s %s flips %.2f%% F1 loss %.2f%%", row.step, row.head, 100 * row.flips, 100 * row.f1_loss)
    check(rows)
    return rows
