import numpy as np
import pytest

from dispatch_model.labels import LabelMaps
from training.baseline import NEVER, START_SCALE, baseline_outputs, fit_scale, head_sizes
from training.calibrate import log_softmax
from training.prepare import Part
from training.targets import MISSING


def without(part: Part, head: str) -> Part:
    """The part with one head's targets unknown."""
    targets = {**part.targets, head: np.full_like(part.targets[head], MISSING)}
    return Part(part.rows, part.texts, part.bare, targets)


def right(answers: np.ndarray, target: np.ndarray) -> float:
    known = target != MISSING
    return float((answers[known].argmax(axis=1) == target[known]).mean())


def test_every_part_but_train_is_answered_on_the_axes_of_the_label_maps(
    tiny_parts: dict[str, Part], maps: LabelMaps
) -> None:
    outputs = baseline_outputs(tiny_parts, maps)
    assert set(outputs) == set(tiny_parts) - {"train"}
    for name, heads in outputs.items():
        rows = len(tiny_parts[name])
        for head, labels in head_sizes(maps).items():
            assert heads[head].shape == (rows, labels)
            assert np.exp(heads[head]).sum(axis=1) == pytest.approx(np.ones(rows), abs=1e-4)
        assert heads["flags"].shape == (rows, len(maps.flags))
        assert ((heads["flags"] >= 0) & (heads["flags"] <= 1)).all()


def test_plain_matters_are_learned_by_every_head(tiny_parts: dict[str, Part], maps: LabelMaps) -> None:
    answers, part = baseline_outputs(tiny_parts, maps)["test"], tiny_parts["test"]
    for head in ("handler_function", "handler_level", "function", "level", "category", "parent"):
        assert right(answers[head], part.targets[head]) == 1.0, head


def test_a_label_without_a_training_row_is_never_the_answer(tiny_parts: dict[str, Part], maps: LabelMaps) -> None:
    answers = baseline_outputs(tiny_parts, maps)["test"]["function"]
    seen = np.unique(tiny_parts["train"].targets["function"])
    unseen = np.setdiff1d(np.arange(len(maps.functions)), seen)
    assert (answers[:, unseen] == np.float32(NEVER)).all()


def test_the_truth_of_the_judged_part_changes_nothing(tiny_parts: dict[str, Part], maps: LabelMaps) -> None:
    blind = {**tiny_parts, "test": without(tiny_parts["test"], "function")}
    seeing, unseeing = baseline_outputs(tiny_parts, maps), baseline_outputs(blind, maps)
    assert (seeing["test"]["function"] == unseeing["test"]["function"]).all()


def test_a_head_nobody_taught_answers_evenly(tiny_parts: dict[str, Part], maps: LabelMaps) -> None:
    parts = {name: without(part, "kind") for name, part in tiny_parts.items()}
    answers = baseline_outputs(parts, maps)["test"]["kind"]
    assert np.ptp(answers) == 0


def test_two_classes_are_told_apart(tiny_parts: dict[str, Part], maps: LabelMaps) -> None:
    train = tiny_parts["train"]
    level = train.targets["level"]
    kept = np.where(np.isin(level, (1, 2)), level, MISSING)  # 区 and 镇街 only
    two = Part(train.rows, train.texts, train.bare, {**train.targets, "level": kept})
    answers = baseline_outputs({**tiny_parts, "train": two}, maps)["test"]["level"]
    truth = tiny_parts["test"].targets["level"]
    assert right(answers, np.where(np.isin(truth, (1, 2)), truth, MISSING)) == 1.0


def test_the_scale_finds_the_temperature_labels_were_drawn_with() -> None:
    rng = np.random.default_rng(0)
    margins = rng.normal(size=(4000, 3))
    sure = np.exp(log_softmax(4.0 * margins))
    truth = (rng.uniform(size=(4000, 1)) > sure.cumsum(axis=1)).sum(axis=1)
    assert fit_scale(margins, truth) == pytest.approx(4.0, rel=0.1)


def test_without_a_known_validation_row_the_scale_is_the_usual_one() -> None:
    assert fit_scale(np.zeros((2, 3)), np.full(2, MISSING)) == START_SCALE
