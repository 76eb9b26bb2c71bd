import numpy as np
import pytest

from dispatch_model.labels import LabelMaps
from training.prior import BACK_OFF, log_prior
from training.targets import MISSING


def seen(maps: LabelMaps, *rows: tuple[str, str, str]) -> np.ndarray:
    """π after the given (category, function, level) cases, as probabilities."""
    functions = list(maps.functions)
    targets = {
        "category": np.array([maps.leaves.index(code) if code else MISSING for code, _, _ in rows], dtype=np.int64),
        "function": np.array([functions.index(name) for _, name, _ in rows], dtype=np.int64),
        "level": np.array([maps.levels.index(level) for _, _, level in rows], dtype=np.int64),
    }
    return np.exp(log_prior(targets, maps).astype(np.float64))


def at(maps: LabelMaps, prior: np.ndarray, code: str, function: str, level: str) -> float:
    return float(prior[maps.leaves.index(code), list(maps.functions).index(function), maps.levels.index(level)])


def test_every_category_sums_to_one(maps: LabelMaps) -> None:
    prior = seen(maps, *[("030501", "市政环卫", "区")] * 5, ("080508", "人社", "区"))
    assert prior.shape == (len(maps.leaves), len(maps.functions), len(maps.levels))
    assert prior.sum(axis=(1, 2)) == pytest.approx(np.ones(len(maps.leaves)), rel=1e-5)
    assert (prior > 0).all()


def test_without_cases_it_is_even(maps: LabelMaps) -> None:
    assert seen(maps) == pytest.approx(1 / (len(maps.functions) * len(maps.levels)))


def test_counts_back_off_along_the_tree(maps: LabelMaps) -> None:
    even = 1 / (len(maps.functions) * len(maps.levels))
    prior = seen(maps, *[("030501", "市政环卫", "区")] * 6)
    top = (6 + BACK_OFF * even) / (6 + BACK_OFF)
    parent = (6 + BACK_OFF * top) / (6 + BACK_OFF)
    leaf = (6 + BACK_OFF * parent) / (6 + BACK_OFF)
    cell = ("市政环卫", "区")
    assert at(maps, prior, "030501", *cell) == pytest.approx(leaf, rel=1e-4)
    assert at(maps, prior, "030503", *cell) == pytest.approx(parent, rel=1e-4)  # a sibling
    assert at(maps, prior, "030705", *cell) == pytest.approx(top, rel=1e-4)  # under the same top
    assert at(maps, prior, "080508", *cell) == pytest.approx(even, rel=1e-4)  # elsewhere


def test_a_case_without_all_three_labels_does_not_count(maps: LabelMaps) -> None:
    np.testing.assert_array_equal(seen(maps, ("", "城管", "区")), seen(maps))
