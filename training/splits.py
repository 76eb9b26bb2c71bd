"""Train, validation and test. The test split is the data's own and is never chosen on.

Validation is cut from the train split by a hash of the text, so that repeats of one text
never stand on both sides and the cut never depends on row order. Texts of test teach nothing.
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

    A row of the train split whose text is in test is in no part.

    :param corpus: rows with `text` and `split` (`train` or `test`).
    :param validation_share: share of the train split that is held out for choosing.
    """
    told = list(zip(corpus["text"], corpus["split"], strict=True))
    tested = {text_group(text) for text, split in told if split == "test"}
    rows: dict[str, list[int]] = {"train": [], "validation": [], "test": []}
    for index, (text, split) in enumerate(told):
        if split == "test":
            rows["test"].append(index)
        elif text_group(text) not in tested:
            rows["validation" if is_validation(text, validation_share) else "train"].append(index)
    return {name: corpus.select(chosen) for name, chosen in rows.items()}
