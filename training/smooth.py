"""Make the encoder ready for int8: tame the outliers of its activations without changing its answers.

Dynamic int8 gives each activation tensor one scale, so a few large channels cost all others their
precision. Two exact rewrites help (figures in docs/experiments.md):

1. Input channel j is divided, and the weights that read it multiplied, by
   s_j = max|x_j|^α / max|W_j|^(1−α) (Xiao et al. 2023, "SmoothQuant").
2. Behind GELU, where the outliers are largest, the inner channels are sorted by their peak and the
   product is cut into blocks: each has a scale of its own, and the outliers share the smallest one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

ALPHA = 0.7  # chosen on validation: parity of the shipped network (docs/experiments.md)
BLOCK_ENDS = (0.4, 0.7, 0.88, 0.96, 0.99, 1.0)  # shares of the sorted inner channels


@dataclass(frozen=True)
class Place:
    """A module whose input is quantised, and the linear layers that read this input."""

    module: nn.Module
    readers: tuple[nn.Linear, ...]


class BlockLinear(nn.Module):
    """A linear layer as a sum over consecutive blocks of its input channels."""

    def __init__(self, linear: nn.Linear, ends: Sequence[float] = BLOCK_ENDS) -> None:
        super().__init__()
        self.cuts = sorted({0, *(round(end * linear.in_features) for end in ends)})  # a small layer has fewer blocks
        pieces = linear.weight.detach().tensor_split(self.cuts[1:-1], dim=1)
        self.blocks = nn.ModuleList(_linear(piece) for piece in pieces)
        self.bias = nn.Parameter(linear.bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """`[..., in]` → `[..., out]`."""
        total: Tensor = self.bias
        for block, a, b in zip(self.blocks, self.cuts[:-1], self.cuts[1:], strict=True):
            total = total + block(x[..., a:b])
        return total


def _linear(weight: Tensor) -> nn.Linear:
    piece = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
    piece.weight = nn.Parameter(weight.clone())
    return piece


def _layers(encoder: nn.Module) -> Iterator[nn.Module]:
    yield from encoder.get_submodule("encoder.layer").children()


def _dense(layer: nn.Module, name: str) -> nn.Linear:
    linear = layer.get_submodule(name)
    if not isinstance(linear, nn.Linear):
        raise TypeError(f"{name} is a {type(linear).__name__}; smoothing expects a BERT layer not yet smoothed")
    return linear


def _places(encoder: nn.Module) -> list[Place]:
    places = []
    for layer in _layers(encoder):
        attention = layer.get_submodule("attention.self")
        places.append(Place(attention, tuple(_dense(attention, name) for name in ("query", "key", "value"))))
        for name in ("attention.output.dense", "intermediate.dense", "output.dense"):
            places.append(Place(_dense(layer, name), (_dense(layer, name),)))
    return places


@torch.inference_mode()
def _peaks(network: nn.Module, places: Sequence[Place], batches: Sequence[tuple[Tensor, Tensor]]) -> list[Tensor]:
    """Largest |x_j| per input channel of each place."""
    peaks = [torch.zeros(place.readers[0].in_features) for place in places]

    def watch(number: int) -> Any:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            peaks[number] = torch.maximum(peaks[number], inputs[0].abs().flatten(0, -2).amax(0))

        return hook

    handles = [place.readers[0].register_forward_pre_hook(watch(n)) for n, place in enumerate(places)]
    for ids, mask in batches:
        network(ids, mask)
    for handle in handles:
        handle.remove()
    return [peak.clone() for peak in peaks]


def _scale(place: Place, peak: Tensor) -> Tensor:
    weight = torch.stack([reader.weight.detach().abs().amax(0) for reader in place.readers]).amax(0)
    scale = peak.clamp_min(1e-3) ** ALPHA / weight.clamp_min(1e-4) ** (1 - ALPHA)
    return scale / scale.median()


def _divide(factor: Tensor) -> Any:
    def hook(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (inputs[0] * factor, *inputs[1:])

    return hook


def smooth(network: nn.Module, encoder: nn.Module, batches: Sequence[tuple[Tensor, Tensor]]) -> None:
    """Rewrite `encoder`, part of `network`, in place; answers stay the same up to rounding.

    :param batches: `[batch, tokens]` ids and mask that show the range of the activations.
    """
    places = _places(encoder)
    last = {id(_dense(layer, "output.dense")): layer for layer in _layers(encoder)}
    for place, peak in zip(places, _peaks(network, places, batches), strict=True):
        scale = _scale(place, peak)
        for reader in place.readers:
            reader.weight.data.mul_(scale)
        layer = last.get(id(place.module))
        if layer is None:
            place.module.register_forward_pre_hook(_divide(1.0 / scale))
        else:
            _split(layer, peak / scale, scale)


def _split(layer: nn.Module, peak: Tensor, scale: Tensor) -> None:
    """Sort the inner channels of a layer by smoothed peak and cut its second product into blocks."""
    order = torch.argsort(peak)
    inner, outer = _dense(layer, "intermediate.dense"), _dense(layer, "output.dense")
    inner.weight.data = inner.weight.data[order]
    inner.bias.data = inner.bias.data[order]
    outer.weight.data = outer.weight.data[:, order]
    blocks = BlockLinear(outer)
    blocks.register_forward_pre_hook(_divide(1.0 / scale[order]))
    layer.set_submodule("output.dense", blocks)
