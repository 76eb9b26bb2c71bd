import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch_model.encoder import HEADS, Encoder, Predictions, head_tail
from dispatch_model.errors import DispatchError, ErrorKind

TEXTS = ("橡树湾门口的路灯不亮了", "路灯", "想问外地看病的钱医保怎么报销，要带什么" * 6, "qqq", "")


@pytest.fixture(scope="module")
def encoder(tiny_bundle: Path) -> Encoder:
    """The tiny bundle, loaded."""
    return Encoder.open(tiny_bundle)


def relabelled(bundle: Path, folder: Path, change: Callable[[dict[str, list[str]]], object]) -> Path:
    """A copy of the bundle whose manifest lists other labels."""
    shutil.copytree(bundle, folder)
    manifest = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
    change(manifest["heads"])
    (folder / "bundle.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


@given(st.lists(st.integers(), max_size=60), st.integers(min_value=4, max_value=40))
def test_head_and_tail_are_the_ends(ids: list[int], limit: int) -> None:
    kept = head_tail(ids, limit)
    assert len(kept) == min(len(ids), limit)
    head = limit - limit // 4
    assert kept[:head] == ids[:head]
    assert len(ids) <= limit or kept[head:] == ids[-(limit // 4) :]


def test_head_tail_keeps_the_marks_of_a_long_text() -> None:
    assert head_tail([0, *range(10, 30), 2], 8) == [0, 10, 11, 12, 13, 14, 29, 2]


def test_a_case_gets_the_same_answer_alone_and_in_a_batch(encoder: Encoder) -> None:
    together = encoder.predict(TEXTS)
    for row, text in enumerate(TEXTS):
        alone = encoder.predict([text])
        for head in HEADS:
            np.testing.assert_array_equal(getattr(together, head)[row], getattr(alone, head)[0])


def test_answers_are_calibrated_probabilities(encoder: Encoder) -> None:
    answer = encoder.predict(TEXTS)
    for head in HEADS:
        values = getattr(answer, head)
        assert values.shape == (len(TEXTS), len(encoder.bundle.manifest.heads[head]))
        assert values.dtype == np.float32
        if head != "flags":
            np.testing.assert_allclose(np.exp(values).sum(axis=1), 1.0, rtol=1e-4)
    assert ((answer.flags > 0) & (answer.flags < 1)).all()
    assert answer.tokenize_ms > 0
    assert answer.infer_ms > 0


def test_order_is_kept_and_texts_differ(encoder: Encoder) -> None:
    there, back = encoder.predict(TEXTS), encoder.predict(TEXTS[::-1])
    np.testing.assert_array_equal(there.category, back.category[::-1])
    assert not np.allclose(there.category[0], there.category[2])


def test_no_texts_give_empty_answers(encoder: Encoder) -> None:
    answer = encoder.predict([])
    assert answer.category.shape == (0, 515)
    assert answer.flags.shape == (0, 5)


def test_a_long_text_is_cut_to_the_bundles_limit(encoder: Encoder) -> None:
    feeds = encoder.feeds("路灯" * 400)
    assert feeds["input_ids"].shape == (1, encoder.bundle.manifest.max_tokens)
    assert feeds["attention_mask"].all()
    assert feeds["ngram_ids"].shape == feeds["ngram_values"].shape


def test_labels_that_do_not_fit_the_network_name_both_numbers(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = relabelled(tiny_bundle, tmp_path / "b", lambda heads: heads["kind"].pop())
    with pytest.raises(DispatchError, match=r"输出 kind 有 6 个分值，bundle\.json 列出 5 个标签") as caught:
        Encoder.open(folder)
    assert caught.value.kind is ErrorKind.INVALID_BUNDLE
    assert str(folder / "model.onnx") in caught.value.message


def test_a_head_without_labels_is_refused(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = relabelled(tiny_bundle, tmp_path / "b", lambda heads: heads.pop("handler_level"))
    with pytest.raises(DispatchError, match=r"输出 handler_level 有 4 个分值，bundle\.json 列出 0 个标签"):
        Encoder.open(folder)


def test_blending_mixes_probabilities_per_head() -> None:
    rows: dict[str, Any] = {head: np.log(np.array([[0.5, 0.5]], dtype=np.float32)) for head in HEADS}
    rows["function"] = np.log(np.array([[0.8, 0.2]], dtype=np.float32))
    rows["handler_level"] = np.log(np.array([[0.1, 0.9]], dtype=np.float32))
    function, level = Predictions(**rows).blended({"function": 0.75, "level": 0.0})
    assert np.exp(function)[0] == pytest.approx([0.725, 0.275], rel=1e-4)
    assert np.exp(level)[0] == pytest.approx([0.1, 0.9], rel=1e-4)
