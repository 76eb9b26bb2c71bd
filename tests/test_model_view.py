import numpy as np
import pytest
from numpy.typing import NDArray

from dispatch_model.cases import CategoryRef, ModelView, Suggestion, UnitRef
from dispatch_model.encoder import Predictions
from dispatch_model.labels import LabelMaps
from dispatch_model.model_view import TOP, duty_note, model_view, plausible_note
from dispatch_model.promise import PlausibleSets

UNIT = UnitRef(code="u", name="某局", function="城管", level="区", region="海口市/龙华区")
BEST = Suggestion(
    rank=1, unit=UNIT, category=CategoryRef(code="0307", path=("街面秩序",)), kind="投诉", probability=0.9
)


def test_the_top_of_each_head_is_shown_best_first(maps: LabelMaps) -> None:
    def falling(size: int) -> NDArray[np.float32]:
        weight = np.arange(size, 0, -1)[None]
        falls: NDArray[np.float32] = np.log(weight / weight.sum()).astype(np.float32)
        return falls

    predictions = Predictions(
        category=falling(len(maps.leaves)),
        function=falling(len(maps.functions))[:, ::-1],
        level=falling(4)[:, ::-1],
        handler_function=falling(len(maps.functions)),
        handler_level=falling(4),
        kind=falling(6),
        flags=np.full((1, 5), 0.25, dtype=np.float32),
    )
    view = model_view(maps, predictions, 0, falling(len(maps.functions))[0], falling(4)[0])
    names = list(maps.functions)
    assert [name for name, _ in view.function] == names[:TOP]
    assert [name for name, _ in view.duty_function] == names[: -TOP - 1 : -1]
    assert [name for name, _ in view.level] == list(maps.levels)
    assert view.duty_level[0][0] == "村居"
    assert view.level[0][1] == pytest.approx(0.4)
    assert view.flags == tuple((flag, 0.25) for flag in maps.flags)


@pytest.mark.parametrize(
    ("duty", "probability", "told"), [("公安", 0.6, True), ("公安", 0.59, False), ("城管", 0.9, False)]
)
def test_where_duty_and_practice_differ_the_operator_is_told(duty: str, probability: float, told: bool) -> None:
    view = ModelView(
        function=(("城管", 0.9),),
        level=(("区", 0.8),),
        category=(("0307", 0.7),),
        duty_function=((duty, probability),),
        duty_level=(("市", 0.7),),
    )
    notes = duty_note([BEST], view)
    assert bool(notes) is told
    assert not told or f"由{duty}·市主办" in notes[0].text
    assert duty_note([], view) == ()


SETS = PlausibleSets(coverage=0.9, cutoffs={"城管": 0.3, "公安": 0.1, "住建": 0.5}, n=100, own=("城管",))


def test_functions_that_cannot_be_ruled_out_are_named_likeliest_first() -> None:
    (reason,) = plausible_note(SETS, {"公安": 0.2, "城管": 0.4, "住建": 0.4})
    assert reason.text == "不能排除的职能：城管、公安（各职能的工单有 90% 落在这样的集合里）"
    assert reason.source == "model"


def test_a_single_plausible_function_is_not_worth_a_line() -> None:
    assert plausible_note(SETS, {"城管": 0.8, "公安": 0.05}) == ()
    assert plausible_note(None, {"城管": 0.8, "公安": 0.8}) == ()


def test_a_long_set_is_cut() -> None:
    many = {f"职能{number}": 0.1 for number in range(8)}
    (reason,) = plausible_note(SETS, many)
    assert "职能4 等 8 个" in reason.text
