import pytest

from training.goals import GOALS, Goal, State, Verdict, judge
from training.metrics import Score
from training.scorecard import Evaluation, Row

FIRST, TOP3 = GOALS[0], GOALS[1]


def reached(goal: Goal, ours: float, baseline: float, *, margin: float = 0.01, head: float = 0.5) -> Verdict:
    """The verdict on one goal for given figures with intervals of ± `margin`."""

    def scored(value: float) -> Score:
        return Score(value, value - margin, value + margin, 400)

    names = ("test", goal.truth, "all", goal.question)
    rows = [
        Row(*names, answer, goal.metric, scored(value), scored(baseline), scored(value - baseline))
        for answer, value in {"head": head, goal.answer: ours}.items()
    ]
    evaluation = Evaluation("b", "now", {}, tuple(rows), {}, {})
    return judge(evaluation)[GOALS.index(goal)]


@pytest.mark.parametrize(
    ("ours", "state"),
    [(0.70, State.MISSED), (0.729, State.MISSED), (0.735, State.MUST), (0.779, State.MUST), (0.785, State.AIM)],
)
def test_a_relative_goal_starts_from_the_baseline(ours: float, state: State) -> None:
    verdict = reached(FIRST, ours, 0.70)
    assert verdict.state is state
    assert verdict.must == pytest.approx(0.73)
    assert verdict.aim == pytest.approx(0.78)


def test_a_goal_is_missed_while_the_intervals_overlap() -> None:
    assert reached(FIRST, 0.79, 0.70, margin=0.05).state is State.MISSED


def test_an_absolute_goal_asks_nothing_of_the_baseline() -> None:
    verdict = reached(TOP3, 0.95, 0.99)
    assert (verdict.state, verdict.must, verdict.aim) == (State.MUST, 0.94, 0.97)


def test_the_wire_list_decides_and_the_head_is_shown_beside_it() -> None:
    verdict = reached(TOP3, 0.90, 0.80, head=0.98)
    assert verdict.state is State.MISSED
    assert verdict.head is not None
    assert verdict.head.value == 0.98


def test_a_question_with_one_answer_shows_no_second() -> None:
    taidi = next(goal for goal in GOALS if goal.truth == "taidi")
    assert reached(taidi, 0.96, 0.9).head is None


def test_without_figures_nothing_is_claimed() -> None:
    verdicts = judge(Evaluation("b", "now", {}, (), {}, {}))
    assert [verdict.state for verdict in verdicts] == [State.UNKNOWN] * len(GOALS)
