import numpy as np
import pytest

from tests.test_label_audit import MATTERS, told
from training.planted import How, plant, plant_evenly, rehearse


@pytest.mark.parametrize("how", ["even", "common"])
def test_what_is_planted_is_found_and_cleaning_gains(how: How) -> None:
    texts, labels = told()
    more = [f"{place}{matter}" for place in ("塔下", "井边", "坡上", "街角", "渡口") for matter in MATTERS.values()]
    trials = list(rehearse(texts + more, {"function": [*labels, *list(MATTERS) * 5]}, 45, how, share=0.1))
    (trial,) = trials
    assert (trial.field, trial.how, trial.rows, trial.planted) == ("function", how, 45, 4)
    assert trial.precision.value == 1.0
    assert trial.precision.n == 4
    assert trial.clean.value == 1.0
    assert trial.clean.n == 15
    assert trial.settled.value >= trial.noisy.value
    assert trial.gain.value == pytest.approx(trial.settled.value - trial.noisy.value)


def test_as_many_labels_as_asked_for_are_others() -> None:
    _, labels = told()
    rng = np.random.default_rng(1)
    for copy in (plant(labels, 0.2, rng), plant_evenly(labels, 0.2, rng)):
        assert sum(one != other for one, other in zip(copy, labels, strict=True)) == 9
        assert set(copy) == set(labels)
