"""Logits and mask → ranked (function, level), exact.

T(f,l) = (Σ_c A(c,f,l) · p(c) · p(f) · p(l) · π(f,l|c)^β)^(1/t), normalised. The factors repeat one another's
evidence, so their product is too sure of itself; t, fitted on validation, makes it a probability again. A
forbidden triple has probability exactly 0 and no later step can bring it back. One matrix product per case; the
matrix A·π^β is built once per mask.

**Taking a matter from the streets (收回) never lowers the level of the answer.** It only makes cells at 镇街
smaller, so what remains keeps its order, and an answer that leaves 镇街 goes up, or to 村居. The last must not be:
a matter taken from the street would land on the village below it. So 村居 may stand first only where it outweighs
the street before the list is asked. Let U be T with A = 1 at 镇街, which no row of the list can change.

- `held`, Σ_f U(f,镇街) ≥ max_f T(f,村居): the cells of 村居 are scaled by one factor, so that together they stay
  below the best cell above. Then no cell of 村居, and no sum of such cells, is ever first.
- else no sum of 镇街 cells, being at most Σ_f U(f,镇街), reaches the best cell of 村居: the answer was not at 镇街
  and cannot leave it.

Which case holds does not depend on the rows of 镇街, hence is the same before and after, and within each the answer
only rises or stays. The argument holds for the best cell and for the best unit, as long as a unit sums cells of one
level, or of 市 and 区, which no list restricts. Closing 村居 (负面) can only turn "else" into `held`, where the
answer was above 镇街 or at 村居: it too never lowers. Equal cells count as the higher level.
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
# The two sides of `held` are float32 sums in different order: a near tie counts as held
_SLACK = 1e-4
_STREET, _COMMUNITY = LEVELS.index("镇街"), LEVELS.index("村居")

Floats = NDArray[np.floating]
Table = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Weights:
    """What one mask compiles to."""

    mask: NDArray[np.bool_]  # kept alive, so that its id stays unique in the cache
    joint: NDArray[np.float32]  # [C, F*L] A·π^β
    street: NDArray[np.float32] | None  # [C, F] π^β at 镇街, whatever the list says; None: 村居 is not held
    lift: Table | None  # [L, L] where the probability of each level goes; None: nowhere
    moved: tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False)
class Ranked:
    """The ranking of one case.

    :param table: [F, L] probabilities; they sum to 1 over admissible cells and are 0 elsewhere.
    :param moved: (from, to) level names, for every level at which nothing is admissible: the lowest level above
        at which something is. What `from` would have led is asked of `to` and above.
    """

    table: Table
    moved: tuple[tuple[str, str], ...]
    _category: NDArray[np.float32]
    _joint: NDArray[np.float32]

    def top(self, count: int) -> tuple[tuple[int, int, float], ...]:
        """The best admissible cells as (function, level, probability), best first; ties to the higher level."""
        flat = self.table.T.ravel()
        best = np.argsort(-flat, kind="stable")[:count]
        width = len(self.table)
        return tuple((int(cell) % width, int(cell) // width, float(flat[cell])) for cell in best if flat[cell] > 0)

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
    :param temperature: t > 0; above 1 flattens. It never changes the order of cells.
    :param collapse: the probability of a level at which nothing at all is admissible goes to the lowest open level
        above, before anything is ranked: for cities whose streets and communities we do not know.
    :param hold: whether 村居 may stand first only where it outweighs the street; False is the bare formula, which
        training fits and judges.
    """

    def __init__(
        self,
        log_prior: Floats | None = None,
        beta: float = 1.0,
        binding: NDArray[np.bool_] | None = None,
        temperature: float = 1.0,
        *,
        collapse: bool = False,
        hold: bool = True,
    ) -> None:
        self._power = 1.0 / temperature
        self._collapse = collapse
        self._hold = hold
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
        prior = np.float32(1) if self._prior is None else self._prior
        joint = np.where(allowed, prior, np.float32(0))
        street = self._before_the_list(mask.shape) if self._hold else None
        return _Weights(mask, joint.reshape(len(joint), -1), street, lift if self._collapse else None, moved)

    def _before_the_list(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """[C, F] π^β at 镇街 under the catalogue alone."""
        street = np.ones(shape[:2], dtype=np.float32) if self._prior is None else self._prior[..., _STREET]
        if self._binding is not None:
            street = np.where(self._binding[..., 0], street, np.float32(0))
        # Copied: a matrix product over a strided view is slow
        return np.ascontiguousarray(street)


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
    function, level = _weight(log_function), _weight(log_level)
    if weights.lift is not None:
        level = level @ weights.lift
    table: Table = (category @ weights.joint).astype(np.float64).reshape(-1, function.shape[-1], level.shape[-1])
    table *= function[:, :, None] * level[:, None, :]
    best = table.max(axis=(1, 2), keepdims=True)
    # NaN fails every comparison, so this also catches logits that are none
    if not (best > 0).all():
        raise DispatchError(
            ErrorKind.INTERNAL, "模型输出含有 NaN 或无穷大，无法排序；请检查模型包。", field="logits", value=best.min()
        )
    held = None
    if weights.street is not None:
        street = (category @ weights.street) * function * level[:, _STREET, None]
        held = _held(street, table[..., _COMMUNITY].max(axis=1), power)
    table /= best
    if power != 1.0:
        np.power(table, power, out=table)  # 0 stays 0: what is forbidden stays forbidden
    if held is not None:
        _hold(table, held)
    table /= table.sum(axis=(1, 2), keepdims=True)
    return table


def _held(street: Table, community: Table, power: float) -> NDArray[np.bool_]:
    """[N] whether the street, before the list, weighs as much as the best cell of the community.

    :param street: [N, F] before temperature, as `community`, [N].
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = (street / community[:, None]) ** power
    held: NDArray[np.bool_] = ratio.sum(axis=1) >= 1 - _SLACK
    return held


def _hold(table: Table, held: NDArray[np.bool_]) -> None:
    """Scale 村居 in `held` cases so that all of it together stays below the best cell above."""
    limit = table[..., :_COMMUNITY].max(axis=(1, 2)) * (1 - _SLACK)
    total = table[..., _COMMUNITY].sum(axis=1)
    # Where nothing above is admissible there is nobody else to answer
    over = held & (total > limit) & (limit > 0)
    if over.any():
        table[over, :, _COMMUNITY] *= (limit[over] / total[over])[:, None]


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
