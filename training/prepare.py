"""From the data folder to tokenised rows with targets, ready for `fit` and for evaluation."""

import hashlib
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from datasets import Dataset, concatenate_datasets
from tokenizers import Tokenizer
from tqdm import tqdm

from dispatch_model.labels import LabelMaps
from training.batches import tokenize
from training.config import TrainingConfig
from training.corpus import encoder_text, load_corpus, load_dialogues
from training.splits import split_corpus
from training.targets import Targets, encode_targets


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

    def mixed_texts(self, title_drop: float, seed: int) -> list[str]:
        """Texts of which a share `title_drop` goes without its title."""
        rng = random.Random(seed)
        return [bare if rng.random() < title_drop else full for full, bare in zip(self.texts, self.bare, strict=True)]

    def mixed_ids(self, tokenizer: Tokenizer, limit: int, title_drop: float, seed: int) -> list[list[int]]:
        """Ids of the mixed texts, at most `limit` each."""
        return tokenize(tokenizer, self.mixed_texts(title_drop, seed), limit)

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
    for name in ("id", *labels):
        digest.update(json.dumps(part.rows[name], ensure_ascii=False).encode())
    return digest.hexdigest()[:16]


def load_parts(config: TrainingConfig, maps: LabelMaps) -> dict[str, Part]:
    """`train`, `validation`, `test` and, where asked for, `calls` (held-out two-sided calls).

    :raises DispatchError: INVALID_CONFIG when the data folder is not there.
    """
    splits = split_corpus(load_corpus(config.data.folder), config.data.validation_share)
    if config.data.dialogues:
        validation_ids = set(splits["validation"]["id"])
        calls = load_dialogues(config.data.folder)
        training = [
            i
            for i, (name, split) in enumerate(zip(calls["id"], calls["split"], strict=True))
            if split == "train" and name.removesuffix("#call") not in validation_ids
        ]
        held_out = [i for i, split in enumerate(calls["split"]) if split == "test"]
        # the case a held-out call was written from tells its answer
        told = {calls["id"][i].removesuffix("#call") for i in held_out}
        for name in ("train", "validation"):
            kept = [i for i, case in enumerate(splits[name]["id"]) if case not in told]
            splits[name] = splits[name].select(kept)
        splits["train"] = concatenate_datasets([splits["train"], calls.select(training)])
        splits["calls"] = calls.select(held_out)
    return {name: part_of(rows, maps) for name, rows in splits.items()}
