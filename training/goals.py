"""What the model must and should reach (issue 2), held against an evaluation."""

from dataclasses import dataclass
from enum import StrEnum

from training.metrics import Score
from training.scorecard import Evaluation, Row


class State(StrEnum):
    """How a goal stands; values are what the report shows."""

    AIM = "达到目标"
    MUST = "达到底线"
    MISSED = "未达底线"
    UNKNOWN = "无数据"


@dataclass(frozen=True)
class Goal:
    """One line of the table of goals.

    :param must: least value; added to the baseline's when `relative`.
    :param apart: also the intervals of ours and the baseline must not overlap.
    """

    title: str
    truth: str
    question: str
    metric: str
    must: float
    aim: float
    relative: bool = False
    apart: bool = False
    answer: str = "head"


@dataclass(frozen=True)
class Verdict:
    """A goal with the figures that decide it; `must` and `aim` are absolute here.

    :param head: for lists on the wire, what the head trained for this truth alone reaches.
    """

    goal: Goal
    state: State
    must: float | None = None
    aim: float | None = None
    ours: Score | None = None
    baseline: Score | None = None
    head: Score | None = None


GOALS = (
    Goal("职能首选命中（实际承办）", "handler", "function", "top1", 0.03, 0.08, True, True, "wire"),
    Goal("职能前三命中（实际承办）", "handler", "function", "top3", 0.94, 0.97, answer="wire"),
    Goal("职能宏平均 F1（实际承办）", "handler", "function", "macro_f1", 0.06, 0.12, True, answer="wire"),
    Goal("层级首选命中（实际承办）", "handler", "level", "top1", 0.02, 0.05, True, answer="wire"),
    Goal("类别（4 位）首选命中（判读）", "labels", "category4", "top1", 0.79, 0.88),
    Goal("类别（4 位）前三命中（判读）", "labels", "category4", "top3", 0.93, 0.97),
    # Who should handle a case stands on the wire as `duty_function` and `duty_level`; the `function` and
    # `level` lists, which follow practice, are judged against the same readings too.
    Goal("职能首选命中（判读，duty 列表）", "labels", "function", "top1", 0.78, 0.88),
    Goal("职能首选命中（判读，function 列表）", "labels", "function", "top1", 0.78, 0.88, answer="wire"),
    Goal("层级首选命中（判读，duty 列表）", "labels", "level", "top1", 0.85, 0.91),
    Goal("层级首选命中（判读，level 列表）", "labels", "level", "top1", 0.85, 0.91, answer="wire"),
    Goal("诉求类型首选命中（判读）", "labels", "kind", "top1", 0.87, 0.94),
    Goal("泰迪 7 类宏平均 F1", "taidi", "taidi", "macro_f1", 0.93, 0.95),
)


def judge(evaluation: Evaluation, part: str = "test") -> list[Verdict]:
    """Each goal against the figures of one part; the lists on the wire are judged where there are two."""
    verdicts = []
    for goal in GOALS:
        row, head = (
            evaluation.find(goal.question, goal.metric, truth=goal.truth, answer=answer, part=part)
            for answer in (goal.answer, "head")
        )
        verdicts.append(_verdict(goal, row, head if goal.answer != "head" else None))
    return verdicts


def _verdict(goal: Goal, row: Row | None, head: Row | None) -> Verdict:
    if row is None:
        return Verdict(goal, State.UNKNOWN)
    base = row.baseline.value if goal.relative else 0.0
    must, aim = base + goal.must, base + goal.aim
    held_apart = not goal.apart or row.ours.low > row.baseline.high
    state = State.MISSED
    if row.ours.value >= must and held_apart:
        state = State.AIM if row.ours.value >= aim else State.MUST
    return Verdict(goal, state, must, aim, row.ours, row.baseline, head.ours if head else None)
