"""Chooses the cases that are worth an annotator's time and writes them for his tool: `dispatch data next`."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from dispatch_model.encoder import Encoder, Predictions
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.label_task import Answered, Candidate, LabelTask
from dispatch_model.labels import LabelMaps
from dispatch_model.worked_row import text_key
from training.acquire import choose, nearness, uncertainty
from training.corpus import encoder_text
from training.exchange_formats import argilla_settings, label_config, to_argilla, to_label_studio
from training.targets import parent_membership
from training.wide import encode_texts

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Chosen:
    """What was chosen.

    :param offered: cases that could have been, each text once.
    """

    tasks: Sequence[LabelTask]
    offered: int

    def lines(self) -> Iterator[str]:
        """The choice as a person reads it."""
        disputed = sum(task.case.disputed for task in self.tasks)
        yield f"从 {self.offered} 件中选出 {len(self.tasks)} 件，其中改派与成立的退单 {disputed} 件排在最前"
        guesses = Counter(task.guess.get("function", "") for task in self.tasks)
        told = "，".join(f"{name} {count}" for name, count in guesses.most_common(5) if name)
        if told:
            yield f"模型猜测的职能：{told}"


def next_labels(
    candidates: Iterable[Candidate],
    n: int,
    *,
    bundle: Path | None = None,
    seen: Sequence[Candidate] = (),
    blind: bool = False,
) -> Chosen:
    """The `n` cases to label next, the most wanted first.

    :param bundle: the model that is to learn; None: the one that travels with the program.
    :param seen: cases that were labelled or given out before; neither they nor their likes come again.
    :param blind: leave out what the model thinks, lest annotators follow it.
    """
    offered = _unlike(candidates, seen)
    encoder = Encoder.open(bundle)
    texts = [encoder_text(one.text) for one in offered]
    answers, vocabulary = encoder.predict(texts), encoder.bundle.ngrams
    features = encode_texts(vocabulary, texts) if texts else csr_matrix((0, len(vocabulary.keys)))
    before = [encoder_text(one.text) for one in seen]
    nearest = nearness(features, encode_texts(vocabulary, before)) if before and texts else np.zeros(len(texts))
    worth = worths(offered, answers, encoder.bundle.manifest.heads["function"])
    first = np.array([one.disputed for one in offered], dtype=bool)
    rows = choose(features, worth, n, first=first, nearest=nearest)
    guesses = [{}] * len(offered) if blind else _guesses(answers, encoder.bundle.manifest.heads)
    version = encoder.bundle.version
    tasks = [
        LabelTask(case=offered[row], rank=rank, worth=round(float(worth[row]), 4), guess=guesses[row], bundle=version)
        for rank, row in enumerate(rows, start=1)
    ]
    return Chosen(tasks, len(offered))


def _unlike(candidates: Iterable[Candidate], seen: Iterable[Candidate]) -> list[Candidate]:
    """Each text once, that of a disputed case rather than another's; none that was seen."""
    known = {text_key(one.text) for one in seen}
    names = {one.id for one in seen}
    found: dict[str, Candidate] = {}
    for one in candidates:
        key = text_key(one.text)
        if key in known or one.id in names:
            continue
        if key not in found or (one.disputed and not found[key].disputed):
            found[key] = one
    return list(found.values())


def worths(cases: Sequence[Candidate], answers: Predictions, functions: Sequence[str]) -> Floats:
    """`[cases]` how uncertain the model is; of a disputed case at least how surprised by what people did."""
    _, members = parent_membership(LabelMaps.load())
    parents = np.exp(answers.category.astype(np.float64)) @ members.T
    worth = uncertainty([np.exp(answers.function), parents])
    practice = np.exp(answers.handler_function.astype(np.float64))
    for row, case in enumerate(cases):
        if not case.disputed:
            continue
        told = practice[row, functions.index(case.told)] if case.told in functions else 1.0
        refused = sum(practice[row, functions.index(name)] for name in case.refused if name in functions)
        worth[row] = max(worth[row], 1.0 - told, refused)
    return np.clip(worth, 0.0, 1.0)


def _guesses(answers: Predictions, heads: dict[str, list[str]]) -> list[dict[str, str]]:
    """The first answer of each question; flags are rare, so that a guess would mostly mislead."""
    columns = {name: getattr(answers, name).argmax(axis=1) for name in ("category", "function", "level", "kind")}
    rows = len(answers.category)
    return [{name: heads[name][column[row]] for name, column in columns.items()} for row in range(rows)]


def write_tasks(tasks: Sequence[LabelTask], output: Path, form: str, maps: LabelMaps) -> list[Path]:
    """Write the tasks, and beside them the form that the tool needs to show them; the files, for their owner alone.

    :param form: `label-studio` or `argilla`.
    :raises DispatchError: INVALID_PARAMETER when a file cannot be written.
    """
    answered = [Answered(task) for task in tasks]
    if form == "argilla":
        body, beside = [to_argilla(one) for one in answered], output.with_suffix(".settings.json")
        shown = json.dumps(argilla_settings(maps), ensure_ascii=False)
    else:
        body, beside = [to_label_studio(one, maps) for one in answered], output.with_suffix(".xml")
        shown = label_config(maps)
    for path, text in ((output, json.dumps(body, ensure_ascii=False, indent=1)), (beside, shown)):
        write_private(path, text)
    return [output, beside]


def write_private(path: Path, text: str) -> None:
    """The whole file or none, for its owner alone: it holds what citizens said.

    :raises DispatchError: INVALID_PARAMETER when it cannot be written.
    """
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.touch(0o600)
        partial.chmod(0o600)
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        told = f"--output {path} 不可写（{error.strerror}）；请改写到已有的文件夹。"
        raise DispatchError(ErrorKind.INVALID_PARAMETER, told, field="output", value=str(path)) from error
