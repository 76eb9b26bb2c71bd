"""Train, validation, promise and test. The test split is the data's own and is never chosen on.

Validation is cut from the train split by a hash of the text, so that repeats of one text
never stand on both sides and the cut never depends on row order. Texts of test teach nothing.
`promise` is cut in the same way, next to it: its rows neither teach nor choose.
"""

import hashlib
import re

from datasets import Dataset

_NOISE = re.compile(r"[\W\d_]+")


def text_group(text: str) -> str:
    """A key shared by texts that differ only in digits, blanks and punctuation."""
    return hashlib.sha256(_NOISE.sub("", text).encode()).hexdigest()


def _place(text: str) -> float:
    """A number in 0–1 by which texts are cut, the same for all of one `text_group`."""
    return int(text_group(text)[:8], 16) / 0xFFFFFFFF


def split_corpus(corpus: Dataset, validation_share: float, promise_share: float = 0.0) -> dict[str, Dataset]:
    """`train`, `validation` and `test` parts of a corpus (disjoint, also by `text_group`), and `promise` if asked for.

    A row of the train split whose text is in test is in no part.

    :param corpus: rows with `text` and `split` (`train` or `test`).
    :param validation_share: share of the train split that is held out for choosing.
    :param promise_share: further share that is kept from choosing as well; validation is the same with and without.
    """
    told = list(zip(corpus["text"], corpus["split"], strict=True))
    tested = {text_group(text) for text, split in told if split == "test"}
    names = ("train", "validation", "test", *(("promise",) if promise_share else ()))
    rows: dict[str, list[int]] = {name: [] for name in names}
    for index, (text, split) in enumerate(told):
        if split == "test":
            rows["test"].append(index)
        elif text_group(text) not in tested:
            place = _place(text)
            held = "validation" if place < validation_share else "promise"
            rows[held if place < validation_share + promise_share else "train"].append(index)
    return {name: corpus.select(chosen) for name, chosen in rows.items()}
