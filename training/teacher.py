"""Learning from a finished bundle where no label is known (Xie et al. 2020, "noisy student").

The teacher is encoder and wide branch together and better than either; on rows nobody read for
category, function, level and kind the student learns the teacher's probabilities. Rows with a label
keep the label: there the teacher has seen the answer.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from dispatch_model.encoder import Encoder
from training.config import LossSection
from training.prepare import Part
from training.targets import MISSING

TAUGHT = ("category", "function", "level", "kind")
_CHUNK = 64


def soft_targets(bundle: Path, part: Part) -> dict[str, NDArray[np.float16]]:
    """The teacher's probabilities, `[rows, labels]` per head of `TAUGHT`.

    :raises DispatchError: INVALID_BUNDLE when the teacher does not load.
    """
    encoder = Encoder.open(bundle)
    rows: dict[str, list[NDArray[np.float16]]] = {head: [] for head in TAUGHT}
    for start in tqdm(range(0, len(part), _CHUNK), desc="teacher", mininterval=10):
        answer = encoder.predict(part.texts[start : start + _CHUNK])
        for head in TAUGHT:
            rows[head].append(np.exp(getattr(answer, head)).astype(np.float16))
    return {head: np.concatenate(values) for head, values in rows.items()}


def teacher_loss(
    logits: Mapping[str, Tensor], soft: Mapping[str, Tensor], targets: Mapping[str, Tensor], weights: LossSection
) -> Tensor:
    """Cross-entropy against the teacher on rows without a label, each head by its weight and their share."""
    parts = []
    for head in TAUGHT:
        untold = (targets[head] == MISSING).float()
        entropy = -(soft[head].float() * torch.log_softmax(logits[head], dim=1)).sum(1)
        parts.append(getattr(weights, head) * (entropy * untold).mean())
    return torch.stack(parts).sum()
