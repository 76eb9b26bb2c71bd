"""Judge a bundle beside the baseline, on cases neither was fitted to.

    dispatch evaluate --bundle build/bundle --out runs/evaluation

Both answer the same rows in the same run; every figure has its number of rows and an interval.
`validation` chose epochs, mixes and temperatures, so only `test` and `calls` are free of choice.
Leaves `evaluation.json` and `report.html` in the out folder.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from dispatch_model.backend import DEFAULT, BackendName
from dispatch_model.bundle import blend_weights
from dispatch_model.encoder import Encoder, Floats
from dispatch_model.labels import LabelMaps
from dispatch_model.ranking import Ranker
from training import metrics
from training.baseline import Outputs, baseline_outputs
from training.ceiling import label_noise
from training.config import TrainingConfig
from training.flags import PARTS as FLAG_PARTS
from training.flags import Judge, flag_figures
from training.metrics import Bools, Ceiling, Score, Statistic
from training.predict import predict_texts
from training.prepare import Part, data_fingerprint, load_parts
from training.questions import MIN_SLICE, Question, model_outputs, questions, slices
from training.report import write_report
from training.scorecard import Evaluation, Figures, FunctionFigure, Row
from training.targets import MISSING, taidi_membership

logger = logging.getLogger(__name__)

JUDGED = ("test", "test_untitled", "validation", "calls")
CENTRED = ("macro_f1", "ece")
RAISED = 0.5  # probability from which a flag counts where the bundle names no threshold


def _statistic(metric: str, scores: Floats, truth: NDArray[np.int64]) -> Statistic:
    best = scores.argmax(axis=1)
    if metric == "macro_f1":
        return metrics.macro_f1_of(truth, best)
    if metric == "ece":
        return metrics.ece_of(np.exp(scores.max(axis=1)), best == truth)
    return metrics.mean_of(metrics.top_k_hits(scores, truth, int(metric.removeprefix("top"))))


def _compare(ours: Statistic, rival: Statistic, n: int, *, centred: bool = False) -> tuple[Score, Score, Score]:
    return (
        metrics.score(ours, n, centred=centred),
        metrics.score(rival, n, centred=centred),
        metrics.difference(ours, rival, n, centred=centred),
    )


def score_question(part: str, question: Question, cases: Mapping[str, NDArray[np.bool_]]) -> Iterator[Row]:
    """The rows of one question for each slice with enough cases (`all` needs only one)."""
    for name, chosen in cases.items():
        rows = np.flatnonzero(chosen & (question.target != MISSING))
        if len(rows) < (1 if name == "all" else MIN_SLICE):
            continue
        truth, ours, rival = question.target[rows], question.ours[rows], question.rival[rows]
        for metric in question.metrics:
            pair = _statistic(metric, ours, truth), _statistic(metric, rival, truth)
            figures = _compare(*pair, len(rows), centred=metric in CENTRED)
            yield Row(part, question.truth, name, question.name, question.answer, metric, *figures)


def score_flags(
    name: str, part: Part, ours: Outputs, rival: Outputs, maps: LabelMaps, thresholds: Mapping[str, float]
) -> Iterator[Row]:
    """Precision and recall of each flag that occurs; `n` counts the flags said, or true."""
    rows = np.flatnonzero(part.targets["flags"][:, 0] != MISSING)
    for column, flag in enumerate(maps.flags):
        truth = part.targets["flags"][rows, column] == 1
        if not truth.any():
            continue
        own = ours["flags"][rows, column] >= thresholds.get(flag, RAISED)
        other = rival["flags"][rows, column] >= RAISED
        for metric in ("precision", "recall"):
            figures = _compare(_ratio(metric, truth, own), _ratio(metric, truth, other), len(rows))
            counts = (own.sum(), other.sum()) if metric == "precision" else (truth.sum(), truth.sum())
            ours_score, rival_score = (_counted(s, int(n)) for s, n in zip(figures[:2], counts, strict=True))
            yield Row(name, "labels", "all", f"flag:{flag}", "head", metric, ours_score, rival_score, figures[2])


def _ratio(metric: str, truth: Bools, said: Bools) -> Statistic:
    return metrics.ratio_of(truth, said) if metric == "precision" else metrics.ratio_of(said, truth)


def _counted(score: Score, n: int) -> Score:
    return Score(score.value, score.low, score.high, n)


def function_figures(question: Question, functions: Sequence[str]) -> Figures:
    """Plot data of a function question."""
    rows = np.flatnonzero(question.target != MISSING)
    truth, size = question.target[rows], len(functions)
    pair = {"ours": question.ours[rows], "baseline": question.rival[rows]}
    best = {name: scores.argmax(axis=1) for name, scores in pair.items()}
    sure = {name: np.exp(scores.max(axis=1)) for name, scores in pair.items()}
    counts = np.bincount(truth * size + best["ours"], minlength=size * size).reshape(size, size)
    f1 = {name: metrics.f1_per_label(truth, answer, size) for name, answer in best.items()}
    per_function = tuple(
        FunctionFigure(function, int(counts[i].sum()), float(f1["ours"][i]), float(f1["baseline"][i]))
        for i, function in enumerate(functions)
        if counts[i].any()
    )
    return Figures(
        functions=tuple(functions),
        confusion=tuple(tuple(int(count) for count in row) for row in counts),
        per_function=per_function,
        reliability={name: metrics.reliability(sure[name], best[name] == truth) for name in pair},
        coverage={name: metrics.coverage_curve(sure[name], best[name] == truth) for name in pair},
    )


def compare(
    answers: Mapping[str, Outputs],
    rivals: Mapping[str, Outputs],
    parts: Mapping[str, Part],
    maps: LabelMaps,
    *,
    bundle: str,
    thresholds: Mapping[str, float],
    ceilings: Mapping[str, Ceiling],
) -> Evaluation:
    """Score both systems' answers to every judged part."""
    rows: list[Row] = []
    figures: dict[str, Figures] = {}
    for name in tqdm([name for name in JUDGED if name in parts], desc="score", leave=False):
        part = parts[name]
        for question in questions(part, answers[name], rivals[name], maps):
            rows.extend(score_question(name, question, slices(part, question.truth)))
            drawn = name == "test" and (question.name, question.answer) == ("function", "wire")
            if drawn and (question.target != MISSING).any():
                figures[question.truth] = function_figures(question, tuple(maps.functions))
        rows.extend(score_flags(name, part, answers[name], rivals[name], maps, thresholds))
    return Evaluation(
        bundle=bundle,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        sizes={name: len(part) for name, part in parts.items()},
        rows=tuple(rows),
        ceilings=dict(ceilings),
        figures=figures,
    )


def show(evaluation: Evaluation, console: Console) -> None:
    """Print the main figures of `test` and `calls` as one table; the report has all."""
    table = Table(title=f"{evaluation.bundle}: ours beside TF-IDF + linear SVM")
    for column in ("part", "truth", "cases", "question", "answer", "metric", "n", "ours", "baseline", "difference"):
        table.add_column(column, justify="right" if column in {"n", "ours", "baseline", "difference"} else "left")
    for row in evaluation.rows:
        if row.part != "validation" and (row.cases == "all" or row.metric == "top1"):
            names = (row.part, row.truth, row.cases, row.question, row.answer, row.metric, str(row.ours.n))
            table.add_row(*names, interval(row.ours), interval(row.baseline), interval(row.difference, sign="+"))
    console.print(table)


def interval(score: Score, sign: str = "") -> str:
    """A figure with its interval, such as `0.812 [0.797, 0.826]`."""
    return f"{score.value:{sign}.3f} [{score.low:{sign}.3f}, {score.high:{sign}.3f}]"


def evaluate(
    bundle: Path | None,
    config: TrainingConfig,
    out: Path,
    *,
    console: Console | None = None,
    backend: BackendName = DEFAULT,
) -> Evaluation:
    """Judge a bundle (None: the one that travels with the package); leave `evaluation.json` and `report.html` in `out`.

    :raises DispatchError: INVALID_BUNDLE or INVALID_CONFIG naming the file that is missing or does not fit.
    """
    maps = LabelMaps.load()
    encoder = Encoder.open(bundle, backend)
    manifest = encoder.bundle.manifest
    parts = load_parts(config, maps)
    parts["test_untitled"] = parts["test"].untitled()
    if data_fingerprint(parts["train"]) != manifest.training_data:
        logger.warning("the baseline's train rows are not those of bundle %s: labels were added since", manifest.name)
    taidi = taidi_membership(maps, parts["train"].targets)
    ranker = Ranker(encoder.bundle.log_prior, manifest.beta, temperature=manifest.temperature, hold=False)
    answers = {
        name: model_outputs(
            predict_texts(encoder, parts[name].texts, name),
            blend_weights(manifest, parts[name].rows["city"]),
            ranker,
            taidi,
            maps,
        )
        for name in JUDGED
        if name in parts
    }
    evaluation = compare(
        answers,
        baseline_outputs(parts, maps),
        parts,
        maps,
        bundle=encoder.bundle.version,
        thresholds={flag: getattr(manifest.thresholds, flag, RAISED) for flag in maps.flags},
        ceilings=label_noise(config.data.folder),
    )
    judge = Judge.of(manifest)
    told = [
        flag_figures(name, parts[name], answers[name]["flags"], judge, maps) for name in FLAG_PARTS if name in parts
    ]
    evaluation = replace(evaluation, flags=tuple(chain.from_iterable(told)))
    evaluation.save(out)
    write_report(evaluation, out)
    show(evaluation, console or Console())
    return evaluation
