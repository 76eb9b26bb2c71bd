import numpy as np
import pytest

from dispatch_model.labels import LabelMaps
from training.choose import (
    BETAS,
    FLAGS_ASKED,
    MAX_TEMPERATURE,
    blend_and_beta,
    choices,
    flag_threshold,
    joint_temperature,
    spread,
)
from training.targets import MISSING

EVEN = {"function": 0.5, "level": 0.5}


def outputs(rows: int = 4) -> dict[str, np.ndarray]:
    """Two categories, functions and levels; the category is sure, the rest slightly prefers label 0."""
    unsure = np.log(np.tile([0.55, 0.45], (rows, 1)))
    category = np.log(np.tile([0.99, 0.01], (rows, 1)))
    return {"category": category, **dict.fromkeys(("function", "handler_function", "level", "handler_level"), unsure)}


def prior(likely: int) -> np.ndarray:
    """π of two categories over two functions and two levels; category 0 prefers one cell."""
    table = np.full((2, 4), 0.1)
    table[0, likely] = 0.7
    return np.asarray(np.log(table).reshape(2, 2, 2), dtype=np.float32)


def truth(function: int, level: int, rows: int = 4) -> dict[str, np.ndarray]:
    unknown = np.full(rows, MISSING)
    read = {"function": np.full(rows, function), "level": np.full(rows, level)}
    return read | {"handler_function": unknown, "handler_level": unknown}


def beta(targets: dict[str, np.ndarray], likely: int) -> float:
    return blend_and_beta(outputs(), targets, prior(likely), np.ones(4, dtype=bool))[1]


def test_the_prior_is_weighed_as_much_as_it_helps() -> None:
    assert beta(truth(1, 1), likely=3) > 0


def test_a_prior_that_misleads_is_left_out() -> None:
    assert beta(truth(0, 0), likely=3) == 0.0


def test_of_equally_good_betas_the_smallest_wins() -> None:
    assert beta(truth(0, 0), likely=0) == 0.0


def test_rows_without_a_reading_do_not_choose() -> None:
    targets = truth(1, 1)
    targets["function"][1:] = MISSING
    assert beta(targets, likely=3) > 0
    targets["function"][:] = MISSING
    assert beta(targets, likely=3) == BETAS[0]


def test_blend_and_prior_together_cost_practice_next_to_nothing() -> None:
    rows = 8
    answers = outputs(rows)
    answers["handler_function"] = np.log(np.tile([0.52, 0.48], (rows, 1)))
    answers["function"] = np.log(np.tile([0.45, 0.55], (rows, 1)))
    few = np.where(np.arange(rows) < 3, 0, MISSING)  # practice was 0, in three rows; duty is 1, in all
    targets = truth(1, 0, rows) | {"handler_function": few, "handler_level": few}
    # The prior would make duty right in all eight rows, at the price of practice in three
    weights, chosen = blend_and_beta(answers, targets, prior(likely=2), np.ones(rows, dtype=bool))
    assert chosen == 0.0
    assert weights["function"] == 0.25  # 0.52(1−w) + 0.45w > 0.5 while w < 0.29


def test_where_practice_was_not_learned_duty_alone_counts() -> None:
    weights = spread({"function": 0.1}, np.array([True, False]))
    assert np.asarray(weights["function"]).tolist() == [[0.1], [1.0]]


def sure(chance: float, rows: int = 400) -> dict[str, np.ndarray]:
    """Outputs that give label 0 of function and level `chance` each."""
    answers = outputs(rows)
    label = np.log(np.tile([chance, 1 - chance], (rows, 1)))
    return answers | dict.fromkeys(("function", "handler_function", "level", "handler_level"), label)


def test_an_overconfident_joint_table_is_cooled() -> None:
    targets = truth(0, 0, 400)
    targets["function"][:100] = 1  # a quarter wrong, where the heads say one in a hundred
    found = joint_temperature(sure(0.99), targets, prior(likely=0), EVEN, 0.0)
    assert 1.5 < found <= MAX_TEMPERATURE


def test_a_joint_table_that_is_right_all_the_time_is_sharpened() -> None:
    assert joint_temperature(sure(0.6), truth(0, 0, 400), prior(likely=0), EVEN, 0.0) < 0.6


def test_without_read_rows_the_temperature_is_one() -> None:
    targets = truth(0, 0) | {"level": np.full(4, MISSING)}
    assert joint_temperature(outputs(), targets, prior(likely=0), EVEN, 0.5) == 1.0


def test_the_threshold_parts_flagged_from_unflagged() -> None:
    probability = np.array([0.05, 0.2, 0.35, 0.7, 0.8, 0.99])
    threshold, note = flag_threshold(probability, np.array([0, 0, 0, 1, 1, MISSING]))
    assert 0.35 < threshold <= 0.7
    assert "精确率 1.00，召回率 1.00，正例 2，n = 5" in note


def test_a_threshold_is_the_best_trade_not_the_surest() -> None:
    probability = np.array([0.3, 0.32, 0.34, 0.36, 0.9, 0.31])
    threshold, note = flag_threshold(probability, np.array([1, 1, 1, 1, 1, 0]))
    assert threshold <= 0.3
    assert "召回率 1.00" in note


def test_a_threshold_that_is_mostly_wrong_does_not_count() -> None:
    probability = np.array([0.2, 0.2, 0.2, 0.2, 0.2, 0.95, 0.96])
    threshold, _ = flag_threshold(probability, np.array([1, 1, 0, 0, 0, 0, 0]))
    assert threshold == 0.5
    threshold, note = flag_threshold(probability, np.array([1, 1, 0, 0, 0, 1, 0]))
    assert 0.2 < threshold <= 0.95
    assert "精确率 0.50" in note


def test_where_a_miss_costs_more_recall_counts_more() -> None:
    probability, flagged = np.array([0.9, 0.92, 0.3, 0.32, 0.34, 0.5]), np.array([1, 1, 1, 0, 0, 0])
    assert flag_threshold(probability, flagged)[0] > 0.5
    threshold, note = flag_threshold(probability, flagged, recall=2.0)
    assert threshold <= 0.3
    assert "F2 最大：精确率 0.50，召回率 1.00" in note


@pytest.mark.parametrize("truth", [np.zeros(3, dtype=np.int64), np.full(3, MISSING)])
def test_without_a_flagged_row_the_threshold_is_one_half(truth: np.ndarray) -> None:
    threshold, note = flag_threshold(np.array([0.2, 0.6, 0.95]), truth)
    assert threshold == 0.5
    assert "正例 0" in note
    assert "F1 最大" not in note


def test_where_no_threshold_is_right_often_enough_the_note_says_so_and_what_one_half_gives() -> None:
    probability = np.array([0.2, 0.3, 0.6, 0.7, 0.95, 0.96])
    threshold, note = flag_threshold(probability, np.array([0, 1, 1, 0, 0, 0]))
    assert threshold == 0.5
    assert note == "没有阈值的精确率达到 0.50，取 0.5：精确率 0.25，召回率 0.50，正例 2，n = 6"


def test_choices_are_fields_of_a_manifest(maps: LabelMaps) -> None:
    rng, rows = np.random.default_rng(0), 6
    sizes = {"category": len(maps.leaves), "function": len(maps.functions), "level": len(maps.levels)}
    answers = {head: np.log(rng.dirichlet(np.ones(size), rows)) for head, size in sizes.items()}
    answers |= {f"handler_{head}": answers[head] for head in EVEN} | {"flags": rng.random((rows, len(maps.flags)))}
    targets = {head: rng.integers(0, sizes[head.removeprefix("handler_")], rows) for head in answers if head != "flags"}
    targets["flags"] = rng.integers(0, 2, (rows, len(maps.flags)))
    chosen = choices(
        answers, targets, np.zeros(tuple(sizes.values()), dtype=np.float32), maps, np.ones(rows, dtype=bool)
    )
    assert chosen["blend"] == {"function": 1.0, "level": 1.0}  # duty and practice agree here
    assert chosen["beta"] in BETAS
    assert 0 < chosen["temperature"] <= MAX_TEMPERATURE
    assert chosen["thresholds"].auto is None
    assert set(chosen["bounds"]) == {*FLAGS_ASKED, "auto"}


def test_a_flag_that_would_mostly_be_wrong_gets_no_low_threshold() -> None:
    probability = np.array([0.2, 0.2, 0.2, 0.2, 0.1, 0.1])
    threshold, _ = flag_threshold(probability, np.array([1, 0, 0, 0, 0, 0]))
    assert threshold == 0.5
