"""A linear model told nothing of a city, or of some of its districts: what remains is what carries over.

A network would need a training run for every set of districts left out; character n-grams need seconds.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.svm import LinearSVC

from training.baseline import NEVER, C
from training.metrics import Bools
from training.targets import MISSING, Targets

FEATURES = 2**18
STOP = 1e-2  # of the SVM's optimiser; finer changes no figure in its second place
HEADS = ("handler_function", "handler_level", "function", "level")
FOLDS = 4

Scores = dict[str, NDArray[np.float64]]


def folds(districts: Sequence[str], count: int = FOLDS) -> list[frozenset[str]]:
    """Districts in `count` groups with about as many rows each; '' (no district) is in none."""
    rows = Counter(name for name in districts if name)
    groups: list[set[str]] = [set() for _ in range(min(count, len(rows)))]
    sizes = [0] * len(groups)
    for name, size in sorted(rows.items(), key=lambda one: (-one[1], one[0])):
        smallest = sizes.index(min(sizes))
        groups[smallest].add(name)
        sizes[smallest] += size
    return [frozenset(group) for group in groups]


@dataclass
class Linear:
    """Train rows and judged rows as counts of n-grams, to be weighed anew for every set of train rows.

    :param sizes: head → number of its labels.
    """

    train: csr_matrix
    judged: csr_matrix
    targets: Targets
    sizes: Mapping[str, int]

    @classmethod
    def of(cls, train: Sequence[str], judged: Sequence[str], targets: Targets, sizes: Mapping[str, int]) -> "Linear":
        """From texts; nothing is fitted to them yet."""
        counter = HashingVectorizer(
            analyzer="char", ngram_range=(1, 3), n_features=FEATURES, alternate_sign=False, norm=None
        )
        return cls(counter.transform(train), counter.transform(judged), targets, sizes)

    def scores(self, kept: Bools, rows: NDArray[np.intp], heads: Collection[str] = HEADS) -> Scores:
        """Head → `[rows, labels]` of the judged `rows`, having learned from the train rows `kept` alone."""
        weigh = TfidfTransformer(sublinear_tf=True).fit(self.train[kept])
        learned, asked = weigh.transform(self.train[kept]), weigh.transform(self.judged[rows])
        return {head: self._head(head, learned, self.targets[head][kept], asked) for head in heads}

    def _head(
        self, head: str, learned: csr_matrix, target: NDArray[np.int64], asked: csr_matrix
    ) -> NDArray[np.float64]:
        known = np.flatnonzero(target != MISSING)
        classes = np.unique(target[known])
        scores = np.full((asked.shape[0], self.sizes[head]), NEVER)
        if len(classes) == 1:
            scores[:, classes] = 0.0
        elif len(classes):
            machine = LinearSVC(C=C, tol=STOP, random_state=0).fit(learned[known], target[known])
            margins = machine.decision_function(asked)
            # scikit-learn gives one column for two classes
            scores[:, classes] = np.stack([-margins, margins], axis=1) if len(classes) == 2 else margins
        return scores
