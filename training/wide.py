"""The wide branch: linear classifiers over character n-grams, one weight table for all heads.

A plain linear model on TF-IDF is a strong rival on these texts and errs elsewhere than the encoder;
its scores are added to the encoder's inside the same graph (Cheng et al. 2016, "Wide & Deep").
Each head is learned one class against the rest; six-digit categories take the scores of their four digits,
and flags are left to the encoder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.svm import LinearSVC
from tqdm import tqdm

from dispatch_model.ngrams import NgramVocabulary, ngram_keys
from training.targets import MISSING, Targets

WIDE_HEADS = ("handler_function", "handler_level", "function", "level", "kind", "parent")


@dataclass(frozen=True)
class WideBranch:
    """What the graph needs: a table of weights and where each head's columns are.

    :param vocabulary: the n-grams, in the order of the table's rows.
    :param weights: `[K, D]` float32.
    :param bias: `[D]` float32.
    :param columns: head → slice of the D columns.
    """

    vocabulary: NgramVocabulary
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    columns: Mapping[str, slice]

    def margins(self, texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Decision values per head, `[texts, labels]`."""
        scores = encode_texts(self.vocabulary, texts) @ self.weights + self.bias
        return {head: np.asarray(scores[:, columns]) for head, columns in self.columns.items()}


def choose_vocabulary(texts: Sequence[str], size: int) -> NgramVocabulary:
    """The `size` n-grams found in most texts, with smoothed idf = ln((1+n)/(1+df)) + 1."""
    per_text = [np.unique(ngram_keys(text)) for text in texts]
    keys, frequency = np.unique(np.concatenate(per_text), return_counts=True)
    kept = np.sort(np.argsort(-frequency, kind="stable")[:size])
    idf = np.log((1 + len(texts)) / (1 + frequency[kept])) + 1
    return NgramVocabulary(keys[kept], idf.astype(np.float32))


def encode_texts(vocabulary: NgramVocabulary, texts: Sequence[str]) -> csr_matrix:
    """`[texts, K]` sparse TF-IDF matrix."""
    encoded = [vocabulary.encode(text) for text in texts]
    starts = np.cumsum([0, *[len(index) for index, _ in encoded]])
    indices = np.concatenate([index for index, _ in encoded])
    values = np.concatenate([value for _, value in encoded])
    return csr_matrix((values, indices, starts), shape=(len(texts), len(vocabulary.keys)))


def _fit_head(
    matrix: csr_matrix, target: NDArray[np.int64], labels: int, c: float, counts: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """`[K, labels]` weights and `[labels]` bias.

    A label never seen keeps weight 0 and a low bias; so do all where the rows know fewer than two.
    """
    known = np.flatnonzero(target != MISSING)
    weights = np.zeros((matrix.shape[1], labels), dtype=np.float32)
    bias = np.full(labels, -1.2, dtype=np.float32)  # about the margin of a text that is surely not of a class
    if len(np.unique(target[known])) < 2:
        return weights, bias
    machine = LinearSVC(C=c, random_state=0).fit(
        matrix[known], target[known], sample_weight=None if counts is None else counts[known]
    )
    coefficients, intercept = machine.coef_, machine.intercept_
    if len(machine.classes_) == 2:  # scikit-learn keeps only one row for two classes
        coefficients, intercept = np.vstack([-coefficients, coefficients]), np.array([-intercept[0], intercept[0]])
    weights[:, machine.classes_] = coefficients.T
    bias[machine.classes_] = intercept
    return weights, bias


def fit_wide(texts: Sequence[str], targets: Targets, sizes: Mapping[str, int], size: int, c: float) -> WideBranch:
    """Vocabulary and one linear SVM per head on the rows that know it; those from daily work count by their weight.

    :param sizes: number of labels per head of `WIDE_HEADS`.
    """
    vocabulary = choose_vocabulary(texts, size)
    matrix = encode_texts(vocabulary, texts)
    counts = targets["weight"] / 100 if "weight" in targets else None
    weights, biases, columns, start = [], [], {}, 0
    for head in tqdm(WIDE_HEADS, desc="wide branch"):
        head_weights, head_bias = _fit_head(matrix, targets[head], sizes[head], c, counts)
        weights.append(head_weights)
        biases.append(head_bias)
        columns[head] = slice(start, start + sizes[head])
        start += sizes[head]
    return WideBranch(vocabulary, np.hstack(weights), np.concatenate(biases), columns)
