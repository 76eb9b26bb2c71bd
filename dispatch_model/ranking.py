"""Logits and mask → ranked (function, level), exact.

P(f,l) ∝ (Σ_c A(c,f,l) · p(c) · p(f) · p(l) · π(f,l|c)^β)^(1/T). The factors repeat one another's evidence,
so their product is too sure of itself; T, fitted on validation, makes it a probability again. A
forbidden triple has probability exactly 0 and no later step can bring it back. One matrix product per
case; the matrix A·π^β is built once per mask.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LEVELS

# Evidence weaker than this (e^-30) counts as this much: when all likely labels are forbidden, what
# is admissible is still ranked by the rest of the evidence, and float32 products cannot underflow.
FLOOR = -30.0
_CACHED_MASKS = 64

Floats = NDArray[np.floating]
Table = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Weights:
    """What one mask compiles to."""

    mask: NDArray[np.bool_]  # kept alive, so that its id stays unique in the cache
    joint: NDArray[np.float32]  # [C, F*L] A·π^β
    lift: Table  # [L, L] where the mass of each level goes
    moved: tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False)
class Ranked:
    """The ranking of one case.

    :param table: [F, L] probabilities; they sum to 1 over admissible cells and are 0 elsewhere.
    :param moved: (from, to) level names, for every level at which nothing is admissible.
    """

    table: Table
    moved: tuple[tuple[str, str], ...]
    _category: NDArray[np.float32]
    _joint: NDArray[np.float32]

    def top(self, count: int) -> tuple[tuple[int, int, float], ...]:
        """The best admissible cells as (function, level, probability), best first; ties by position."""
        flat = self.table.ravel()
        best = np.argsort(-flat, kind="stable")[:count]
        width = self.table.shape[1]
        return tuple((int(cell) // width, int(cell) % width, float(flat[cell])) for cell in best if flat[cell] > 0)

    def category_for(self, function: int, level: int) -> Table:
        """P(c | f, l), [C]: 0 for each category that `function` may not lead at `level`."""
        column = self._joint[:, function * self.table.shape[1] + level].astype(np.float64)
        posterior: Table = column * self._category
        total = posterior.sum()
        if not total:
            raise DispatchError(
                ErrorKind.INTERNAL, f"职能 {function}、层级 {level} 没有可主办的类别；只能查询 table 中大于 0 的单元。"
            )
        posterior /= total
        return posterior


class Ranker:
    """Ranks cases of one model under changing masks.

    :param log_prior: [C, F, L] log π(f,l|c), or None for no prior.
    :param beta: weight of the prior.
    :param binding: [C, F] which functions the catalogue lets lead, or None for all.
    :param temperature: T > 0; above 1 flattens. It never changes the order.
    """

    def __init__(
        self,
        log_prior: Floats | None = None,
        beta: float = 1.0,
        binding: NDArray[np.bool_] | None = None,
        temperature: float = 1.0,
    ) -> None:
        self._power = 1.0 / temperature
        self._binding = None if binding is None else binding[:, :, None]
        self._prior: NDArray[np.float32] | None = None
        if log_prior is not None and beta != 0:
            self._prior = np.exp(np.maximum(beta * log_prior, FLOOR)).astype(np.float32)
        self._compiled: dict[int, _Weights] = {}

    def rank(self, log_category: Floats, log_function: Floats, log_level: Floats, mask: NDArray[np.bool_]) -> Ranked:
        """Rank one case; log-probabilities need not be normalised."""
        weights = self._weights(mask)
        category = _weight(log_category[None]).astype(np.float32)
        table = _tables(weights, category, log_function[None], log_level[None], self._power)[0]
        return Ranked(table, weights.moved, category[0], weights.joint)

    def tables(self, log_category: Floats, log_function: Floats, log_level: Floats, mask: NDArray[np.bool_]) -> Table:
        """`Ranked.table` of N cases under one mask: [N, C], [N, F], [N, L] → [N, F, L]."""
        category = _weight(log_category).astype(np.float32)
        return _tables(self._weights(mask), category, log_function, log_level, self._power)

    def _weights(self, mask: NDArray[np.bool_]) -> _Weights:
        # A mask that can still be written to may change under the same id
        if mask.flags.writeable:
            return self._compile(mask)
        found = self._compiled.get(id(mask))
        if found is None:
            found = self._compile(mask)
            if len(self._compiled) >= _CACHED_MASKS:
                self._compiled.clear()
            self._compiled[id(mask)] = found
        return found

    def _compile(self, mask: NDArray[np.bool_]) -> _Weights:
        allowed = mask if self._binding is None else mask & self._binding
        lift, moved = _lift([bool(allowed[..., level].any()) for level in range(allowed.shape[-1])])
        joint = allowed.astype(np.float32) if self._prior is None else np.where(allowed, self._prior, np.float32(0))
        return _Weights(mask, joint.reshape(len(joint), -1), lift, moved)


def rank(
    log_category: Floats,
    log_function: Floats,
    log_level: Floats,
    log_prior: Floats | None,
    mask: NDArray[np.bool_],
    beta: float,
) -> Ranked:
    """Rank a single case; a service keeps a `Ranker`, which compiles each mask once."""
    return Ranker(log_prior, beta).rank(log_category, log_function, log_level, mask)


def _weight(log_probability: Floats) -> Table:
    """Probabilities relative to the largest of each row, floored."""
    values = log_probability.astype(np.float64)
    # Infinite or all-impossible logits give NaN here; `_tables` refuses them by name
    with np.errstate(invalid="ignore"):
        weight: Table = np.exp(np.maximum(values - values.max(axis=-1, keepdims=True), FLOOR))
    return weight


def _tables(
    weights: _Weights, category: NDArray[np.float32], log_function: Floats, log_level: Floats, power: float
) -> Table:
    shape = (-1, log_function.shape[-1], log_level.shape[-1])
    levels = _weight(log_level) @ weights.lift
    table: Table = (category @ weights.joint).astype(np.float64).reshape(shape)
    table *= _weight(log_function)[:, :, None] * levels[:, None, :]
    total = table.sum(axis=(1, 2), keepdims=True)
    # NaN fails every comparison, so this also catches logits that are none
    if not (total > 0).all():
        raise DispatchError(
            ErrorKind.INTERNAL, "模型输出含有 NaN 或无穷大，无法排序；请检查模型包。", field="logits", value=total.min()
        )
    table /= total
    if power != 1.0:
        np.power(table, power, out=table)  # 0 stays 0: what is forbidden stays forbidden
        table /= table.sum(axis=(1, 2), keepdims=True)
    return table


def _lift(open_levels: Sequence[bool]) -> tuple[Table, tuple[tuple[str, str], ...]]:
    """Where each level's mass goes: to itself when open, else to the lowest open level above."""
    lift = np.zeros((len(open_levels), len(open_levels)))
    moved = []
    nearest = -1
    for level, is_open in enumerate(open_levels):
        if is_open:
            nearest = level
        if nearest >= 0:
            lift[level, nearest] = 1.0
            if nearest != level:
                moved.append((LEVELS[level], LEVELS[nearest]))
    if nearest < 0:
        raise DispatchError(
            ErrorKind.INVALID_RULES, "准入清单与派单目录之下没有任何可主办的组合；请检查派单目录的 binding 行。"
        )
    return lift, tuple(moved)
