from pathlib import Path

import pytest

from dispatch_model.errors import DispatchError, ErrorKind
from training.metrics import Bin, Ceiling, Score
from training.scorecard import Evaluation, Figures, FunctionFigure, Row

SCORE = Score(0.8, 0.7, 0.9, 50)
ROW = Row("test", "handler", "all", "function", "wire", "top1", SCORE, SCORE, Score(0.0, -0.1, 0.1, 50))
CURVE: dict[str, tuple[Bin, ...]] = {"ours": (Bin(0.5, 0.75, 4),), "baseline": (Bin(1.0, 0.5, 8),)}
FIGURES = Figures(("城管", "公安"), ((3, 1), (0, 4)), (FunctionFigure("城管", 4, 0.9, 0.8),), CURVE, CURVE)
EVALUATION = Evaluation(
    bundle="tiny+0badcafe",
    created="2026-01-02T03:04:05+00:00",
    sizes={"test": 50},
    rows=(ROW,),
    ceilings={"all/function": Ceiling(SCORE, SCORE, 20, 3)},
    figures={"handler": FIGURES},
)


def test_an_evaluation_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    path = EVALUATION.save(tmp_path / "new" / "folder")
    assert path.name == "evaluation.json"
    assert Evaluation.load(path) == EVALUATION


def test_a_row_is_found_by_its_names() -> None:
    assert EVALUATION.find("function", "top1", truth="handler", answer="wire") is ROW
    assert EVALUATION.find("function", "top1", truth="handler") is None
    assert EVALUATION.find("function", "top1", truth="handler", answer="wire", part="calls") is None


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DispatchError, match=r"nothing\.json.*dispatch evaluate") as caught:
        Evaluation.load(tmp_path / "nothing.json")
    assert caught.value.kind is ErrorKind.INVALID_CONFIG


def test_a_file_of_something_else_names_the_field(tmp_path: Path) -> None:
    path = tmp_path / "evaluation.json"
    path.write_text('{"bundle": "x"}', encoding="utf-8")
    with pytest.raises(DispatchError, match="created"):
        Evaluation.load(path)
