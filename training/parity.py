"""The gate between torch, ONNX fp32 and int8: an export that changes answers does not ship."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from dispatch_model.errors import DispatchError, ErrorKind
from training.targets import MISSING

MAX_FLIPS = 0.01  # share of rows whose top-1 may change, per head
MAX_F1_LOSS = 0.005  # macro-F1 that may be lost, per head

Outputs = Mapping[str, NDArray[np.floating]]


@dataclass(frozen=True)
class ParityRow:
    """One head at one step of the export."""

    step: str
    head: str
    rows: int
    flips: float  # share, 0–1
    f1_loss: float  # macro-F1 before minus after, on rows with a label

    @property
    def passed(self) -> bool:
        """Whether this head may ship."""
        return self.flips <= MAX_FLIPS and self.f1_loss <= MAX_F1_LOSS


def _macro_f1(scores: NDArray[np.floating], target: NDArray[np.int64]) -> float:
    known = target != MISSING
    if not known.any():
        return 0.0
    return float(f1_score(target[known], scores[known].argmax(1), average="macro", zero_division=0))


def compare(step: str, before: Outputs, after: Outputs, targets: Mapping[str, NDArray[np.int64]]) -> list[ParityRow]:
    """One row per head; `before` and `after` are `[rows, labels]` scores, `targets` `[rows]` labels."""
    return [
        ParityRow(
            step,
            head,
            len(before[head]),
            float((before[head].argmax(1) != after[head].argmax(1)).mean()),
            _macro_f1(before[head], target) - _macro_f1(after[head], target),
        )
        for head, target in targets.items()
    ]


def check(rows: Sequence[ParityRow]) -> None:
    """Pass silently or refuse the export.

    :raises DispatchError: INVALID_BUNDLE listing each head that changed too much.
    """
    failed = [row for row in rows if not row.passed]
    if failed:
        raise DispatchError(
            ErrorKind.INVALID_BUNDLE,
            f"导出被拒绝：量化改变了答案（每头允许翻转 ≤ {MAX_FLIPS:.1%}，宏 F1 损失 ≤ {MAX_F1_LOSS:.1%}）",
            details=[
                f"{row.step} · {row.head}：翻转 {row.flips:.2%}，宏 F1 损失 {row.f1_loss:.2%}（n = {row.rows}）"
                for row in failed
            ],
        )
