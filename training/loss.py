"""The summed loss of all heads; a missing label contributes nothing."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dispatch_model.labels import LabelMaps
from training.config import LossSection
from training.targets import MISSING, Targets, parent_membership, taidi_membership


def _set_loss(log_leaf: Tensor, members: Tensor, target: Tensor, counts: Tensor | None = None) -> Tensor:
    """−log Σ P(leaf)·members[target, leaf], averaged over known rows; `members` are weights in 0–1.

    :param counts: what each row counts; None: all alike.
    """
    known = target != MISSING
    if not known.any():
        return log_leaf.sum() * 0
    weight = members[target[known]].float().clamp_min(1e-30).log()
    inside = torch.logsumexp(log_leaf[known] + weight, dim=1)
    return -(inside if counts is None else inside * counts[known]).mean()


def _refused_loss(logits: Tensor, refused: Tensor, counts: Tensor) -> Tensor:
    """−log(1 − Σ P(refused)), averaged over all rows: those that refuse nothing add nothing."""
    wrong = (torch.softmax(logits, dim=1) * refused).sum(1).clamp_max(1 - 1e-6)
    return -(torch.log1p(-wrong) * counts).mean()


def divergence(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> Tensor:
    """Symmetric KL between two passes over the same rows, averaged over rows, summed over choice heads."""
    parts = []
    for head in one:
        if head != "flags":
            p, q = (torch.log_softmax(answer[head], dim=1) for answer in (one, other))
            parts.append(((p.exp() - q.exp()) * (p - q)).sum(1).mean() / 2)
    return torch.stack(parts).sum()


class MultiTaskLoss(nn.Module):
    """Weighted sum over heads; the category is scored at six digits, four digits and Taidi's sets."""

    parents: Tensor
    taidi: Tensor

    def __init__(self, weights: LossSection, maps: LabelMaps, label_smoothing: float, targets: Targets) -> None:
        super().__init__()
        self.weights = weights
        self.smoothing = label_smoothing
        self.register_buffer("parents", torch.from_numpy(parent_membership(maps)[1]), persistent=False)
        self.register_buffer("taidi", torch.from_numpy(taidi_membership(maps, targets)), persistent=False)

    def _choice(self, logits: Tensor, target: Tensor, smoothing: float = 0.0, counts: Tensor | None = None) -> Tensor:
        known = target != MISSING
        if not known.any():
            return logits.sum() * 0
        if counts is None:
            return nn.functional.cross_entropy(logits, target, ignore_index=MISSING, label_smoothing=smoothing)
        each = nn.functional.cross_entropy(logits[known], target[known], label_smoothing=smoothing, reduction="none")
        return (each * counts[known]).mean()

    def _flags(self, logits: Tensor, target: Tensor) -> Tensor:
        known = target[:, 0] != MISSING
        if not known.any():
            return logits.sum() * 0
        return nn.functional.binary_cross_entropy_with_logits(logits[known], target[known].float())

    def forward(self, logits: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> Tensor:
        """Scalar loss of one batch.

        Each head's mean is scaled by the share of rows that know it, so that a head's pull does not
        depend on how batches happen to mix the sources. Where rows came from daily work each counts by its
        `weight`, and what an upheld return refused is pushed away.
        """
        w = self.weights
        counts = targets["weight"].float() / 100 if "weight" in targets else None
        log_leaf = torch.log_softmax(logits["category"], dim=1)
        parts = {
            "handler_function": w.handler_function
            * self._choice(logits["handler_function"], targets["handler_function"], self.smoothing, counts),
            "handler_level": w.handler_level
            * self._choice(logits["handler_level"], targets["handler_level"], self.smoothing, counts),
            "function": w.function * self._choice(logits["function"], targets["function"], counts=counts),
            "level": w.level * self._choice(logits["level"], targets["level"], counts=counts),
            "kind": w.kind * self._choice(logits["kind"], targets["kind"]),
            "category": w.category * self._leaf(log_leaf, targets["category"], counts),
            "parent": 0.5 * w.category * _set_loss(log_leaf, self.parents, targets["parent"], counts),
            "taidi": w.taidi * _set_loss(log_leaf, self.taidi, targets["taidi"]),
            "flags": w.flags * self._flags(logits["flags"], targets["flags"]),
        }
        shares = {name: self._share(targets[name]) for name in parts}
        summed = torch.stack([part * shares[name] for name, part in parts.items()]).sum()
        if counts is None:
            return summed
        heads = ("handler_function", "function")
        away = (getattr(w, head) * _refused_loss(logits[head], targets["refused"], counts) for head in heads)
        return summed + torch.stack([*away]).sum()

    @staticmethod
    def _leaf(log_leaf: Tensor, target: Tensor, counts: Tensor | None) -> Tensor:
        known = target != MISSING
        if not known.any():
            return log_leaf.sum() * 0
        if counts is None:
            return nn.functional.nll_loss(log_leaf, target, ignore_index=MISSING)
        each = nn.functional.nll_loss(log_leaf[known], target[known], reduction="none")
        return (each * counts[known]).mean()

    @staticmethod
    def _share(target: Tensor) -> Tensor:
        column = target if target.ndim == 1 else target[:, 0]
        return (column != MISSING).float().mean()
