import numpy as np
import pytest
from mapie.classification import SplitConformalClassifier
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin

from training.conformal import coverage_by_class, fit_sets, limit, members

NAMES = ("城管", "公安", "住建", "教育")


def world(n: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Cases of four functions, of which the first is easy and the last rare and hard."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(4, n, p=[0.5, 0.3, 0.15, 0.05]).astype(np.int64)
    logits = rng.normal(size=(n, 4))
    logits[np.arange(n), truth] += np.array([3.0, 2.0, 1.0, 0.5])[truth]
    weight = np.exp(logits)
    return weight / weight.sum(axis=1, keepdims=True), truth


class Told(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A classifier whose input is its answer."""

    def __init__(self) -> None:
        self.classes_ = np.arange(4)
        self.is_fitted_ = True

    def fit(self, *_: object) -> "Told":
        return self

    def predict_proba(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        return x

    def predict(self, x: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.asarray(x.argmax(axis=1))


def mapie_sets(
    p: NDArray[np.float64], y: NDArray[np.int64], new: NDArray[np.float64], coverage: float
) -> NDArray[np.bool_]:
    judge = SplitConformalClassifier(Told(), confidence_level=coverage, conformity_score="lac", prefit=True)
    judge.conformalize(p, y)
    _, sets = judge.predict_set(new)
    return np.asarray(sets[:, :, 0], dtype=bool)


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
@pytest.mark.parametrize("seed", range(3))
def test_without_classes_of_their_own_the_sets_are_mapies(coverage: float, seed: int) -> None:
    (p, y), (new, _) = world(400, seed), world(300, seed + 50)
    ours = members(new, fit_sets(p, y, NAMES, coverage, own=10_000), NAMES)
    np.testing.assert_array_equal(ours, mapie_sets(p, y, new, coverage))


@pytest.mark.filterwarnings("ignore:WARNING. your conformalization dataset has less labels")  # one class at a time
@pytest.mark.parametrize("coverage", [0.8, 0.9])
@pytest.mark.parametrize("seed", range(3))
def test_each_class_is_treated_as_mapie_treats_it_alone(coverage: float, seed: int) -> None:
    (p, y), (new, _) = world(2000, seed), world(300, seed + 50)
    sets = fit_sets(p, y, NAMES, coverage)
    assert sets.own == NAMES
    ours = members(new, sets, NAMES)
    for at in range(len(NAMES)):
        alone = mapie_sets(p[y == at], y[y == at], new, coverage)
        np.testing.assert_array_equal(ours[:, at], alone[:, at])


def test_every_class_is_covered_where_one_limit_for_all_fails_the_rare() -> None:
    (p, y), (new, truth) = world(4000, 1), world(20_000, 2)
    own = coverage_by_class(members(new, fit_sets(p, y, NAMES, 0.9), NAMES), truth, NAMES)
    assert list(own) == list(NAMES)  # most frequent first
    assert all(0.87 <= held / n <= 0.93 for held, n in own.values())
    shared = coverage_by_class(members(new, fit_sets(p, y, NAMES, 0.9, own=10_000), NAMES), truth, NAMES)
    held, n = shared["教育"]
    assert held / n < 0.8


def test_the_limit_is_the_finite_sample_quantile() -> None:
    scores = np.linspace(0.01, 0.99, 99)
    assert limit(scores, 0.9) == pytest.approx(0.9)  # the 90th of 99
    assert limit(np.array([0.1] * 8), 0.9) == np.inf
    assert limit(np.array([0.1] * 9), 0.9) == 0.1


def test_functions_nobody_knows_enough_of_are_never_ruled_out() -> None:
    p, y = world(5, 3)
    sets = fit_sets(p, y, NAMES, 0.9)
    assert set(sets.cutoffs.values()) == {0.0}
    assert sets.own == ()
    assert sets.among({"城管": 0.2, "公安": 0.7, "住建": 0.1, "教育": 0.0}) == ("公安", "城管", "住建", "教育")
