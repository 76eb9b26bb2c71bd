import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from dispatch_model.encoder import Predictions
from dispatch_model.errors import DispatchError
from dispatch_model.labels import LabelMaps
from dispatch_model.ranking import Ranker
from training import evaluate
from training.baseline import Outputs, baseline_outputs
from training.config import TrainingConfig
from training.metrics import Score
from training.predict import predict_texts
from training.prepare import Part
from training.questions import model_outputs
from training.scorecard import Evaluation, Row
from training.targets import MISSING, taidi_membership

BLEND = {"function": 0.0, "level": 0.0}  # the wire list is then what the handler heads say
HEADS = ("category", "function", "level", "handler_function", "handler_level", "kind")


class Oracle:
    """Answers with the truth of one part wherever it is known, by text; `right=False`: never with it."""

    def __init__(self, part: Part, maps: LabelMaps, *, right: bool = True) -> None:
        self.part, self.right = part, right
        self.row = {text: row for row, text in enumerate(part.texts)}
        functions, levels = len(maps.functions), len(maps.levels)
        self.widths = dict(zip(HEADS, (len(maps.leaves), functions, levels, functions, levels, 6), strict=True))

    def predict(self, texts: Sequence[str]) -> Predictions:
        """0.9 on one label, the rest spread evenly."""
        rows = [self.row[text] for text in texts]
        columns: dict[str, Any] = {"flags": (self.part.targets["flags"][rows] == 1).astype(np.float32)}
        for head, width in self.widths.items():
            truth = np.maximum(self.part.targets[head][rows], 0)
            best = truth if self.right else (truth + 1) % width
            columns[head] = np.full((len(rows), width), np.log(0.1 / (width - 1)), dtype=np.float32)
            columns[head][np.arange(len(rows)), best] = np.log(0.9)
        return Predictions(**columns)


def judged(parts: dict[str, Part], maps: LabelMaps, *, right: bool = True) -> Evaluation:
    """The evaluation of an oracle on the tiny test split."""
    part = parts["test"]
    given = predict_texts(Oracle(part, maps, right=right), part.texts, "test")
    return evaluate.compare(
        {"test": model_outputs(given, BLEND, Ranker(hold=False), taidi_membership(maps), maps)},
        baseline_outputs(parts, maps),
        {"train": parts["train"], "test": part},
        maps,
        bundle="oracle",
        thresholds={},
        ceilings={},
    )


def only(evaluation: Evaluation, question: str, metric: str, truth: str = "handler", answer: str = "head") -> Row:
    row = evaluation.find(question, metric, truth=truth, answer=answer)
    assert row is not None
    return row


def test_one_who_knows_the_truth_scores_one(tiny_parts: dict[str, Part], maps: LabelMaps) -> None:
    evaluation = judged(tiny_parts, maps)
    known = int((tiny_parts["test"].targets["handler_function"] != MISSING).sum())
    for question in ("function", "level", "route"):
        for answer in ("head", "wire"):
            assert only(evaluation, question, "top1", answer=answer).ours == Score(1.0, 1.0, 1.0, known)
    for question in ("category6", "category4", "category2", "kind"):
        assert only(evaluation, question, "macro_f1", truth="labels").ours.value == 1.0
    assert only(evaluation, "route", "top1", answer="ranked").ours.value == 1.0


def test_one_who_is_always_wrong_scores_nothing_beside_the_baseline(
    tiny_parts: dict[str, Part], maps: LabelMaps
) -> None:
    row = only(judged(tiny_parts, maps, right=False), "function", "top1")
    assert row.ours.value == 0.0
    assert row.baseline.value == 1.0
    assert row.difference.value == -1.0


def test_what_no_row_knows_has_no_figure(tiny_parts: dict[str, Part], maps: LabelMaps) -> None:
    evaluation = judged(tiny_parts, maps)
    assert evaluation.find("taidi", "macro_f1", truth="taidi") is None
    assert not [row for row in evaluation.rows if row.ours.n == 0 and row.metric != "precision"]


def test_flags_count_what_is_said_and_what_is_true(tiny_parts: dict[str, Part], maps: LabelMaps) -> None:
    part = tiny_parts["test"]
    flags = part.targets["flags"]
    column = int(np.argmax((flags == 1).sum(axis=0)))
    raised, known = flags[:, column] == 1, flags[:, 0] != MISSING
    ours: Outputs = {"flags": np.zeros((len(part), len(maps.flags)), dtype=np.float32)}
    ours["flags"][known, column] = 0.6  # said of every case
    silent: Outputs = {"flags": np.zeros_like(ours["flags"])}
    rows = list(evaluate.score_flags("test", part, ours, silent, maps, {}))
    precision, recall = (row for row in rows if row.question == f"flag:{maps.flags[column]}")
    assert precision.ours.value == pytest.approx(raised.sum() / known.sum())
    assert (precision.ours.n, precision.baseline.n) == (known.sum(), 0)
    assert (recall.ours.value, recall.ours.n, recall.baseline.value) == (1.0, raised.sum(), 0.0)


def test_a_flag_is_raised_at_the_bundles_own_threshold(tiny_parts: dict[str, Part], maps: LabelMaps) -> None:
    part = tiny_parts["test"]
    unsure: Outputs = {"flags": np.full((len(part), len(maps.flags)), 0.6, dtype=np.float32)}
    thresholds = dict.fromkeys(maps.flags, 0.7)
    rows = evaluate.score_flags("test", part, unsure, unsure, maps, thresholds)
    recalls = [(row.ours.value, row.baseline.value) for row in rows if row.metric == "recall"]
    assert recalls
    assert set(recalls) == {(0.0, 1.0)}


def test_plot_data_add_up(tiny_parts: dict[str, Part], maps: LabelMaps) -> None:
    figures = judged(tiny_parts, maps).figures["handler"]
    rows = int((tiny_parts["test"].targets["handler_function"] != MISSING).sum())
    counts = np.array(figures.confusion)
    assert counts.sum() == np.trace(counts) == rows
    assert sum(one.n for one in figures.per_function) == rows
    assert all(one.ours == 1.0 for one in figures.per_function)
    assert sum(point.n for point in figures.reliability["ours"]) == rows
    assert figures.coverage["baseline"][-1].x == 1.0


def test_the_table_shows_ours_beside_the_baseline(tiny_parts: dict[str, Part], maps: LabelMaps) -> None:
    screen = io.StringIO()
    evaluate.show(judged(tiny_parts, maps), Console(file=screen, width=200))
    assert "oracle: ours beside" in screen.getvalue()
    assert "1.000 [1.000, 1.000]" in screen.getvalue()


def test_a_bundle_is_judged_on_every_part_that_was_held_out(
    tmp_path: Path, tiny_bundle: Path, tiny_config: TrainingConfig
) -> None:
    silent = Console(file=io.StringIO())
    evaluation = evaluate.evaluate(tiny_bundle, tiny_config, tmp_path, console=silent)
    assert {row.part for row in evaluation.rows} == {"test", "test_untitled", "validation", "calls"}
    assert {figure.part for figure in evaluation.flags} <= {"test", "validation", "calls"}
    assert {figure.source for figure in evaluation.flags} == {"triggers", "model", "both"}
    assert evaluation.bundle.startswith("tiny+")
    assert Evaluation.load(tmp_path / "evaluation.json") == evaluation
    assert "派单模型评测报告" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path, tiny_config: TrainingConfig) -> None:
    with pytest.raises(DispatchError, match=r"bundle\.json"):
        evaluate.evaluate(tmp_path, tiny_config, tmp_path / "out")
    assert not (tmp_path / "out").exists()
