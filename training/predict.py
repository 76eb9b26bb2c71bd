"""Answers to many texts, of a network in training or of a finished bundle, and how often they are right."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from dispatch_model.encoder import HEADS, Predictions
from dispatch_model.labels import LabelMaps
from training.batches import length_batches, pad
from training.prepare import Part
from training.targets import MISSING, parent_membership

CHUNK = 64


class Predictor(Protocol):
    """What is asked of a model: `Encoder`, or a stand-in in tests."""

    def predict(self, texts: Sequence[str]) -> Predictions:
        """Log-probabilities of every head for each text."""


def device() -> torch.device:
    """The GPU when there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@torch.inference_mode()
def predict(network: nn.Module, ids: list[list[int]], pad_id: int, tokens: int) -> dict[str, np.ndarray]:
    """Logits of every head, `[rows, labels]`, in the order of `ids`."""
    network.eval()
    where = device()
    logits: dict[str, list[Tensor]] = {}
    order: list[int] = []
    for rows in length_batches([len(row) for row in ids], tokens):
        batch, mask = pad([ids[row] for row in rows], pad_id)
        with torch.autocast(where.type, dtype=torch.bfloat16):
            answer = network(batch.to(where), mask.to(where))
        order.extend(rows)
        for head, values in answer.items():
            logits.setdefault(head, []).append(values.float().cpu())
    back = np.argsort(order)
    return {head: torch.cat(values).numpy()[back] for head, values in logits.items()}


def predict_texts(predictor: Predictor, texts: Sequence[str], name: str) -> Predictions:
    """Predictions for many texts, with a progress bar."""
    starts = tqdm(range(0, len(texts), CHUNK), desc=name, leave=False)
    chunks = [predictor.predict(texts[start : start + CHUNK]) for start in starts]
    columns: dict[str, Any] = {head: np.concatenate([getattr(chunk, head) for chunk in chunks]) for head in HEADS}
    return Predictions(**columns)


def accuracies(logits: dict[str, np.ndarray], part: Part, maps: LabelMaps) -> dict[str, float]:
    """Top-1 per head on the rows that know the label; category at four digits."""
    scores = {}
    for head in ("handler_function", "handler_level", "function", "level", "kind"):
        target = part.targets[head]
        known = target != MISSING
        if known.any():
            scores[head] = float((logits[head][known].argmax(1) == target[known]).mean())
    known = part.targets["parent"] != MISSING
    if known.any():
        _, members = parent_membership(maps)
        leaf = np.exp(logits["category"][known] - logits["category"][known].max(1, keepdims=True))
        scores["category_4"] = float(((leaf @ members.T).argmax(1) == part.targets["parent"][known]).mean())
    return scores
