"""Fit what joins and calibrates the branches, on validation only.

Per head, logits = a·encoder + b·wide under softmax, (a, b) by maximum likelihood: one step that
sets both the mix and the temperature (Guo et al. 2017, "On Calibration of Modern Neural Networks").
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from training.targets import MISSING

Array = NDArray[np.floating]

BLEND_COST = 0.002


@dataclass(frozen=True)
class Mix:
    """Weights of the encoder's and the wide branch's logits of one head."""

    encoder: float
    wide: float


def log_softmax(logits: Array) -> Array:
    """Row-wise, numerically safe."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def negative_log_likelihood(logits: Array, target: NDArray[np.int64]) -> float:
    """Mean over the rows whose target is known."""
    known = target != MISSING
    return float(-log_softmax(logits[known])[np.arange(known.sum()), target[known]].mean())


def fit_mix(encoder: Array, wide: Array, target: NDArray[np.int64]) -> Mix:
    """The mix of two `[rows, labels]` logits that makes the known targets most likely; both weights ≥ 0.

    Where no target is known, the encoder alone, as it is.
    """
    known = target != MISSING
    if not known.any():
        return Mix(1.0, 0.0)
    deep, flat, truth = encoder[known], wide[known], target[known]
    answer = minimize(
        lambda w: negative_log_likelihood(w[0] * deep + w[1] * flat, truth),
        x0=np.array([0.7, 2.0]),
        bounds=[(0.0, 5.0), (0.0, 20.0)],
        method="L-BFGS-B",
    )
    return Mix(*map(float, answer.x))


def fit_flag_scale(logits: Array, target: NDArray[np.int64]) -> tuple[float, float]:
    """Slope and offset of the flags' logits (Platt scaling over all flags together)."""
    known = target[:, 0] != MISSING
    if not known.any():
        return 1.0, 0.0
    scores, truth = logits[known].ravel(), target[known].ravel()

    def loss(w: Array) -> float:
        margin = w[0] * scores + w[1]
        return float(np.mean(np.logaddexp(0, margin) - truth * margin))

    answer = minimize(loss, x0=np.array([1.0, 0.0]), bounds=[(0.05, 5.0), (-5.0, 5.0)], method="L-BFGS-B")
    return float(answer.x[0]), float(answer.x[1])


def fit_blend(should: Array, does: Array, truth_does: NDArray[np.int64]) -> float:
    """The most weight w that P(should) can have in w·P(should) + (1−w)·P(does) at hardly any cost to practice.

    One list has to answer for both and they disagree about many cases. It follows practice, which is
    what returns are about, and takes in as much of duty as costs at most `BLEND_COST` of top-1, so that
    duty ranks next; w in steps of 0.05. Without any known practice, one half.

    :param should: `[rows, labels]` log-probabilities of who should handle the case.
    :param does: the same of who in practice does.
    :param truth_does: `[rows]` who did.
    """
    known = truth_does != MISSING
    if not known.any():
        return 0.5
    p_should, p_does, truth = np.exp(should[known]), np.exp(does[known]), truth_does[known]
    candidates = np.round(np.arange(0.0, 1.0001, 0.05), 2)
    right = np.array([((w * p_should + (1 - w) * p_does).argmax(axis=1) == truth).mean() for w in candidates])
    return float(candidates[right >= right[0] - BLEND_COST].max())
