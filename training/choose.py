"""Numbers of a bundle that are chosen on validation: blend, β of the prior, thresholds of the flags."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from dispatch_model.disposition import Thresholds
from dispatch_model.encoder import blend
from dispatch_model.labels import LabelMaps
from dispatch_model.ranking import Ranker
from training.calibrate import BLEND_COST, fit_blend, negative_log_likelihood
from training.targets import MISSING, Targets

Arrays = Mapping[str, NDArray[Any]]
FLAGS_ASKED = ("urgent", "refuse", "vague", "status")
MAX_TEMPERATURE = 10.0
LEAST_PRECISION = 0.5
RECALL_OF_URGENT = 2.0  # a missed danger costs more than a look in vain: F2
BETAS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)  # of the weight of duty that each list alone can bear
Blend = Mapping[str, float | NDArray[Any]]  # head → one weight, or `[rows, 1]`


def _routes(
    targets: Targets, levels: int, prefixes: Sequence[str] = ("", "handler_")
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and their (function, level) cells under some truths, one after the other: read (""), handled."""
    rows, cells = [], []
    for prefix in prefixes:
        function, level = targets[f"{prefix}function"], targets[f"{prefix}level"]
        known = np.flatnonzero((function != MISSING) & (level != MISSING))
        rows.append(known)
        cells.append(function[known] * levels + level[known])
    return np.concatenate(rows), np.concatenate(cells)


def _tables(
    outputs: Arrays, rows: NDArray[np.int64], prior: NDArray[np.float32], weights: Blend, beta: float
) -> NDArray[np.float64]:
    """The joint tables of some rows where every cell is admissible, `[rows, functions·levels]`."""
    function, level = (
        blend(outputs[head], outputs[f"handler_{head}"], weights[head])[rows] for head in ("function", "level")
    )
    mask = np.ones(prior.shape, dtype=bool)
    return (
        Ranker(prior, beta, hold=False).tables(outputs["category"][rows], function, level, mask).reshape(len(rows), -1)
    )


def _right(
    outputs: Arrays, targets: Targets, prior: NDArray[np.float32], weights: Blend, beta: float, truth: str
) -> int:
    """How many cases have function and level both right under one truth."""
    rows, cells = _routes(targets, prior.shape[2], (truth,))
    return int((_tables(outputs, rows, prior, weights, beta).argmax(1) == cells).sum()) if len(rows) else 0


def blend_and_beta(
    outputs: Arrays, targets: Targets, prior: NDArray[np.float32], practised: NDArray[np.bool_]
) -> tuple[dict[str, float], float]:
    """Weights of duty and of the category prior at which most cases have function and level right, under either truth.

    Each head's weight is at most what its own list can bear (`fit_blend`), both shrink alike, and together with the
    prior they cost practice at most `BLEND_COST` of its routes: a weight that hardly moves the top of a head alone
    moves it far once the prior, which knows duty too, is multiplied in. Of equally good ones the smallest β.

    :param practised: `[rows]` whether the row is of a city whose practice was learned; elsewhere duty alone counts.
    """
    limits = {
        head: fit_blend(outputs[head], outputs[f"handler_{head}"], targets[f"handler_{head}"])
        for head in ("function", "level")
    }
    handled = len(_routes(targets, prior.shape[2], ("handler_",))[0])
    plain = spread(dict.fromkeys(limits, 0.0), practised)
    least = _right(outputs, targets, prior, plain, 0.0, "handler_") - BLEND_COST * handled
    found = []
    for share, beta in product(SHARES, BETAS):
        duty = {head: round(limit * share, 2) for head, limit in limits.items()}
        weights = spread(duty, practised)
        kept = _right(outputs, targets, prior, weights, beta, "handler_")
        if kept >= least:
            total = kept + _right(outputs, targets, prior, weights, beta, "")
            found.append((total, -beta, share, duty))
    _, beta, _, duty = max(found, key=lambda one: one[:3])
    return duty, -beta


def spread(duty: Mapping[str, float], practised: NDArray[np.bool_]) -> Blend:
    """The weight of duty of each row and head: as chosen where practice was learned, 1 elsewhere."""
    return {head: np.where(practised[:, None], weight, 1.0) for head, weight in duty.items()}


def joint_temperature(
    outputs: Arrays, targets: Targets, prior: NDArray[np.float32], weights: Blend, beta: float
) -> float:
    """The temperature of the joint table at which the (function, level) pairs of both truths are most likely.

    1 where no truth is known; at most `MAX_TEMPERATURE`.
    """
    known, truth = _routes(targets, prior.shape[2])
    if not len(known):
        return 1.0
    logits = np.log(np.maximum(_tables(outputs, known, prior, weights, beta), 1e-30))
    answer = minimize_scalar(
        lambda t: negative_log_likelihood(logits / t, truth), bounds=(0.5, MAX_TEMPERATURE), method="bounded"
    )
    return round(float(answer.x), 3)


def _precision_recall(fired: NDArray[np.bool_], flagged: NDArray[np.bool_]) -> tuple[float, float]:
    """Both 0 where nothing fired, or nothing was flagged."""
    hits = float((fired & flagged).sum())
    return hits / max(1, fired.sum()), hits / max(1, flagged.sum())


def flag_threshold(probability: NDArray[Any], truth: NDArray[np.int64], *, recall: float = 1.0) -> tuple[float, str]:
    """The threshold with the best F on the rows that know the flag, and what it gave there.

    Thresholds that are wrong more often than right do not count: a flag stops the usual flow. The highest of
    equally good ones; one half where none is left.

    :param recall: how many times as much recall counts as precision (van Rijsbergen's β).
    """
    known = truth != MISSING
    scores, flagged = probability[known], truth[known] == 1
    best, reason = (0.0, 0.5), f"没有阈值的精确率达到 {LEAST_PRECISION:.2f}，取 0.5"
    for threshold in np.round(np.arange(0.1, 0.91, 0.02), 2):
        precision, found = _precision_recall(scores >= threshold, flagged)
        score = (1 + recall**2) * precision * found / max(1e-9, recall**2 * precision + found)
        if score and precision >= LEAST_PRECISION:
            best, reason = max(best, (score, float(threshold))), f"验证集 F{recall:g} 最大"
    precision, found = _precision_recall(scores >= best[1], flagged)
    counts = f"正例 {int(flagged.sum())}，n = {int(known.sum())}"
    return best[1], f"{reason}：精确率 {precision:.2f}，召回率 {found:.2f}，{counts}"


def choices(
    outputs: Arrays, targets: Targets, prior: NDArray[np.float32], maps: LabelMaps, practised: NDArray[np.bool_]
) -> dict[str, Any]:
    """Blend, β, temperature and thresholds, as fields of a bundle's manifest.

    :param practised: `[rows]` whether the row is of a city whose practice was learned.
    """
    duty, beta = blend_and_beta(outputs, targets, prior, practised)
    weights = spread(duty, practised)
    flags: dict[str, Any] = {}
    bounds: dict[str, str] = {}
    for index, flag in enumerate(maps.flags):
        if flag in FLAGS_ASKED:
            recall = RECALL_OF_URGENT if flag == "urgent" else 1.0
            told, read = outputs["flags"][:, index], targets["flags"][:, index]
            flags[flag], bounds[flag] = flag_threshold(told, read, recall=recall)
    bounds["auto"] = "未设定，不自动派发：由 dispatch promise 选定"
    temperature = joint_temperature(outputs, targets, prior, weights, beta)
    return {
        "blend": duty,
        "beta": beta,
        "temperature": temperature,
        "thresholds": Thresholds(**flags),
        "bounds": bounds,
    }
