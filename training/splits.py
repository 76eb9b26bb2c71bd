"""Train, validation and test. The test split is the data's own and is never chosen on.

Validation is cut from the train split by a hash of the text, so that repeats of one text
never stand on both sides and the cut never depends on row order.
"""

import hashlib
import re

from datasets import Dataset

_NOISE = re.compile(r"[\W\d_]+")


def text_group(text: str) -> str:
    """A key shared by texts that differ only in digits, blanks and punctuation."""
    return hashlib.sha256(_NOISE.sub("", text).encode()).hexdigest()


def is_validation(text: str, share: float) -> bool:
    """Whether a train text belongs to the validation cut of about `share` (0–1) of all texts."""
    return int(text_group(text)[:8], 16) / 0xFFFFFFFF < share


def split_corpus(corpus: Dataset, validation_share: float) -> dict[str, Dataset]:
    """`train`, `validation` and `test` parts of a corpus (disjoint, also by `text_group`).

    :param corpus: rows with `text` and `split` (`train` or `test`).
    :param validation_share: share of the train split that is held out for choosing.
    """
    names: list[list[int]] = [[], [], []]
    for index, (text, split) in enumerate(zip(corpus["text"], corpus["split"], strict=True)):
        if split == "test":
            names[2].append(index)
        else:
            names[1 if is_validation(text, validation_share) else 0].append(index)
    return {name: corpus.select(rows) for name, rows in zip(("train", "validation", "test"), names, strict=True)}
