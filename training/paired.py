"""Challenger beside champion on the very same cases: paired bootstrap, McNemar's exact test, function by function.

McNemar (1947) looks only at the cases one of the two has right; of those, an equally good challenger wins half.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, binomtest

from dispatch_model.gate_record import Change, Check, Finding
from dispatch_model.labels import LabelMaps
from training import metrics
from training.baseline import Outputs
from training.metrics import Bools, Floats, Score, Statistic
from training.prepare import Part
from training.targets import MISSING

CERTAIN = 0.05  # from this p downwards a loss is no chance
MAX_LOSS = 0.01  # of right answers on a set large enough to show it, chance or not
LARGE = 1000
FEWEST = 30  # cases a function needs to be judged alone
MAX_FUNCTION_LOSS = 0.05
DUTY, PRACTICE = "职能（应办）", "职能（实办）"


@dataclass(frozen=True)
class Question:
    """One question both answered.

    :param target: `[rows]` label index or `MISSING`.
    :param champion: `[rows, labels]` log-probabilities, as `challenger`.
    :param stated: whether the probability itself goes out with the answer, so that its calibration counts.
    """

    name: str
    target: NDArray[np.int64]
    champion: Floats
    challenger: Floats
    stated: bool = False

    def known(self) -> "Question":
        """Only the rows that know the answer."""
        rows = np.flatnonzero(self.target != MISSING)
        return Question(self.name, self.target[rows], self.champion[rows], self.challenger[rows], self.stated)


def questions(part: Part, champion: Outputs, challenger: Outputs) -> list[Question]:
    """What the service answers by: lists, route as ranked, four digits of category, kind; where some row knows it."""
    function, level = part.targets["handler_function"], part.targets["handler_level"]
    both = (function != MISSING) & (level != MISSING)
    route = np.where(both, function * challenger["wire_level"].shape[1] + level, MISSING)
    told = (
        (PRACTICE, function, "wire_function", True),
        ("层级（实办）", level, "wire_level", False),
        ("职能＋层级（实办，排序后）", route, "ranked", True),
        (DUTY, part.targets["function"], "function", True),
        ("层级（应办）", part.targets["level"], "level", False),
        ("类别 4 位", part.targets["parent"], "parent", False),
        ("诉求类型", part.targets["kind"], "kind", False),
    )
    asked = [Question(name, target, champion[key], challenger[key], stated) for name, target, key, stated in told]
    return [question.known() for question in asked if (question.target != MISSING).any()]


def mcnemar(champion: Bools, challenger: Bools) -> tuple[int, int, float]:
    """Cases the challenger alone has right, those the champion alone has, and the exact two-sided p."""
    won, lost = int((challenger & ~champion).sum()), int((champion & ~challenger).sum())
    return won, lost, float(binomtest(won, won + lost).pvalue) if won + lost else 1.0


def holm(values: Sequence[float]) -> list[float]:
    """The p after Holm's correction for so many tests (1979), in the order given."""
    adjusted, running = [0.0] * len(values), 0.0
    for rank, index in enumerate(np.argsort(values, kind="stable")):
        running = max(running, min(1.0, (len(values) - rank) * values[index]))
        adjusted[int(index)] = running
    return adjusted


def _hits(question: Question) -> tuple[Bools, Bools]:
    top = (metrics.top_k_hits(scores, question.target, 1) for scores in (question.champion, question.challenger))
    champion, challenger = top
    return champion, challenger


def _figures(pair: Iterable[Statistic], n: int, *, centred: bool = False) -> dict[str, object]:
    champion, challenger = pair
    ones = np.ones((1, n), dtype=np.float32)
    found: Score = metrics.difference(challenger, champion, n, centred=centred)
    return {
        "n": n,
        "champion": float(champion(ones)[0]),
        "challenger": float(challenger(ones)[0]),
        "change": Change(value=found.value, low=found.low, high=found.high),
    }


def answer_findings(sets: Mapping[str, Sequence[Question]]) -> list[Finding]:
    """Right answers of every question on every set; a loss that is no chance refuses, and one of a point on many."""
    asked = [(where, question, _hits(question)) for where, told in sets.items() for question in told]
    tests = [mcnemar(*hits) for _, _, hits in asked]
    adjusted = holm([p for _, _, p in tests])
    found = []
    for (where, question, hits), (won, lost, _), p in zip(asked, tests, adjusted, strict=True):
        n = len(question.target)
        figures = _figures(map(metrics.mean_of, hits), n)
        sure, far = p < CERTAIN and lost > won, n >= LARGE and (won - lost) / n < -MAX_LOSS
        rule = f"不得确有下降（p < {CERTAIN}）" + (f"，不得低 {100 * MAX_LOSS:.0f} 点以上" if n >= LARGE else "")
        told = {"check": Check.ANSWERS, "where": where, "what": question.name, "won": won, "lost": lost, "p": p}
        found.append(Finding(**told, **figures, rule=rule, passed=not (sure or far)))
    return found


def macro_findings(where: str, told: Sequence[Question]) -> Iterator[Finding]:
    """Macro-F1 of the two lists of functions."""
    for question in told:
        if question.name in (DUTY, PRACTICE):
            best = (scores.argmax(axis=1) for scores in (question.champion, question.challenger))
            statistics = [metrics.macro_f1_of(question.target, answer) for answer in best]
            figures = _figures(statistics, len(question.target), centred=True)
            finding = {"check": Check.MACRO_F1, "where": where, "what": f"宏平均 F1 · {question.name}", **figures}
            yield _bounded(finding, better="high", rule="区间不得全在 0 以下")


def calibration_findings(where: str, told: Sequence[Question]) -> Iterator[Finding]:
    """Expected calibration error of what goes out with its probability."""
    for question in told:
        if question.stated:
            sure = (np.exp(scores.max(axis=1)) for scores in (question.champion, question.challenger))
            pairs = zip(sure, _hits(question), strict=True)
            figures = _figures((metrics.ece_of(*pair) for pair in pairs), len(question.target), centred=True)
            finding = {"check": Check.CALIBRATION, "where": where, "what": f"校准误差 · {question.name}", **figures}
            yield _bounded(finding, better="low", rule="区间不得全在 0 以上")


def _bounded(told: Mapping[str, object], *, better: str, rule: str) -> Finding:
    change = told["change"]
    if not isinstance(change, Change):
        raise TypeError("a bounded finding needs its change")
    passed = change.high >= 0 if better == "high" else change.low <= 0
    return Finding(**told, rule=rule, passed=passed)


def function_findings(
    where: str, told: Sequence[Question], maps: LabelMaps, *, shown: bool = False
) -> Iterator[Finding]:
    """Each function with enough cases, under either truth: how many of its cases come first to it.

    :param shown: refuse only a loss that is no chance, too.
    """
    names = tuple(maps.functions)
    for question in told:
        if question.name not in (DUTY, PRACTICE):
            continue
        champion, challenger = _hits(question)
        for function, n in enumerate(np.bincount(question.target, minlength=len(names))):
            if n >= FEWEST:
                rows = question.target == function
                pair = champion[rows], challenger[rows]
                won, lost, p = mcnemar(*pair)
                figures = _figures(map(metrics.mean_of, pair), int(n))
                finding = {"check": Check.FUNCTION, "where": where, "what": f"{names[function]} · {question.name}"}
                far = (lost - won) / int(n) > MAX_FUNCTION_LOSS + 1e-9
                passed = not far or (shown and p >= CERTAIN)
                rule = f"不得{'确有（p < 0.05）' if shown else ''}低 {100 * MAX_FUNCTION_LOSS:.0f} 点以上"
                yield Finding(**finding, **figures, won=won, lost=lost, p=p, rule=rule, passed=passed)


def chance_of_refusal(told: Sequence[Question], *, shown: bool = False, draws: int = 1000, seed: int = 0) -> float:
    """How often the rule on functions refuses a challenger that is only chance away: answers swapped case by case."""
    rng = np.random.default_rng(seed)
    refused = np.zeros(draws, dtype=np.bool_)
    for question in told:
        if question.name in (DUTY, PRACTICE):
            champion, challenger = _hits(question)
            gain = challenger.astype(np.int64) - champion
            for function, n in enumerate(np.bincount(question.target)):
                own = gain[(question.target == function) & (gain != 0)]
                if n >= FEWEST and len(own):
                    lost = (rng.choice((-1, 1), size=(draws, len(own))) * own < 0).sum(axis=1)
                    far = (2 * lost - len(own)) / n > MAX_FUNCTION_LOSS + 1e-9
                    refused |= far & (2 * binom.sf(lost - 1, len(own), 0.5) < CERTAIN) if shown else far
    return float(refused.mean())
