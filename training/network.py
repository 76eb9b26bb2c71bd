"""One encoder, many heads: the multi-task network that is fine-tuned and exported.

The category head is a sum along the tree, logit(leaf) = z₂(top) + z₄(parent) + z₆(leaf), under one
softmax over the leaves. Coarser probabilities are sums of leaves, so levels can never contradict.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedModel

from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LabelMaps

HIDDEN = -1e4  # added to the score of a padded token: its softmax is 0 in every precision


@dataclass(frozen=True)
class HeadSizes:
    """Number of labels per head, and for each leaf the index of its parents."""

    functions: int
    levels: int
    kinds: int
    flags: int
    leaf_parent: tuple[int, ...]  # leaf index → four-digit index
    leaf_top: tuple[int, ...]  # leaf index → two-digit index

    @classmethod
    def of(cls, maps: LabelMaps) -> "HeadSizes":
        """Sizes for the label maps that travel with the project."""
        parents = sorted({leaf[:4] for leaf in maps.leaves})
        tops = sorted({leaf[:2] for leaf in maps.leaves})
        return cls(
            functions=len(maps.functions),
            levels=len(maps.levels),
            kinds=len(maps.kinds),
            flags=len(maps.flags),
            leaf_parent=tuple(parents.index(leaf[:4]) for leaf in maps.leaves),
            leaf_top=tuple(tops.index(leaf[:2]) for leaf in maps.leaves),
        )


def load_encoder(base: str, layers: int, dropout: float, keep: str = "first") -> PreTrainedModel:
    """A pre-trained BERT cut to `layers` layers.

    :param base: directory or hub id.
    :param keep: `first` N layers, or N `spread` evenly from the first to the last.
    :raises DispatchError: INVALID_CONFIG when the base has fewer layers.
    """
    # eager attention: at these lengths 20 % faster than the fused kernel on CPU, and it exports cleanly
    encoder: PreTrainedModel = AutoModel.from_pretrained(
        base,
        dtype=torch.float32,
        attn_implementation="eager",
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        add_pooling_layer=False,
    )
    depth = encoder.config.num_hidden_layers
    if layers > depth:
        raise DispatchError(
            ErrorKind.INVALID_CONFIG,
            f"编码器 {base} 只有 {depth} 层，encoder.layers = {layers}；请改为 1 到 {depth}",
            field="encoder.layers",
            value=layers,
        )
    kept = [round(i * (depth - 1) / max(1, layers - 1)) for i in range(layers)] if keep == "spread" else range(layers)
    stack = encoder.get_submodule("encoder.layer")
    encoder.set_submodule("encoder.layer", nn.ModuleList(stack.get_submodule(str(i)) for i in kept))
    encoder.config.num_hidden_layers = layers
    return encoder


def halve(hidden: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Neighbouring tokens averaged in pairs (Dai et al. 2020, "Funnel-Transformer").

    `[batch, tokens, width]` and its mask → `[batch, ⌈tokens / 2⌉, width]` and its mask. A padded token weighs nothing,
    so a text gets the same vectors alone and padded.
    """
    odd = hidden.shape[1] % 2
    hidden = nn.functional.pad(hidden, (0, 0, 0, odd))
    weight = nn.functional.pad(mask, (0, odd)).unsqueeze(-1).to(hidden.dtype)
    total = weight[:, 0::2] + weight[:, 1::2]
    summed = hidden[:, 0::2] * weight[:, 0::2] + hidden[:, 1::2] * weight[:, 1::2]
    return summed / total.clamp_min(1.0), (total.squeeze(-1) > 0).to(mask.dtype)


class CategoryHead(nn.Module):
    """Leaf logits as sums along the category tree."""

    parent_of: Tensor
    top_of: Tensor

    def __init__(self, width: int, sizes: HeadSizes) -> None:
        super().__init__()
        self.top = nn.Linear(width, max(sizes.leaf_top) + 1)
        self.parent = nn.Linear(width, max(sizes.leaf_parent) + 1)
        self.leaf = nn.Linear(width, len(sizes.leaf_parent))
        self.register_buffer("parent_of", torch.tensor(sizes.leaf_parent), persistent=False)
        self.register_buffer("top_of", torch.tensor(sizes.leaf_top), persistent=False)

    def forward(self, pooled: Tensor) -> Tensor:
        """`[batch, width]` → `[batch, leaves]` logits."""
        leaf: Tensor = self.leaf(pooled) + self.parent(pooled)[:, self.parent_of] + self.top(pooled)[:, self.top_of]
        return leaf


class DispatchNetwork(nn.Module):
    """Token ids → logits of every head.

    :param halve_after: the layers above this many read pairs of tokens (`halve`); 0: none does.
    :raises DispatchError: INVALID_CONFIG when no layer is above.
    """

    def __init__(self, encoder: PreTrainedModel, sizes: HeadSizes, dropout: float, halve_after: int = 0) -> None:
        super().__init__()
        depth = encoder.config.num_hidden_layers
        if halve_after >= depth:
            raise DispatchError(
                ErrorKind.INVALID_CONFIG,
                f"encoder.halve_after = {halve_after}，编码器却只有 {depth} 层；请改为 0（不减半）到 {depth - 1}",
                field="encoder.halve_after",
                value=halve_after,
            )
        self.encoder = encoder
        self.halve_after = halve_after
        width = encoder.config.hidden_size
        self.attention = nn.Linear(width, 1)  # a learned weight per token, beside the plain mean
        self.mix = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(dropout)
        self.category = CategoryHead(width, sizes)
        self.heads = nn.ModuleDict(
            {
                "handler_function": nn.Linear(width, sizes.functions),
                "handler_level": nn.Linear(width, sizes.levels),
                "function": nn.Linear(width, sizes.functions),
                "level": nn.Linear(width, sizes.levels),
                "kind": nn.Linear(width, sizes.kinds),
                "flags": nn.Linear(width, sizes.flags),
            }
        )

    def encode(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """`[batch, tokens]` ids and mask → `[batch, tokens or half of them, width]` and its mask."""
        if not self.halve_after:
            answer = self.encoder(input_ids=input_ids, attention_mask=attention_mask)
            return answer.last_hidden_state, attention_mask
        hidden = self.encoder.get_submodule("embeddings")(input_ids=input_ids)
        for number, layer in enumerate(self.encoder.get_submodule("encoder.layer").children()):
            if number == self.halve_after:
                hidden, attention_mask = halve(hidden, attention_mask)
            hidden = layer(hidden, (1.0 - attention_mask[:, None, None, :].to(hidden.dtype)) * HIDDEN)
        return hidden, attention_mask

    def pool(self, hidden: Tensor, mask: Tensor) -> Tensor:
        """`[batch, tokens, width]` → `[batch, width]`: mean and attention pooling, mixed."""
        keep = mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * keep).sum(1) / keep.sum(1)
        score = self.attention(hidden).masked_fill(keep == 0, HIDDEN)
        focus = (hidden * torch.softmax(score, dim=1)).sum(1)
        mixed: Tensor = nn.functional.gelu(self.mix(torch.cat([mean, focus], dim=-1)))
        return mixed

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        """`[batch, tokens]` ids and mask → `{head: [batch, labels]}` logits."""
        pooled = self.dropout(self.pool(*self.encode(input_ids, attention_mask)))
        logits = {name: head(pooled) for name, head in self.heads.items()}
        return {"category": self.category(pooled), **logits}


def parameter_groups(
    network: DispatchNetwork, *, encoder_lr: float, head_lr: float, layer_decay: float, weight_decay: float
) -> list[dict[str, Any]]:
    """AdamW groups with layer-wise learning rates (Howard & Ruder 2018), decay off on biases and norms."""
    depth = network.encoder.config.num_hidden_layers
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        lr = head_lr
        if name.startswith("encoder.embeddings."):
            lr = encoder_lr * layer_decay**depth
        elif name.startswith("encoder.encoder.layer."):
            lr = encoder_lr * layer_decay ** (depth - 1 - int(name.split(".")[3]))
        decay = weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((lr, decay), []).append(parameter)
    return [{"params": members, "lr": lr, "weight_decay": decay} for (lr, decay), members in groups.items()]
