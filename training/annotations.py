"""What annotators answered in Label Studio or Argilla, as training rows: `dispatch data import`.

Where several read a case, more than half must say the same; a question they differ on stays open and is told.
"""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from dispatch_model import privacy
from dispatch_model.errors import DispatchError, ErrorKind, near
from dispatch_model.label_task import ONE_ANSWER, QUESTIONS, Answered, Candidate, agreed
from dispatch_model.labels import LabelMaps
from dispatch_model.worked_row import STRONG, Provenance, WorkedRow
from training.exchange_formats import from_argilla, from_label_studio, options
from training.next_labels import write_private

REASON = "annotated"  # in the provenance of a row: read by an annotator, not decided at the desk
_MOST_TOLD = 5
_TAUGHT = ("category", "function", "level")  # what a row of daily work can bear


@dataclass(frozen=True)
class Imported:
    """What came back.

    :param labels: by case: question → what was agreed on.
    :param open_questions: (case, question) that annotators differ on.
    :param unread: tasks without an answer.
    """

    labels: Sequence[tuple[Answered, Mapping[str, tuple[str, ...]]]]
    open_questions: Sequence[tuple[str, str]]
    unread: int

    def lines(self) -> Iterator[str]:
        """The import as a person reads it."""
        told = f"读入 {len(self.labels)} 件标注；未标 {self.unread} 件"
        yield f"{told}；各人意见不一 {len(self.open_questions)} 处，未采用"
        for case, question in self.open_questions[:_MOST_TOLD]:
            yield f"  {case}：{question}"


def read_tasks(path: Path) -> list[Answered]:
    """The tasks of a file of either tool, as given out or as exported with answers.

    :raises DispatchError: INVALID_PARAMETER naming the file, or its entries that are no such tasks.
    """
    try:
        body = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise _wrong(path, f"读不到 {path}（{error}）；请从 Label Studio（JSON）或 Argilla（to_json）导出。") from None
    if not isinstance(body, list):
        raise _wrong(
            path, f"{path} 应是任务的列表；请从 Label Studio（JSON，不是 JSON-MIN）或 Argilla（to_json）导出。"
        )
    found, wrong = [], []
    for number, one in enumerate(body, start=1):
        try:
            found.append(_read(one))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            wrong.append(f"第 {number} 条：缺少或不识 {str(error).splitlines()[0]}")
    if wrong:
        told = f"{path} 有 {len(wrong)} 条不是 dispatch data next 给出的任务；"
        told += "请用 Label Studio 的 JSON 或 Argilla 的 to_json。"
        raise _wrong(path, told, wrong)
    return found


def _read(one: Mapping[str, Any]) -> Answered:
    return from_label_studio(one) if "data" in one else from_argilla(one)


def _wrong(path: Path, told: str, details: Sequence[str] = ()) -> DispatchError:
    return DispatchError(
        ErrorKind.INVALID_PARAMETER, told, field="input", value=str(path), details=details[:_MOST_TOLD]
    )


def seen_cases(paths: Iterable[Path]) -> list[Candidate]:
    """The cases of files given out or annotated before."""
    return [answered.task.case for path in paths for answered in read_tasks(path)]


def import_answers(path: Path, maps: LabelMaps) -> Imported:
    """What annotators agree on.

    :raises DispatchError: INVALID_PARAMETER, as `read_tasks`, and for answers that are no labels or texts that hold
        personal data.
    """
    tasks = read_tasks(path)
    _check(path, tasks, maps)
    labels, open_questions, unread = [], [], 0
    for one in tasks:
        if not one.answers:
            unread += 1
            continue
        told = {name: value for name in QUESTIONS if (value := agreed(one.answers, name)) is not None}
        asked = {name for answer in one.answers for name in answer.values}
        open_questions += [(one.task.case.id, name) for name in QUESTIONS if name in asked and name not in told]
        labels.append((one, told))
    return Imported(labels, open_questions, unread)


def _check(path: Path, tasks: Sequence[Answered], maps: LabelMaps) -> None:
    allowed = options(maps)
    wrong = []
    for number, one in enumerate(tasks, start=1):
        if tags := sorted({tag for _, _, tag in privacy.mask(one.task.case.text).spans}):
            wrong.append(f"第 {number} 条 text 中有未脱敏的个人信息（{'、'.join(tags)}）")
        for answer in one.answers:
            wrong += [f"第 {number} 条 {told}" for told in _unknown(answer.values, allowed)]
    if wrong:
        told = f"{path} 有 {len(wrong)} 处不合标签表；请核对标注工具里的选项（dispatch data next 所附的）。"
        raise _wrong(path, told, wrong)


def _unknown(values: Mapping[str, tuple[str, ...]], allowed: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for name, value in values.items():
        if name in ONE_ANSWER and len(value) != 1:
            yield f"{name}：应恰有一个答案，现有 {len(value)} 个"
        for label in value:
            if label not in allowed[name]:
                hint = "须为末级代码；" if name == "category" else ""
                yield f"{name}：“{label}”不在标签表中；{hint}{near(label, allowed[name])}"


def training_rows(imported: Imported, at: datetime) -> list[WorkedRow]:
    """Rows for `data.worked`: as strong as an override. Kind and flags go by `labels_table` only.

    :param at: when they were read, China time.
    """
    rows = []
    for one, told in imported.labels:
        known = {name: told[name][0] for name in _TAUGHT if name in told}
        if not known:
            continue
        case = one.task.case
        moment = at.isoformat(timespec="seconds")
        source = Provenance(case_id=case.id, signal="override", reason=REASON, at=moment)
        rows.append(
            WorkedRow(
                id=f"read-{case.id}",
                city=case.city,
                date=case.date,
                text=case.text,
                weight=STRONG,
                provenance=source,
                **known,
            )
        )
    return rows


def labels_table(imported: Imported) -> str:
    """The columns of `labels.csv`, for cases on which all questions were agreed."""
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(["id", *QUESTIONS])
    for one, told in imported.labels:
        if all(name in told for name in QUESTIONS):
            writer.writerow([one.task.case.id, *(",".join(told[name]) for name in QUESTIONS)])
    return table.getvalue()


def write_import(imported: Imported, output: Path, at: datetime) -> int:
    """Write training rows (`.jsonl`) or a table of labels (`.csv`); how many there are.

    :raises DispatchError: INVALID_PARAMETER when the file cannot be written.
    """
    if output.suffix == ".csv":
        table = labels_table(imported)
        write_private(output, table)
        return table.count("\n") - 1
    rows = training_rows(imported, at)
    write_private(output, "".join(f"{row.model_dump_json()}\n" for row in rows))
    return len(rows)
