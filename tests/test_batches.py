import random
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer

from training.batches import epoch_batches, length_batches, pad, scarce, select, tokenize
from training.targets import MISSING

LENGTHS = [random.Random(3).randint(3, 60) for _ in range(200)]


def test_every_row_is_in_exactly_one_batch() -> None:
    for rng in (None, random.Random(1)):
        batches = length_batches(LENGTHS, 256, rng)
        assert sorted(row for batch in batches for row in batch) == list(range(200))


def test_the_padded_size_stays_within_the_bound() -> None:
    for seed in range(20):
        for batch in length_batches(LENGTHS, 256, random.Random(seed)):
            assert max(LENGTHS[row] for row in batch) * len(batch) <= 256


def test_noise_in_the_order_does_not_break_the_bound() -> None:
    lengths = [20 + row % 4 for row in range(60)]
    for seed in range(50):
        for batch in length_batches(lengths, 100, random.Random(seed)):
            assert max(lengths[row] for row in batch) * len(batch) <= 100


def test_a_row_longer_than_the_bound_stands_alone() -> None:
    assert length_batches([5, 400, 5], 100) == [[0, 2], [1]]


def test_batches_hold_rows_of_similar_length() -> None:
    padded = sum(max(LENGTHS[row] for row in batch) * len(batch) for batch in length_batches(LENGTHS, 256))
    assert padded < 1.15 * sum(LENGTHS)


def test_no_rows_make_no_batch() -> None:
    assert length_batches([], 100) == []


def test_an_epoch_repeats_under_its_seed_and_differs_from_the_next() -> None:
    first = list(epoch_batches(LENGTHS, 256, seed=5, epoch=0))
    assert first == list(epoch_batches(LENGTHS, 256, seed=5, epoch=0))
    assert first != list(epoch_batches(LENGTHS, 256, seed=5, epoch=1))
    assert first != list(epoch_batches(LENGTHS, 256, seed=6, epoch=0))
    assert [number for number, _ in first] == list(range(len(first)))


def test_padding_is_masked() -> None:
    ids, mask = pad([[0, 7, 2], [0, 2]], pad_id=1)
    assert ids.tolist() == [[0, 7, 2], [0, 2, 1]]
    assert mask.tolist() == [[1, 1, 1], [1, 1, 0]]


def test_select_keeps_order_and_shape() -> None:
    targets = {"kind": np.array([4, 5, 6]), "flags": np.array([[0, 1], [1, 0], [1, 1]])}
    chosen = select(targets, [2, 0])
    assert chosen["kind"].tolist() == [6, 4]
    assert torch.equal(chosen["flags"], torch.tensor([[1, 1], [0, 1]]))


def test_scarce_rows_are_those_of_functions_with_few_rows() -> None:
    handled = np.array([0, 0, 0, 1, MISSING, MISSING, MISSING, 2])
    should = np.array([2, 2, 2, 0, 1, MISSING, 0, MISSING])
    targets = {"handler_function": handled, "function": should}  # the handler counts where known: 0 four times, 1 twice
    assert scarce(targets, 0) == scarce(targets, 1) == []
    assert scarce(targets, 2) == [7]
    assert scarce(targets, 4) == [3, 4, 7]
    assert scarce(targets, 5) == [0, 1, 2, 3, 4, 6, 7]  # never one of which neither is known


def test_nothing_is_scarce_where_no_function_is_known() -> None:
    unknown = np.full(3, MISSING)
    assert scarce({"handler_function": unknown, "function": unknown}, 10) == []


def test_long_texts_keep_head_and_tail(tiny_base: Path) -> None:
    tokenizer = Tokenizer.from_file(str(tiny_base / "tokenizer.json"))
    long, short = tokenize(tokenizer, ["路灯不亮了" * 10, "路灯"], 16)
    whole = tokenizer.encode("路灯不亮了" * 10).ids
    assert long == whole[:12] + whole[-4:]
    assert len(short) == 4
    assert (short[0], short[-1]) == (0, 2)
