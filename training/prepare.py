"""From the data folder to tokenised rows with targets, ready for `fit` and for evaluation."""

import hashlib
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datasets import Dataset, concatenate_datasets
from tokenizers import Tokenizer
from tqdm import tqdm

from dispatch_model.labels import LabelMaps
from training import noise
from training.batches import tokenize
from training.config import TrainingConfig
from training.corpus import encoder_text, load_corpus, load_dialogues
from training.invented_calls import load_invented_calls
from training.settled import with_settled
from training.splits import split_corpus
from training.targets import Targets, encode_targets
from training.worked import with_worked


@dataclass(frozen=True)
class Part:
    """One split: rows, the text the encoder reads of each, and the targets."""

    rows: Mapping[str, list[Any]]
    texts: list[str]  # with title
    bare: list[str]  # without title
    targets: Targets

    def __len__(self) -> int:
        return len(self.texts)

    def token_ids(self, tokenizer: Tokenizer, limit: int) -> list[list[int]]:
        """Ids of the texts with title, at most `limit` each."""
        return tokenize(tokenizer, self.texts, limit)

    def mixed_texts(self, title_drop: float, seed: int, noise_share: float = 0.0) -> list[str]:
        """Texts of which a share `title_drop` goes without its title, and `noise_share` is as a recogniser hears it."""
        rng = random.Random(seed)
        mixed = [bare if rng.random() < title_drop else full for full, bare in zip(self.texts, self.bare, strict=True)]
        return noise.mixed(mixed, noise_share, seed) if noise_share else mixed

    def mixed_ids(
        self, tokenizer: Tokenizer, limit: int, title_drop: float, seed: int, noise_share: float = 0.0
    ) -> list[list[int]]:
        """Ids of the mixed texts, at most `limit` each."""
        return tokenize(tokenizer, self.mixed_texts(title_drop, seed, noise_share), limit)

    def untitled(self) -> "Part":
        """The same rows without their titles: what the service receives when intake sends none."""
        return replace(self, texts=self.bare)


def part_of(rows: Dataset, maps: LabelMaps) -> Part:
    """One split with its texts made as the service makes them."""
    pairs = list(zip(rows["text"], rows["title"], strict=True))
    texts = [encoder_text(text, title) for text, title in tqdm(pairs, desc="texts", leave=False)]
    bare = [encoder_text(text) if title else full for (text, title), full in zip(pairs, texts, strict=True)]
    columns = {name: list(rows[name]) for name in rows.column_names}
    return Part(columns, texts, bare, encode_targets(columns, maps))


def data_fingerprint(part: Part) -> str:
    """First 16 hex digits of the SHA-256 over ids and labels of the training rows."""
    digest = hashlib.sha256()
    labels = ("category", "function", "level", "kind", "flags", "handler_function", "handler_level", "taidi_label")
    worked = [name for name in ("weight", "refused") if name in part.rows]
    for name in ("id", *labels, *worked):
        digest.update(json.dumps(part.rows[name], ensure_ascii=False).encode())
    return digest.hexdigest()[:16]


def load_splits(config: TrainingConfig) -> dict[str, Dataset]:
    """`train`, `validation`, `test` and, where asked for, `promise` and `calls` (held-out two-sided calls).

    :raises DispatchError: INVALID_CONFIG when the data folder is not there.
    """
    data = config.data
    splits = split_corpus(load_corpus(data.folder), data.validation_share, data.promise_share)
    if config.data.dialogues:
        held = {case for name in ("validation", "promise") if name in splits for case in splits[name]["id"]}
        calls = load_dialogues(config.data.folder)
        training = [
            i
            for i, (name, split) in enumerate(zip(calls["id"], calls["split"], strict=True))
            if split == "train" and name.removesuffix("#call") not in held
        ]
        held_out = [i for i, split in enumerate(calls["split"]) if split == "test"]
        # the case a held-out call was written from tells its answer
        told = {calls["id"][i].removesuffix("#call") for i in held_out}
        for name in splits.keys() - {"test"}:
            kept = [i for i, case in enumerate(splits[name]["id"]) if case not in told]
            splits[name] = splits[name].select(kept)
        splits["train"] = concatenate_datasets([splits["train"], calls.select(training)])
        splits["calls"] = calls.select(held_out)
    if config.data.invented_calls:
        splits["train"] = concatenate_datasets([splits["train"], load_invented_calls()])
    if config.data.worked:
        splits = with_worked(splits, Path(config.data.worked))
    return with_settled(splits, Path(config.data.settled)) if config.data.settled else splits


def load_parts(config: TrainingConfig, maps: LabelMaps) -> dict[str, Part]:
    """The splits with texts and targets.

    :raises DispatchError: INVALID_CONFIG when the data folder is not there; INVALID_LABEL_MAP for an unknown label.
    """
    splits = load_splits(config)
    return {name: part_of(rows, maps) for name, rows in splits.items()}
