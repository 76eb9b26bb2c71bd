"""Tokenised rows in batches of similar length, bounded by padded tokens."""

import random
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from dispatch_model.encoder import head_tail
from training.targets import MISSING, Targets


def tokenize(tokenizer: Tokenizer, texts: Sequence[str], limit: int) -> list[list[int]]:
    """Token ids of each text, special tokens included, at most `limit` each."""
    return [head_tail(encoding.ids, limit) for encoding in tokenizer.encode_batch_fast(list(texts))]


def length_batches(lengths: Sequence[int], tokens: int, rng: random.Random | None = None) -> list[list[int]]:
    """Row indices in batches whose padded size stays within `tokens`.

    Rows are ordered by length; with `rng`, by length plus up to 15 % noise, and the batches are shuffled,
    so that epochs differ while padding stays small.
    """
    keys = [length * rng.uniform(1.0, 1.15) for length in lengths] if rng else list(lengths)
    order = sorted(range(len(lengths)), key=lambda row: (keys[row], row))
    batches: list[list[int]] = []
    longest = 0
    for row in order:
        longest = max(longest, lengths[row])
        if not batches or longest * (len(batches[-1]) + 1) > tokens:
            batches.append([])
            longest = lengths[row]
        batches[-1].append(row)
    if rng:
        rng.shuffle(batches)
    return batches


def scarce(targets: Targets, bound: int) -> list[int]:
    """Rows whose function has fewer than `bound` rows, in order: the one that handled, else the one that should."""
    functions = np.where(targets["handler_function"] == MISSING, targets["function"], targets["handler_function"])
    known = functions != MISSING
    few = np.bincount(functions[known]) < bound
    return [int(row) for row in np.flatnonzero(known) if few[functions[row]]]


def pad(rows: Sequence[Sequence[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """`[batch, longest]` ids and mask (1 = token)."""
    longest = max(len(row) for row in rows)
    ids = torch.tensor([[*row, *[pad_id] * (longest - len(row))] for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    return ids, mask


def select(targets: Targets, rows: Sequence[int]) -> Mapping[str, Tensor]:
    """The targets of some rows as tensors."""
    index = np.asarray(rows)
    return {name: torch.from_numpy(values[index]) for name, values in targets.items()}


def epoch_batches(lengths: Sequence[int], tokens: int, seed: int, epoch: int) -> Iterator[tuple[int, list[int]]]:
    """Numbered batches of one epoch; the same seed and epoch give the same batches, so a run can resume."""
    yield from enumerate(length_batches(lengths, tokens, random.Random(seed * 1000 + epoch)))
