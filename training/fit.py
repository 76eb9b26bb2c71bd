"""Fine-tune the encoder and its heads.

    dispatch train --out runs/a                    # the shipped recipe, see configs/training.toml
    dispatch train --out runs/try --set fit.epochs=1 --set encoder.layers=4   # a quick look on a CPU

Leaves in the run folder: `network.safetensors` (averaged weights), `config.json`, `log.jsonl`
(one line an epoch) and `checkpoint.pt`, from which the same command resumes; a finished run ends at once,
and one that began with other settings or data is refused.
"""

import json
import logging
import math
import re
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from dispatch_model.labels import LabelMaps
from training.batches import epoch_batches, pad, scarce, select
from training.checkpoint import Progress, origin_of, random_states, read_checkpoint, restore_random, write_checkpoint
from training.config import TrainingConfig
from training.loss import MultiTaskLoss, divergence
from training.network import DispatchNetwork, HeadSizes, load_encoder, parameter_groups
from training.predict import accuracies, device, predict
from training.prepare import Part, load_parts
from training.teacher import soft_targets, teacher_loss

_LAYER = re.compile(r"encoder\.layer\.\d+\.")

logger = logging.getLogger(__name__)


def build_network(config: TrainingConfig, maps: LabelMaps) -> DispatchNetwork:
    """A fresh network on the pre-trained encoder."""
    size = config.encoder
    encoder = load_encoder(size.base, size.layers, size.dropout, size.keep)
    return DispatchNetwork(encoder, HeadSizes.of(maps), size.dropout, size.halve_after)


def load_tokenizer(base: str) -> Tokenizer:
    """The fast tokenizer beside the encoder (a directory or a hub id), without its own truncation."""
    folder = Path(base)
    path = str(folder / "tokenizer.json")
    tokenizer = Tokenizer.from_file(path) if folder.is_dir() else Tokenizer.from_pretrained(base)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def load_start(network: DispatchNetwork, path: Path) -> None:
    """Put the weights of a finished run, or of the encoder alone, into `network`, but for upper layers it lacks."""
    state = load_file(path, device=str(device()))
    whole = any(name.startswith("encoder.encoder.") for name in state)
    module = network if whole else network.encoder
    known = module.state_dict()
    module.load_state_dict({name: value for name, value in state.items() if name in known or not _LAYER.search(name)})


def learning_rate_factor(step: int, steps: int, warmup: float) -> float:
    """Rises linearly over `warmup` of the steps, then falls as a cosine to one tenth."""
    rise = max(1, int(steps * warmup))
    if step < rise:
        return (step + 1) / rise
    progress = min(1.0, (step - rise) / max(1, steps - rise))
    return 0.1 + 0.45 * (1 + math.cos(math.pi * progress))


class Fit:
    """One training run in a folder, resumable."""

    def __init__(self, config: TrainingConfig, maps: LabelMaps, folder: Path, parts: dict[str, Part]) -> None:
        self.config, self.maps, self.folder, self.parts = config, maps, folder, parts
        fit = config.fit
        torch.manual_seed(fit.seed)
        if fit.threads:
            torch.set_num_threads(fit.threads)
        self.tokenizer = load_tokenizer(config.encoder.base)
        self.network = build_network(config, maps).to(device())
        if fit.start:
            load_start(self.network, Path(fit.start))
        self.pad_id = self.network.encoder.config.pad_token_id
        self.loss = MultiTaskLoss(config.loss, maps, fit.label_smoothing, parts["train"].targets).to(device())
        self.optimizer = torch.optim.AdamW(
            parameter_groups(
                self.network,
                encoder_lr=fit.encoder_lr,
                head_lr=fit.head_lr,
                layer_decay=fit.layer_decay,
                weight_decay=fit.weight_decay,
            ),
            fused=True,
        )
        self.peaks = [group["lr"] for group in self.optimizer.param_groups]
        self.average = AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(fit.average_decay))  # type: ignore[no-untyped-call]
        self.soft: Mapping[str, NDArray[np.float16]] = {}  # the teacher is asked in `train`
        self.origin = origin_of(config, parts["train"])
        self.progress = Progress()
        self.saved_at = time.monotonic()

    @property
    def checkpoint(self) -> Path:
        """Where an unfinished run is kept."""
        return self.folder / "checkpoint.pt"

    @property
    def weights(self) -> Path:
        """Where the averaged weights of a finished run are."""
        return self.folder / "network.safetensors"

    def resume(self) -> bool:
        """Take up the run of this folder; False when there is none.

        :raises DispatchError: INVALID_CONFIG when it began with other settings or data.
        """
        if not self.checkpoint.is_file():
            return False
        state = read_checkpoint(self.checkpoint, self.origin)
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        restore_random(state["rng"])
        self.progress = Progress(**state["progress"])
        logger.info("resumed at epoch %d, step %d", self.progress.epoch, self.progress.step)
        return True

    def save(self) -> None:
        """Write the checkpoint; the old one stays until the new one is whole."""
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": random_states(),
            "progress": vars(self.progress),
            **self.origin,
        }
        write_checkpoint(state, self.checkpoint)
        self.saved_at = time.monotonic()

    def train_step(self, ids: list[list[int]], rows: list[int], steps: int) -> float:
        """One optimiser step on the given rows; the loss."""
        factor = learning_rate_factor(self.progress.step, steps, self.config.fit.warmup)
        for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
            group["lr"] = peak * factor
        batch, mask = pad([ids[row] for row in rows], self.pad_id)
        where = device()
        targets = {name: value.to(where) for name, value in select(self.parts["train"].targets, rows).items()}
        soft = {head: torch.from_numpy(values[rows]).to(where) for head, values in self.soft.items()}
        loss = self.forward_loss(batch.to(where), mask.to(where), targets, soft)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), self.config.fit.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.average.update_parameters(self.network)
        self.progress.step += 1
        return float(loss.detach())

    def forward_loss(self, batch: Tensor, mask: Tensor, targets: dict[str, Tensor], soft: dict[str, Tensor]) -> Tensor:
        """The batch's loss: labels, teacher and, with R-Drop, the divergence of two passes."""
        with torch.autocast(batch.device.type, dtype=torch.bfloat16):
            passes = [self.network(batch, mask) for _ in range(2 if self.config.fit.rdrop else 1)]
        logits = [{head: values.float() for head, values in answer.items()} for answer in passes]
        loss = torch.stack([self.loss(answer, targets) for answer in logits]).mean()
        if soft:
            fit = self.config.fit
            taught = teacher_loss(logits[0], soft, targets, self.config.loss, fit.teacher_rows)
            loss = loss + fit.teacher_weight * taught
        if len(logits) == 2:
            loss = loss + self.config.fit.rdrop * divergence(*logits)
        return loss

    def batches(self, epoch: int) -> tuple[list[list[int]], list[tuple[int, list[int]]]]:
        """Token ids of the train rows in one epoch, and its numbered batches of rows; scarce rows are in two."""
        fit, limit, train = self.config.fit, self.config.encoder.max_tokens, self.parts["train"]
        ids = train.mixed_ids(self.tokenizer, limit, fit.title_drop, fit.seed + epoch, fit.noise_share)
        drawn = [*range(len(ids)), *scarce(train.targets, fit.scarce_rows)]
        batches = epoch_batches([len(ids[row]) for row in drawn], fit.tokens_per_batch, fit.seed, epoch)
        return ids, [(number, [drawn[place] for place in batch]) for number, batch in batches]

    def train_epoch(self, epoch: int, steps_per_epoch: int) -> None:
        """The rest of one epoch, from where the checkpoint left it."""
        fit = self.config.fit
        ids, batches = self.batches(epoch)
        self.network.train()
        started, average = time.monotonic(), 0.0
        bar = tqdm(batches[self.progress.done :], desc=f"epoch {epoch + 1}/{fit.epochs}", mininterval=10)
        for number, rows in bar:
            loss = self.train_step(ids, rows, steps_per_epoch * fit.epochs)
            average = loss if not average else 0.98 * average + 0.02 * loss
            bar.set_postfix(loss=f"{average:.3f}", refresh=False)
            self.progress.done = number + 1
            if time.monotonic() - self.saved_at > fit.checkpoint_minutes * 60:
                self.save()
        self.progress.seconds += time.monotonic() - started
        self.progress.done = 0

    def validate(self) -> dict[str, float]:
        """Scores of the averaged weights on validation."""
        part = self.parts["validation"]
        ids = part.token_ids(self.tokenizer, self.config.encoder.max_tokens)
        return accuracies(predict(self.average.module, ids, self.pad_id, 4096), part, self.maps)

    def run(self) -> dict[str, float]:
        """All epochs; the last validation scores. Writes the averaged weights.

        A finished run only gives its scores again.
        """
        if self.progress.scores and self.weights.is_file():
            return self.progress.scores
        scores = self.train() if self.progress.epoch < self.config.fit.epochs else self.validate()
        average = self.average.module.state_dict()
        save_file({name: value.contiguous() for name, value in average.items()}, self.weights)
        self.progress.scores = scores
        self.save()
        return scores

    def train(self) -> dict[str, float]:
        """The epochs that are left; the last validation scores."""
        fit = self.config.fit
        if fit.teacher:
            self.soft = soft_targets(Path(fit.teacher), self.parts["train"])
        steps_per_epoch = len(self.batches(0)[1])
        scores: dict[str, float] = {}
        for epoch in range(self.progress.epoch, fit.epochs):
            self.train_epoch(epoch, steps_per_epoch)
            self.progress.epoch = epoch + 1
            self.save()
            scores = self.validate()
            line = {"epoch": epoch + 1, "seconds": round(self.progress.seconds), **scores}
            with (self.folder / "log.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps({k: round(v, 4) for k, v in line.items()}) + "\n")
            logger.info("%s", line)
        return scores


def fit(config: TrainingConfig, folder: Path, maps: LabelMaps | None = None) -> dict[str, float]:
    """Train into `folder`, resuming what is there; the last validation scores.

    :raises DispatchError: INVALID_CONFIG when the data are not where the configuration says, or when the
        folder holds a run that began with other settings or data.
    """
    maps = maps or LabelMaps.load()
    folder.mkdir(parents=True, exist_ok=True)
    run = Fit(config, maps, folder, load_parts(config, maps))
    run.resume()
    (folder / "config.json").write_text(config.model_dump_json(indent=2), encoding="utf-8")
    return run.run()
