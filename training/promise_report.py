"""Whether a promise is kept, and what others would cost: figures, table, plot."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter
from rich.console import Console
from rich.table import Table

from dispatch_model.promise import Promise, Scope
from training import selective
from training.charts import error_chart
from training.conformal import coverage_by_class, members
from training.metrics import Bools, Floats, Score, resample_weights
from training.served import Answers

ERRORS = (0.10, 0.05, 0.02)
SCOPES: tuple[Scope, ...] = ("each", "together", "whole")


@dataclass(frozen=True)
class Judged:
    """What thresholds chosen for one promise do to the cases of one part.

    :param functions: that may go automatically.
    :param coverage: share of all cases that goes, as `error` with its exact binomial interval.
    :param error: share of these that is wrong.
    :param broken: functions of which even the lower bound of the error is above alpha.
    """

    part: str
    scope: str
    alpha: float
    functions: int
    coverage: Score
    error: Score
    broken: tuple[str, ...]


@dataclass(frozen=True)
class Reach:
    """How many cases the most confident answers are while no more than `error` of them are wrong.

    Read off the curve of the very part, for comparing models: no promise. `answer` is `unit` (the unit suggested
    first, of the cases that could go) or `function` (the blended list alone, all cities).
    """

    part: str
    answer: str
    error: float
    coverage: Score


@dataclass(frozen=True)
class SetFigure:
    """Conformal sets on one part.

    :param coverage: share of cases whose set holds the function that handled them.
    :param size: mean number of functions in a set; `single`: share of sets with just one.
    :param classes: function → (held, cases).
    """

    part: str
    coverage: Score
    size: float
    single: float
    classes: dict[str, tuple[int, int]]


@dataclass(frozen=True)
class PromiseReport:
    """Everything `dispatch promise` found."""

    bundle: str
    promise: Promise
    judged: tuple[Judged, ...]
    reach: tuple[Reach, ...]
    sets: tuple[SetFigure, ...]
    curves: dict[str, tuple[tuple[float, float], ...]]  # part → (share answered, share wrong)

    def save(self, folder: Path) -> None:
        """Write `promise.json` and `promise.svg`."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "promise.json").write_bytes(TypeAdapter(PromiseReport).dump_json(self, indent=1) + b"\n")
        last = self.judged[-1].part if self.judged else ""
        kept = [(j.coverage.value, j.error.value, j.alpha) for j in self.judged if j.part == last and j.coverage.value]
        (folder / "promise.svg").write_text(error_chart(self.curves, kept), encoding="utf-8")


def exact(hits: int, n: int) -> Score:
    """A share with its exact binomial interval."""
    return Score(hits / n if n else 0.0, *selective.interval(hits, n), n)


def judge(promise: Promise, seen: Mapping[str, Answers], names: Sequence[str], *, bundle: str) -> PromiseReport:
    """See on each part what the promise, and those for 10, 5 and 2 % in each scope, come to.

    :param seen: the part that was chosen on first.
    """
    chosen_on = next(iter(seen.values())).served
    alphas = sorted({promise.alpha, *ERRORS}, reverse=True)
    rules = {
        (scope, alpha): {
            name: kept.threshold for name, kept in selective.choose(chosen_on, alpha, promise.confidence, scope).items()
        }
        for scope in SCOPES
        for alpha in alphas
    }
    judged = [
        _judged(part, scope, alpha, found.served, rule)
        for part, found in seen.items()
        for (scope, alpha), rule in rules.items()
    ]
    return PromiseReport(
        bundle=bundle,
        promise=promise,
        judged=tuple(judged),
        reach=tuple(figure for part, found in seen.items() for figure in _reaches(part, found)),
        sets=tuple(figure for part, found in seen.items() for figure in _sets(part, promise, found, names)),
        curves={part: curve(*_unit(found)) for part, found in seen.items()},
    )


def _judged(part: str, scope: str, alpha: float, served: selective.Served, thresholds: Mapping[str, float]) -> Judged:
    sent = selective.dispatched(served, thresholds)
    own = {name: sent & (served.functions == name) for name in thresholds}
    return Judged(
        part=part,
        scope=scope,
        alpha=alpha,
        functions=len(thresholds),
        coverage=exact(int(sent.sum()), len(served)),
        error=exact(int((sent & served.wrong).sum()), int(sent.sum())),
        broken=tuple(
            name
            for name, rows in own.items()
            if selective.interval(int((rows & served.wrong).sum()), int(rows.sum()), 0.9)[0] > alpha
        ),
    )


def _unit(found: Answers) -> tuple[Floats, Bools]:
    """Scores and errors of the unit suggested first; what could not go is the last to go."""
    served = found.served
    return np.where(served.open, served.scores, -1.0), served.wrong


def _function(found: Answers) -> tuple[Floats, Bools]:
    return found.functions.max(axis=1), found.functions.argmax(axis=1) != found.truth


def _reaches(part: str, found: Answers) -> Iterator[Reach]:
    for answer, (scores, wrong) in (("unit", _unit(found)), ("function", _function(found))):
        for error in ERRORS:
            if len(scores):
                yield Reach(part, answer, error, reach(scores, wrong, error))


def reach(scores: Floats, wrong: Bools, error: float) -> Score:
    """The largest share of cases, most confident first, of which at most `error` are wrong; bootstrap interval."""
    order = np.argsort(-scores, kind="stable")
    errors, possible = wrong[order].astype(np.float32), scores[order] >= 0

    def largest(weights: NDArray[np.float32]) -> NDArray[np.float64]:
        cases = np.cumsum(weights, axis=1)
        fine = (np.cumsum(weights * errors, axis=1) <= error * cases) & possible
        return np.asarray(np.where(fine, cases, 0.0).max(axis=1) / len(scores))

    value = float(largest(np.ones((1, len(scores)), dtype=np.float32))[0])
    low, high = np.percentile(largest(resample_weights(len(scores))), (2.5, 97.5))
    return Score(value, min(float(low), value), max(float(high), value), len(scores))


def curve(scores: Floats, wrong: Bools, points: int = 100) -> tuple[tuple[float, float], ...]:
    """Share answered against share wrong among them, most confident first, of the cases that could go."""
    order = np.argsort(-scores, kind="stable")[: int((scores >= 0).sum())]
    running = np.cumsum(wrong[order])
    kept = np.unique(np.ceil(np.linspace(0, 1, points + 1)[1:] * len(order)).astype(int))
    return tuple((float(k / len(scores)), float(running[k - 1] / k)) for k in kept if k)


def _sets(part: str, promise: Promise, found: Answers, names: Sequence[str]) -> Iterator[SetFigure]:
    if promise.sets is None or not len(found.truth):
        return
    inside = members(found.functions, promise.sets, names)
    hits, sizes = inside[np.arange(len(inside)), found.truth], inside.sum(axis=1)
    yield SetFigure(
        part=part,
        coverage=exact(int(hits.sum()), len(hits)),
        size=float(sizes.mean()),
        single=float((sizes == 1).mean()),
        classes=dict(coverage_by_class(inside, found.truth, names)),
    )


def _share(score: Score) -> str:
    return f"{score.value:.1%} [{score.low:.1%}, {score.high:.1%}]"


def show(report: PromiseReport, console: Console) -> None:
    """Print the figures as tables."""
    console.print(report.promise.told())
    table = Table(title=f"{report.bundle}：承诺的自动派发")
    for column in ("部分", "承诺", "错派上限", "职能数", "自动派发", "其中错派", "件", "不守承诺的职能"):
        table.add_column(column)
    for one in report.judged:
        names = (one.part, one.scope, f"{one.alpha:.0%}", str(one.functions))
        table.add_row(*names, _share(one.coverage), _share(one.error), str(one.error.n), "、".join(one.broken))
    console.print(table)
    for found in report.reach:
        console.print(f"{found.part} {found.answer}：错误 ≤ {found.error:.0%} 时覆盖 {_share(found.coverage)}")
    for sets in report.sets:
        told = f"平均 {sets.size:.2f} 个职能，单个 {sets.single:.0%}"
        console.print(f"{sets.part} 候选集合：覆盖 {_share(sets.coverage)}，n = {sets.coverage.n}，{told}")
