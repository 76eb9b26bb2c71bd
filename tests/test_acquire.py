import numpy as np
import pytest
from scipy.sparse import csr_matrix

from training.acquire import choose, nearness, uncertainty


def rows(*values: list[float]) -> csr_matrix:
    matrix = np.array(values)
    return csr_matrix(matrix / np.linalg.norm(matrix, axis=1, keepdims=True))


def test_uncertain_is_where_the_second_answer_is_close() -> None:
    head = np.array([[0.9, 0.1, 0.0], [0.5, 0.5, 0.0], [0.4, 0.3, 0.3]])
    assert uncertainty([head]) == pytest.approx([0.2, 1.0, 0.9])


def test_uncertainty_is_the_mean_of_the_heads() -> None:
    sure, torn = np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]])
    assert uncertainty([sure, torn]) == pytest.approx([0.5])
    assert uncertainty([np.ones((2, 1))]) == pytest.approx([0.0, 0.0])


def test_a_near_copy_waits_for_another_matter() -> None:
    features = rows([1, 0, 0], [1, 0.1, 0], [0, 1, 0])
    assert choose(features, np.array([0.9, 0.8, 0.5]), 3) == [0, 2, 1]


def test_disputed_cases_come_first_whatever_they_are_worth() -> None:
    features = rows([1, 0, 0], [0, 1, 0], [0, 0, 1])
    first = np.array([False, True, False])
    assert choose(features, np.array([0.9, 0.0, 0.5]), 2, first=first) == [1, 0]


def test_what_was_labelled_before_repels() -> None:
    features = rows([1, 0, 0], [0, 1, 0])
    nearest = nearness(features, rows([1, 0.1, 0]))
    assert nearest == pytest.approx([0.995, 0.0995], abs=1e-3)
    assert choose(features, np.array([0.9, 0.5]), 1, nearest=nearest) == [1]


def test_no_row_is_chosen_twice_and_no_more_than_there_are() -> None:
    features = rows([1, 0], [1, 0], [0, 1])
    assert sorted(choose(features, np.zeros(3), 9)) == [0, 1, 2]
    assert choose(csr_matrix((0, 2)), np.zeros(0), 5) == []
    assert nearness(features, csr_matrix((0, 2))) == pytest.approx([0, 0, 0])
