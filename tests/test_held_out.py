import numpy as np

from training.held_out import Linear, folds
from training.targets import MISSING

TRAIN = ["路灯坏了", "路灯不亮", "学校招生", "学校收费", "停水三天", "停水一天"] * 4
TARGET = np.array([0, 0, 1, 1, 2, 2] * 4)


def made(target: np.ndarray) -> Linear:
    return Linear.of(TRAIN, ["路灯又坏了", "学校何时招生", "小区停水"], {"function": target}, {"function": 4})


def test_folds_hold_every_district_once_and_are_about_even() -> None:
    groups = folds(["东区"] * 5 + ["西区"] * 4 + ["南区"] * 3 + ["北区"] * 2 + [""] * 9, 2)
    assert groups == [{"东区", "北区"}, {"西区", "南区"}]


def test_there_are_no_more_folds_than_districts() -> None:
    assert folds(["东区", ""], 4) == [{"东区"}]


def test_what_was_learned_is_answered() -> None:
    scores = made(TARGET).scores(np.ones(len(TRAIN), dtype=np.bool_), np.arange(3), ["function"])
    assert scores["function"].shape == (3, 4)
    assert scores["function"].argmax(axis=1).tolist() == [0, 1, 2]


def test_what_is_left_out_cannot_be_answered() -> None:
    kept = TARGET != 2
    scores = made(TARGET).scores(kept, np.array([2]), ["function"])
    assert scores["function"].argmax(axis=1).tolist() != [2]


def test_rows_that_do_not_know_the_head_teach_nothing() -> None:
    target = np.where(TARGET == 1, 1, MISSING)
    scores = made(target).scores(np.ones(len(TRAIN), dtype=np.bool_), np.arange(3), ["function"])
    assert scores["function"].argmax(axis=1).tolist() == [1, 1, 1]
