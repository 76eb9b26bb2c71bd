"""Which labels are likely wrong: confident learning (Northcutt et al. 2021) over a cheap model, out of fold.

The model is the linear probe of character n-grams. It also reads the row's *other* labels: a category that hardly
ever goes with the function given argues against one of the two. Rows of one text stand in one fold, so that no row
is judged by its own copy; what copies say about each other is told apart (`training/contradictions.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, hstack
from sklearn.preprocessing import OneHotEncoder
from sklearn.svm import LinearSVC

from training.baseline import fit_scale
from training.calibrate import log_softmax
from training.splits import text_group
from training.wide import choose_vocabulary, encode_texts

FOLDS = 5
VOCABULARY = 60_000
LEAST_ROWS = 2 * FOLDS  # a label of fewer rows cannot be judged out of fold
_C = 0.3
_OTHER = 0.4  # weight of another label beside a text whose features have length 1
Labels = Mapping[str, Sequence[str | None]]


@dataclass(frozen=True)
class Judged:
    """What the probe says about one field of the rows.

    :param names: the labels, in the order of the columns.
    :param given: `[rows]` index of the label a row bears; -1 where it bears none that can be judged.
    :param probabilities: `[rows, names]`, out of fold.
    """

    names: tuple[str, ...]
    given: NDArray[np.int64]
    probabilities: NDArray[np.float64]

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """Per label the mean probability of the rows that bear it: what counts as confident."""
        rows = np.flatnonzero(self.given >= 0)
        sums = np.bincount(self.given[rows], self.probabilities[rows, self.given[rows]], len(self.names))
        return np.asarray(sums / np.bincount(self.given[rows], minlength=len(self.names)))

    @property
    def proposed(self) -> NDArray[np.int64]:
        """`[rows]` the likeliest label beside the one given."""
        others = self.probabilities.copy()
        rows = np.flatnonzero(self.given >= 0)
        others[rows, self.given[rows]] = -1.0
        return np.asarray(others.argmax(axis=1), dtype=np.int64)

    @property
    def suspicion(self) -> NDArray[np.float64]:
        """`[rows]` 0–1: how unlikely the label given is; 0 where none was judged.

        Ranks better than the normalised margin, or than the confident joint first (docs/experiments.md).
        """
        own = self.probabilities[np.arange(len(self.given)), self.given]
        return np.where(self.given >= 0, 1.0 - own, 0.0)

    @property
    def off_diagonal(self) -> NDArray[np.bool_]:
        """`[rows]` whether a row counts as another label in the confident joint: their number estimates the wrong."""
        confident = np.where(self.probabilities >= self.thresholds, self.probabilities, -1.0)
        best = confident.argmax(axis=1)
        return np.asarray((self.given >= 0) & (confident.max(axis=1) >= 0) & (best != self.given))


def folds_of(texts: Sequence[str]) -> NDArray[np.int64]:
    """`[texts]` the fold of each; texts that differ only in digits, blanks and punctuation share one."""
    return np.array([int(text_group(text)[8:16], 16) % FOLDS for text in texts], dtype=np.int64)


def features_of(texts: Sequence[str]) -> csr_matrix:
    """`[texts, n-grams]` TF-IDF. It knows no labels, so one vocabulary may serve all folds."""
    return encode_texts(choose_vocabulary(texts, VOCABULARY), texts)


def judge(features: csr_matrix, folds: NDArray[np.int64], labels: Labels, field: str) -> Judged | None:
    """Probabilities of a field's labels, each row's from a probe that has not seen it; None for fewer than two labels.

    :param labels: all fields of the rows; those beside `field` are evidence.
    """
    names, given = indexed(labels[field])
    if len(names) < 2:
        return None
    others = [name for name in labels if name != field]
    matrix = _beside(features, {name: labels[name] for name in others}) if others else features
    margins = np.full((len(given), len(names)), np.nan)
    for fold in range(FOLDS):
        seen, held = np.flatnonzero((folds != fold) & (given >= 0)), np.flatnonzero(folds == fold)
        margins[held] = probe_margins(matrix[seen], given[seen], matrix[held], len(names))
    scale = fit_scale(margins, given)
    return Judged(names, given, np.exp(log_softmax(scale * margins)))


def indexed(column: Sequence[str | None]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Labels with rows enough, and each row's index among them."""
    told, counts = np.unique([value for value in column if value], return_counts=True)
    names = tuple(map(str, told[counts >= LEAST_ROWS]))
    place = {name: index for index, name in enumerate(names)}
    return names, np.array([place.get(value or "", -1) for value in column], dtype=np.int64)


def _beside(features: csr_matrix, others: Labels) -> csr_matrix:
    """The features with the other labels of each row."""
    columns = np.array([[value or "" for value in column] for column in others.values()]).T
    told = OneHotEncoder(dtype=np.float32).fit_transform(columns)
    return csr_matrix(hstack([features, _OTHER * told], format="csr"))


def probe_margins(seen: csr_matrix, target: NDArray[np.int64], held: csr_matrix, labels: int) -> NDArray[np.float64]:
    """The linear probe: decision values `[held, labels]`; a label not among the seen gets the lowest of its row."""
    classes = np.unique(target)
    if len(classes) < 2:
        return np.zeros((held.shape[0], labels))
    machine = LinearSVC(C=_C, random_state=0).fit(seen, target)
    values = machine.decision_function(held)
    if len(classes) == 2:
        values = np.stack([-values, values], axis=1)
    margins = np.tile(values.min(axis=1, keepdims=True), labels)
    margins[:, classes] = values
    return np.asarray(margins)
