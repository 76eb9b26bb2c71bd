"""Move activation outliers into weights before int8 (Xiao et al. 2023, "SmoothQuant").

Dynamic int8 gives each activation tensor one scale, so a few large channels cost all others their
precision. Input channel j is divided, and the weights that read it multiplied, by
s_j = max|x_j|^α / max|W_j|^(1−α): the product is the same, and both sides become easy to quantise.
Here the outliers sit behind GELU and attention; docs/experiments.md has the figures.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

ALPHA = 0.7
PLACES = ("output.dense", "attention.output.dense")


def _linears(encoder: nn.Module) -> Iterator[nn.Linear]:
    for layer in encoder.get_submodule("encoder.layer").children():
        for place in PLACES:
            linear = layer.get_submodule(place)
            if isinstance(linear, nn.Linear):
                yield linear


@torch.inference_mode()
def _input_peaks(network: nn.Module, linears: Sequence[nn.Linear], batches: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Largest |x_j| per input channel of each linear, padded to one width: `[linears, widest]`."""
    widest = max(linear.in_features for linear in linears)
    peaks = torch.zeros(len(linears), widest)

    def watch(row: int) -> Any:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            peak = inputs[0].abs().flatten(0, -2).amax(0)
            peaks[row, : len(peak)] = torch.maximum(peaks[row, : len(peak)], peak)

        return hook

    handles = [linear.register_forward_pre_hook(watch(row)) for row, linear in enumerate(linears)]
    for ids, mask in batches:
        network(ids, mask)
    for handle in handles:
        handle.remove()
    return peaks


def smooth(network: nn.Module, encoder: nn.Module, batches: Sequence[tuple[Tensor, Tensor]]) -> None:
    """Rescale `encoder` in place; the network's answers stay the same up to rounding.

    :param batches: `[batch, tokens]` ids and mask that show the range of the activations.
    """
    linears = list(_linears(encoder))
    peaks = _input_peaks(network, linears, batches)
    for linear, row in zip(linears, peaks.clone(), strict=True):
        peak, weight = row[: linear.in_features], linear.weight.detach().abs().amax(0)
        scale = peak.clamp_min(1e-3) ** ALPHA / weight.clamp_min(1e-4) ** (1 - ALPHA)
        scale /= scale.median()
        linear.weight.data.mul_(scale)
        linear.register_forward_pre_hook(_divide(1.0 / scale))


def _divide(factor: Tensor) -> Any:
    def hook(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (inputs[0] * factor, *inputs[1:])

    return hook
