"""Character 1–3-grams of a text as TF-IDF values: the input of the model's wide branch.

A key is the n-gram itself, its code points packed 21 bits each into one integer, so there are no
hash collisions and the vocabulary is one sorted array. Values follow scikit-learn's
`TfidfTransformer(sublinear_tf=True)`: (1 + ln tf) · idf, then L2-normalised per text.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BITS = 21  # the largest code point, 0x10FFFF, needs 21 bits; three of them fit in 63


def ngram_keys(text: str) -> NDArray[np.int64]:
    """Keys of all character 1-, 2- and 3-grams of `text`, lower-cased, blanks left out; repeats kept."""
    squeezed = "".join(text.lower().split())
    points = np.frombuffer(squeezed.encode("utf-32-le", errors="replace"), dtype=np.uint32).astype(np.int64)
    pairs = (points[:-1] << _BITS) | points[1:]
    triples = (pairs[:-1] << _BITS) | points[2:]
    return np.concatenate([points, pairs, triples])


@dataclass(frozen=True)
class NgramVocabulary:
    """The n-grams the wide branch knows.

    :param keys: `[K]` int64, ascending.
    :param idf: `[K]` float32, inverse document frequency of each.
    """

    keys: NDArray[np.int64]
    idf: NDArray[np.float32]

    def encode(self, text: str) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Vocabulary indices and TF-IDF values of the known n-grams of `text`; both `[m]`.

        A text without any known n-gram gives one index 0 with value 0, which adds nothing.
        """
        found, counts = np.unique(ngram_keys(text), return_counts=True)
        index = np.minimum(np.searchsorted(self.keys, found), len(self.keys) - 1)
        known = self.keys[index] == found
        index = index[known]
        if not len(index):
            return np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.float32)
        values = (1.0 + np.log(counts[known])) * self.idf[index]
        return index, (values / np.sqrt(np.dot(values, values))).astype(np.float32)
