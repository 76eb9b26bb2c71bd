"""Continued masked-language training of the encoder on the texts of the train split (Gururangan et al. 2020).

    dispatch pretrain --out runs/language      # then: dispatch train --set fit.start=runs/language/encoder.safetensors

The base is a multilingual sentence encoder without a language head: here it learns what hotline agents and citizens
write, on its lower layers alone, before it learns any label. Texts of validation and test are never read. Leaves
`encoder.safetensors`, written after each epoch, and `language.jsonl` (one line an epoch).
"""

import json
import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from tqdm import tqdm
from transformers import PreTrainedModel

from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LabelMaps
from training.batches import epoch_batches, pad
from training.config import TrainingConfig
from training.fit import learning_rate_factor, load_tokenizer
from training.network import load_encoder
from training.predict import device
from training.prepare import load_parts

WEIGHTS = "encoder.safetensors"
WINDOWS = 4  # at most this many windows of `max_tokens` are read of one text
SHORTEST = 8  # tokens; less says nothing about the language
MASKS = ("<mask>", "[MASK]")
MARKS = ("<s>", "</s>", "<pad>", "<unk>", "[CLS]", "[SEP]", "[PAD]", "[UNK]")
KEPT_MASKED, KEPT_RANDOM = 0.8, 0.1  # of the chosen tokens (Devlin et al. 2019)

logger = logging.getLogger(__name__)


def windows(tokenizer: Tokenizer, texts: Sequence[str], width: int) -> list[list[int]]:
    """Token ids of each text, cut into windows of `width`."""
    cut = [
        encoding.ids[start : start + width]
        for encoding in tokenizer.encode_batch_fast(list(texts))
        for start in range(0, min(len(encoding.ids), WINDOWS * width), width)
    ]
    return [window for window in cut if len(window) >= SHORTEST]


def mask_id(tokenizer: Tokenizer) -> int:
    """The id of the mask token.

    :raises DispatchError: INVALID_CONFIG when the vocabulary has none.
    """
    found = next((token for token in map(tokenizer.token_to_id, MASKS) if token is not None), None)
    if found is None:
        raise DispatchError(
            ErrorKind.INVALID_CONFIG,
            f"编码器的词表没有掩码符号（{' 或 '.join(MASKS)}），不能继续预训练；请换一个编码器或跳过这一步",
            field="encoder.base",
        )
    return found


class LanguageModel(nn.Module):
    """The encoder with a head that guesses tokens; the output matrix is the input embedding."""

    def __init__(self, encoder: PreTrainedModel) -> None:
        super().__init__()
        self.encoder = encoder
        width = encoder.config.hidden_size
        self.transform = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.LayerNorm(width))
        self.bias = nn.Parameter(torch.zeros(encoder.config.vocab_size))

    def forward(self, ids: Tensor, attention_mask: Tensor, chosen: Tensor) -> Tensor:
        """`[chosen tokens, vocabulary]` logits at the positions where `chosen` `[batch, tokens]` is true."""
        hidden = self.encoder(input_ids=ids, attention_mask=attention_mask).last_hidden_state[chosen]
        words = self.encoder.get_input_embeddings().weight
        logits: Tensor = self.transform(hidden) @ words.T + self.bias
        return logits


class Masking:
    """Which tokens are hidden, and what stands in their place.

    :param share: of the tokens that are no marks.
    """

    def __init__(self, tokenizer: Tokenizer, share: float) -> None:
        self.share = share
        self.mask = mask_id(tokenizer)
        self.size = tokenizer.get_vocab_size()
        marks = {token for token in map(tokenizer.token_to_id, (*MARKS, *MASKS)) if token is not None}
        self.fixed = torch.tensor([token in marks for token in range(self.size)])

    def __call__(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """`[batch, tokens]` ids → ids with hidden tokens, and where they were hidden."""
        chosen = (torch.rand(ids.shape) < self.share) & ~self.fixed[ids]
        lot = torch.rand(ids.shape)
        hidden = torch.where(chosen & (lot < KEPT_MASKED), torch.full_like(ids, self.mask), ids)
        other = torch.randint(0, self.size, ids.shape)
        return torch.where(chosen & (lot >= 1 - KEPT_RANDOM), other, hidden), chosen


class Pretraining:
    """One run of masked-language training."""

    def __init__(self, config: TrainingConfig, rows: list[list[int]], tokenizer: Tokenizer) -> None:
        self.config, self.rows = config, rows
        torch.manual_seed(config.fit.seed)
        if config.fit.threads:
            torch.set_num_threads(config.fit.threads)
        size = config.encoder
        self.model = LanguageModel(load_encoder(size.base, size.layers, size.dropout, size.keep)).to(device())
        self.masking = Masking(tokenizer, config.pretrain.mask_share)
        head = [*self.model.transform.parameters(), self.model.bias]
        groups: list[dict[str, Any]] = [
            {"params": list(self.model.encoder.parameters()), "lr": config.pretrain.encoder_lr},
            {"params": head, "lr": config.pretrain.head_lr},
        ]
        self.optimizer = torch.optim.AdamW(groups, weight_decay=config.fit.weight_decay, betas=(0.9, 0.98), fused=True)
        self.peaks = [group["lr"] for group in self.optimizer.param_groups]
        self.done = 0

    def step(self, batch: Sequence[int], steps: int) -> tuple[float, float]:
        """One optimiser step; the loss and the share of hidden tokens that were guessed."""
        factor = learning_rate_factor(self.done, steps, self.config.fit.warmup)
        for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
            group["lr"] = peak * factor
        ids, attention = pad([self.rows[row] for row in batch], self.model.encoder.config.pad_token_id)
        hidden, chosen = self.masking(ids)
        truth = ids[chosen].to(device())
        with torch.autocast(device().type, dtype=torch.bfloat16):
            logits = self.model(hidden.to(device()), attention.to(device()), chosen.to(device()))
        loss = nn.functional.cross_entropy(logits.float(), truth) if len(truth) else logits.sum() * 0
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.config.fit.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.done += 1
        guessed = (logits.argmax(1) == truth).float().mean() if len(truth) else torch.zeros(())
        return float(loss.detach()), float(guessed)

    def epochs(self) -> Iterator[dict[str, float]]:
        """Train; one line of figures per epoch, smoothed over about its last hundred steps."""
        settings, seed = self.config.pretrain, self.config.fit.seed
        lengths = [len(row) for row in self.rows]
        per_epoch = len(list(epoch_batches(lengths, settings.tokens_per_batch, seed, 0)))
        started, loss, guessed = time.monotonic(), 0.0, 0.0
        self.model.train()
        for epoch in range(settings.epochs):
            batches = [rows for _, rows in epoch_batches(lengths, settings.tokens_per_batch, seed, epoch)]
            bar = tqdm(batches, desc=f"language {epoch + 1}/{settings.epochs}", mininterval=10)
            for rows in bar:
                now = self.step(rows, per_epoch * settings.epochs)
                keep = 0.98 if self.done > 1 else 0.0
                loss, guessed = keep * loss + (1 - keep) * now[0], keep * guessed + (1 - keep) * now[1]
                bar.set_postfix(loss=f"{loss:.3f}", guessed=f"{guessed:.3f}", refresh=False)
            yield {"epoch": epoch + 1, "seconds": time.monotonic() - started, "loss": loss, "guessed": guessed}


def pretrain(config: TrainingConfig, folder: Path, maps: LabelMaps | None = None) -> None:
    """Train into `folder`, from the base; the weights of the last whole epoch stay when the run is cut off.

    :raises DispatchError: INVALID_CONFIG when the data are not where the configuration says or the vocabulary of the
        base has no mask token.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = load_tokenizer(config.encoder.base)
    texts = load_parts(config, maps or LabelMaps.load())["train"].texts
    run = Pretraining(config, windows(tokenizer, texts, config.encoder.max_tokens), tokenizer)
    for line in run.epochs():
        state = run.model.encoder.state_dict()
        save_file({name: value.contiguous() for name, value in state.items()}, folder / WEIGHTS)
        with (folder / "language.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps({key: round(value, 4) for key, value in line.items()}) + "\n")
        logger.info("%s", line)
