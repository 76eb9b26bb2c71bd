from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dispatch_model.encoder import HEADS, Predictions
from dispatch_model.labels import LabelMaps
from training.predict import CHUNK, accuracies, predict, predict_texts
from training.prepare import Part
from training.targets import MISSING, encode_targets

NAMES = ("category", "handler_function", "handler_level", "function", "level", "kind", "flags", "taidi_label")


class Echo(nn.Module):
    """Answers with the sum of each row's tokens and the number of rows it stood with."""

    def forward(self, ids: Tensor, mask: Tensor) -> dict[str, Tensor]:
        count = torch.full((len(ids),), len(ids))
        return {"kind": torch.stack([(ids * mask).sum(1), count], dim=1).float()}


def part(maps: LabelMaps, rows: int, **columns: list[str | None]) -> Part:
    filled = {name: columns.get(name, [None] * rows) for name in NAMES}
    return Part(filled, ["x"] * rows, ["x"] * rows, encode_targets(filled, maps))


def logits(maps: LabelMaps, rows: int) -> dict[str, np.ndarray]:
    functions, levels = len(maps.functions), len(maps.levels)
    sizes = {"category": len(maps.leaves), "kind": len(maps.kinds), "function": functions, "level": levels}
    sizes |= {"handler_function": functions, "handler_level": levels}
    return {head: np.zeros((rows, size)) for head, size in sizes.items()}


def test_answers_come_back_in_the_order_of_the_rows() -> None:
    ids = [[5] * length for length in (9, 2, 7, 2, 1, 30, 4)]
    answer = predict(Echo(), ids, pad_id=1, tokens=12)["kind"]
    assert answer[:, 0].tolist() == [sum(row) for row in ids]
    assert answer[:, 1].max() > 1  # some did stand together


def test_the_network_is_put_out_of_training() -> None:
    network = Echo().train()
    predict(network, [[1, 2]], pad_id=1, tokens=64)
    assert not network.training


def test_accuracy_counts_known_rows(maps: LabelMaps) -> None:
    answer = logits(maps, 4)
    answer["kind"][[0, 1, 2, 3], [2, 2, 0, 5]] = 1.0
    given = part(maps, 4, kind=[maps.kinds[2], maps.kinds[1], None, maps.kinds[5]])
    assert accuracies(answer, given, maps) == {"kind": pytest.approx(2 / 3)}


def test_the_category_is_judged_by_the_sum_at_four_digits(maps: LabelMaps) -> None:
    answer = logits(maps, 1)
    spread = [maps.leaves.index(leaf) for leaf in ("030501", "030502", "030503")]
    answer["category"][0, spread] = 8.0
    answer["category"][0, maps.leaves.index("080508")] = 8.5  # the best leaf, but alone under its parent
    assert accuracies(answer, part(maps, 1, category=["0305"]), maps) == {"category_4": 1.0}
    assert accuracies(answer, part(maps, 1, category=["0805"]), maps) == {"category_4": 0.0}


def test_heads_nobody_knows_are_not_scored(maps: LabelMaps) -> None:
    given = part(maps, 2)
    assert all((values == MISSING).all() for values in given.targets.values())
    assert accuracies(logits(maps, 2), given, maps) == {}


class Lengths:
    """Answers with the length of each text, and keeps how many were asked at once."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def predict(self, texts: Sequence[str]) -> Predictions:
        """One column a head."""
        self.asked.append(len(texts))
        column = np.array([[len(text)] for text in texts], dtype=np.float32)
        return Predictions(**dict.fromkeys(HEADS, column))  # type: ignore[arg-type]


def test_texts_are_asked_in_chunks_and_answered_in_order() -> None:
    model, texts = Lengths(), ["路" * (number % 7 + 1) for number in range(2 * CHUNK + 3)]
    answer = predict_texts(model, texts, "test")
    assert model.asked == [CHUNK, CHUNK, 3]
    for head in HEADS:
        assert getattr(answer, head)[:, 0].tolist() == [len(text) for text in texts]
