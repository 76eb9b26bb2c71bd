from serving.cases.steps import UNDO_TIME
from serving.cases_wire import Undo
from serving.console.undo_bar import SECONDS, Doing, UndoBar

FIRST, SECOND = Doing("1", "decision", 4, "工单 1 已派往路灯所"), Doing("2", "ask", 9, "工单 2 已转待补充")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_last_step_goes_back_first_for_ten_seconds() -> None:
    clock = Clock()
    bar = UndoBar(clock)
    assert (bar.last, bar.left) == (None, 0.0)
    bar.push(FIRST)
    clock.now += 4
    bar.push(SECOND)
    assert (bar.last, bar.left) == (SECOND, 10.0)
    bar.drop(SECOND)
    assert (bar.last, bar.left) == (FIRST, 6.0)
    clock.now += 6
    assert (bar.last, bar.left) == (None, 0.0)


def test_it_is_as_long_as_the_store_allows() -> None:
    assert UNDO_TIME.total_seconds() == SECONDS


def test_what_is_asked_of_the_desk_names_the_step() -> None:
    assert SECOND.undo("li") == Undo(action="undo", event="ask", id=9, operator="li")
