"""The exported graph: encoder, wide branch and calibration as one torch module."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from training.calibrate import Mix
from training.network import DispatchNetwork
from training.wide import WideBranch

CHOICE_HEADS = ("category", "function", "level", "handler_function", "handler_level", "kind")
INPUTS = ("input_ids", "attention_mask", "ngram_ids", "ngram_values")


@dataclass(frozen=True)
class Calibration:
    """How the branches are joined: a mix per choice head, slope and offset of the flags."""

    mixes: Mapping[str, Mix]
    flag_slope: float
    flag_offset: float


class WideTable(nn.Module):
    """n-gram indices and values → margins, weights held as int8 with one scale per column."""

    table: Tensor
    scale: Tensor
    bias: Tensor

    def __init__(self, branch: WideBranch) -> None:
        super().__init__()
        scale = np.maximum(np.abs(branch.weights).max(axis=0), 1e-6) / 127.0
        self.register_buffer("table", torch.from_numpy(np.round(branch.weights / scale).astype(np.int8)))
        self.register_buffer("scale", torch.from_numpy(scale.astype(np.float32)))
        self.register_buffer("bias", torch.from_numpy(branch.bias))

    def forward(self, ngram_ids: Tensor, ngram_values: Tensor) -> Tensor:
        """`[batch, m]` ids and values → `[batch, D]` margins."""
        rows = self.table[ngram_ids].float()
        summed: Tensor = torch.bmm(ngram_values.unsqueeze(1), rows).squeeze(1)
        return summed * self.scale + self.bias


class ByteEmbedding(nn.Module):
    """An embedding table held as int8 with one scale per row: a quarter of the size, finer than per tensor."""

    table: Tensor
    scale: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        scale = weight.abs().amax(dim=1, keepdim=True).clamp_min(1e-8) / 127.0
        self.register_buffer("table", torch.round(weight / scale).to(torch.int8))
        self.register_buffer("scale", scale)

    def forward(self, ids: Tensor) -> Tensor:
        """`[batch, tokens]` ids → `[batch, tokens, width]` vectors."""
        vectors: Tensor = self.table[ids].float() * self.scale[ids]
        return vectors


class DispatchGraph(nn.Module):
    """What the service runs: four inputs, one calibrated output per head."""

    parent_of: Tensor

    def __init__(self, network: DispatchNetwork, branch: WideBranch, calibration: Calibration) -> None:
        super().__init__()
        self.network = copy.deepcopy(network)
        words = self.network.encoder.get_submodule("embeddings.word_embeddings")
        self.network.encoder.set_submodule(
            "embeddings.word_embeddings", ByteEmbedding(words.get_parameter("weight").detach())
        )
        self.wide = WideTable(branch)
        self.columns = dict(branch.columns)
        self.calibration = calibration
        self.register_buffer("parent_of", network.category.parent_of.clone())

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, ngram_ids: Tensor, ngram_values: Tensor
    ) -> tuple[Tensor, ...]:
        """Log-probabilities of the choice heads in `CHOICE_HEADS` order, then flag probabilities."""
        deep = self.network(input_ids, attention_mask)
        margins = self.wide(ngram_ids, ngram_values)
        flat = {head: margins[:, columns] for head, columns in self.columns.items()}
        flat["category"] = flat.pop("parent")[:, self.parent_of]
        mixes = self.calibration.mixes
        choices = [
            torch.log_softmax(mixes[head].encoder * deep[head] + mixes[head].wide * flat[head], dim=-1)
            for head in CHOICE_HEADS
        ]
        flags = torch.sigmoid(self.calibration.flag_slope * deep["flags"] + self.calibration.flag_offset)
        return (*choices, flags)
