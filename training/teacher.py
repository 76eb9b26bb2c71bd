"""Learning from a finished bundle where no label is known (Xie et al. 2020, "noisy student").

The teacher is encoder and wide branch together and better than either; on rows without a label of a head the student
learns the teacher's probabilities. Rows with a label keep the label: there the teacher has seen the answer. A cheaper
network learns from it on all rows (Hinton et al. 2015), beside the labels.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dispatch_model.encoder import Encoder
from training.config import LossSection, TaughtRows
from training.predict import predict_texts
from training.prepare import Part
from training.targets import MISSING

TAUGHT = ("handler_function", "handler_level", "category", "function", "level", "kind")


def soft_targets(bundle: Path, part: Part) -> dict[str, NDArray[np.float16]]:
    """The teacher's probabilities, `[rows, labels]` per head of `TAUGHT`.

    :raises DispatchError: INVALID_BUNDLE when the teacher does not load.
    """
    answer = predict_texts(Encoder.open(bundle), part.texts, "teacher")
    return {head: np.exp(getattr(answer, head)).astype(np.float16) for head in TAUGHT}


def teacher_loss(
    logits: Mapping[str, Tensor],
    soft: Mapping[str, Tensor],
    targets: Mapping[str, Tensor],
    weights: LossSection,
    rows: TaughtRows = "unread",
) -> Tensor:
    """Cross-entropy against the teacher, each head by its weight and the share of its rows.

    :param rows: those without a label for the head, or all.
    """
    parts = []
    for head in TAUGHT:
        untold = ((targets[head] == MISSING) | (rows == "all")).float()
        entropy = -(soft[head].float() * torch.log_softmax(logits[head], dim=1)).sum(1)
        parts.append(getattr(weights, head) * (entropy * untold).mean())
    return torch.stack(parts).sum()
