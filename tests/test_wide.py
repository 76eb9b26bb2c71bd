import numpy as np
import pytest
from sklearn.svm import LinearSVC

from dispatch_model.labels import LabelMaps
from training.manifest import head_labels
from training.prepare import Part
from training.targets import MISSING, parent_membership
from training.wide import WIDE_HEADS, WideBranch, choose_vocabulary, encode_texts, fit_wide


def sizes(maps: LabelMaps) -> dict[str, int]:
    labels = {head: len(names) for head, names in head_labels(maps).items()}
    return labels | {"parent": len(parent_membership(maps)[0])}


def branch(part: Part, maps: LabelMaps) -> WideBranch:
    return fit_wide(part.texts, part.targets, sizes(maps), size=400, c=0.5)


def test_the_vocabulary_is_what_most_texts_have() -> None:
    vocabulary = choose_vocabulary(["路灯", "路灯坏", "路"], size=2)
    assert len(vocabulary.keys) == 2
    assert ord("路") in vocabulary.keys
    rare, common = sorted([np.log(4 / 3) + 1, np.log(4 / 4) + 1], reverse=True)
    assert sorted(vocabulary.idf.tolist(), reverse=True) == pytest.approx([rare, common])


def test_an_n_gram_counts_once_per_text() -> None:
    vocabulary = choose_vocabulary(["啊啊啊啊啊", "路", "路"], size=1)
    assert vocabulary.keys.tolist() == [ord("路")]


def test_keys_ascend() -> None:
    keys = choose_vocabulary(["希望给荷塘村加一趟早班公交", "路灯不亮"], size=30).keys
    assert (np.diff(keys) > 0).all()


def test_the_matrix_holds_one_unit_row_per_text() -> None:
    texts = ["路灯不亮", "公交", "没见过的都没有"]
    matrix = encode_texts(choose_vocabulary(texts[:2], size=50), texts)
    assert matrix.shape[0] == 3
    assert np.linalg.norm(matrix.toarray(), axis=1) == pytest.approx([1, 1, 0])


def test_margins_are_those_of_the_machine(tiny_parts: dict[str, Part], maps: LabelMaps) -> None:
    part = tiny_parts["train"]
    fitted = branch(part, maps)
    known = np.flatnonzero(part.targets["handler_function"] != MISSING)
    matrix = encode_texts(fitted.vocabulary, part.texts)
    machine = LinearSVC(C=0.5, random_state=0).fit(matrix[known], part.targets["handler_function"][known])
    margins = fitted.margins(part.texts)["handler_function"]
    np.testing.assert_allclose(margins[:, machine.classes_], machine.decision_function(matrix), atol=1e-4)
    unseen = np.setdiff1d(np.arange(len(maps.functions)), machine.classes_)
    assert (margins[:, unseen] == np.float32(-1.2)).all()


def test_two_classes_get_opposite_margins(tiny_parts: dict[str, Part], maps: LabelMaps) -> None:
    part = tiny_parts["train"]
    level = np.where(part.targets["handler_level"] == 0, 0, 1)
    fitted = fit_wide(part.texts, part.targets | {"handler_level": level}, sizes(maps), size=400, c=0.5)
    margins = fitted.margins(part.texts)["handler_level"]
    np.testing.assert_allclose(margins[:, 0], -margins[:, 1], atol=1e-5)
    assert (margins[:, :2].argmax(1) == level).mean() > 0.9


@pytest.mark.parametrize("only", [MISSING, 2])
def test_a_head_without_two_classes_says_nothing(tiny_parts: dict[str, Part], maps: LabelMaps, only: int) -> None:
    part = tiny_parts["train"]
    kind = np.full(len(part), only)
    margins = fit_wide(part.texts, part.targets | {"kind": kind}, sizes(maps), size=400, c=0.5).margins(part.texts)
    assert (margins["kind"] == margins["kind"][0, 0]).all()
    assert len(np.unique(margins["function"].argmax(1))) > 2


def test_columns_cover_the_table(tiny_parts: dict[str, Part], maps: LabelMaps) -> None:
    fitted = branch(tiny_parts["train"], maps)
    columns = [column for head in WIDE_HEADS for column in range(*fitted.columns[head].indices(10_000))]
    assert columns == list(range(fitted.weights.shape[1]))
    assert fitted.bias.shape == (fitted.weights.shape[1],)
    assert fitted.weights.dtype == np.float32


def test_flags_are_left_to_the_encoder(tiny_parts: dict[str, Part], maps: LabelMaps) -> None:
    assert "flags" not in branch(tiny_parts["train"], maps).margins(["路灯"])


def test_two_fits_are_the_same(tiny_parts: dict[str, Part], maps: LabelMaps) -> None:
    one, other = (branch(tiny_parts["train"], maps) for _ in range(2))
    np.testing.assert_array_equal(one.weights, other.weights)
