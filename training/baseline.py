"""The rival every model has to beat: character 1–3-gram TF-IDF and a linear SVM per head.

It is fitted in the same run and on exactly the rows the network trains on, so no difference of data
can flatter either. Its settings are fixed here and not in the training configuration for the same reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.svm import LinearSVC
from tqdm import tqdm

from dispatch_model.labels import LabelMaps
from training.calibrate import log_softmax, negative_log_likelihood
from training.prepare import Part
from training.targets import MISSING, TAIDI_CLASSES, Targets, parent_membership

C = 0.5
NEVER = -50.0  # log-probability of a label without a training row; finite, so that sums stay numbers
START_SCALE = 3.0  # used where validation has no row that knows the head

Outputs = dict[str, NDArray[np.float32]]
Margins = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class _Rows:
    """Decision values of one head, `[rows, classes]`, for the labels seen in training."""

    classes: NDArray[np.int64]
    margins: Margins


def head_sizes(maps: LabelMaps) -> dict[str, int]:
    """Number of labels of each head with one answer; `parent` is the category at four digits."""
    functions, levels = len(maps.functions), len(maps.levels)
    return {
        "handler_function": functions,
        "handler_level": levels,
        "function": functions,
        "level": levels,
        "kind": len(maps.kinds),
        "category": len(maps.leaves),
        "parent": len(parent_membership(maps)[0]),
        "taidi": len(TAIDI_CLASSES),
    }


def _decide(train: csr_matrix, target: NDArray[np.int64], others: Mapping[str, csr_matrix]) -> _Rows:
    """Fit on the known rows; the machine is thrown away, as 500 classes × 500,000 n-grams fill memory."""
    known = np.flatnonzero(target != MISSING)
    classes = np.unique(target[known])
    if len(classes) < 2:
        return _Rows(classes, {name: np.zeros((matrix.shape[0], len(classes))) for name, matrix in others.items()})
    rows = train[known]
    seen = np.unique(rows.indices)  # columns without an entry keep weight 0 anyway
    machine = LinearSVC(C=C, random_state=0).fit(rows[:, seen], target[known])
    margins = {name: machine.decision_function(matrix[:, seen]) for name, matrix in others.items()}
    if len(classes) == 2:  # scikit-learn gives one column for two classes
        margins = {name: np.stack([-values, values], axis=1) for name, values in margins.items()}
    return _Rows(classes, margins)


def fit_scale(margins: NDArray[np.float64], target: NDArray[np.int64]) -> float:
    """The inverse temperature that makes the known targets most likely under softmax."""
    if not (target != MISSING).any():
        return START_SCALE
    answer = minimize_scalar(
        lambda log_scale: negative_log_likelihood(np.exp(log_scale) * margins, target),
        bounds=(np.log(0.1), np.log(50.0)),
        method="bounded",
    )
    return float(np.exp(answer.x))


def _log_probabilities(decided: _Rows, target: NDArray[np.int64], labels: int) -> dict[str, NDArray[np.float32]]:
    """Per part `[rows, labels]`, with the temperature that suits the validation rows."""
    position = np.full(labels, MISSING)
    position[decided.classes] = np.arange(len(decided.classes))
    local = np.where(target == MISSING, MISSING, position[np.maximum(target, 0)])
    scale = fit_scale(decided.margins["validation"], local) if len(decided.classes) else 1.0
    outputs = {}
    for name, margins in decided.margins.items():
        outputs[name] = np.full((len(margins), labels), NEVER, dtype=np.float32)
        if len(decided.classes):
            outputs[name][:, decided.classes] = log_softmax(scale * margins)
    return outputs


def _flags(train: csr_matrix, target: NDArray[np.int64], others: Mapping[str, csr_matrix]) -> Outputs:
    """Per part `[rows, flags]`: a flag is raised (> 0.5) where its own machine's margin is positive."""
    columns: dict[str, list[NDArray[np.float64]]] = {name: [] for name in others}
    for flag in range(target.shape[1]):
        decided = _decide(train, target[:, flag], others)
        for name, margins in decided.margins.items():
            both = len(decided.classes) == 2
            columns[name].append(1 / (1 + np.exp(-margins[:, 1])) if both else np.zeros(len(margins)))
    return {name: np.stack(flags, axis=1).astype(np.float32) for name, flags in columns.items()}


def baseline_outputs(parts: Mapping[str, Part], maps: LabelMaps) -> dict[str, Outputs]:
    """Fit on `train`, calibrate on `validation`, answer every part but `train`.

    :returns: part → head → `[rows, labels]` log-probabilities (`flags`: probabilities); heads as in `head_sizes`.
    """
    vectorizer = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=2, sublinear_tf=True)
    train = vectorizer.fit_transform(parts["train"].texts)
    others = {name: vectorizer.transform(part.texts) for name, part in parts.items() if name != "train"}
    targets: Targets = parts["train"].targets
    answers: dict[str, Outputs] = {name: {} for name in others}
    for head, labels in tqdm(head_sizes(maps).items(), desc="baseline", leave=False):
        decided = _decide(train, targets[head], others)
        for name, values in _log_probabilities(decided, parts["validation"].targets[head], labels).items():
            answers[name][head] = values
    for name, values in _flags(train, targets["flags"], others).items():
        answers[name]["flags"] = values
    return answers
