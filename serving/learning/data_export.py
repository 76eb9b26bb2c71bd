"""Writes the training rows of the store to a file, each text and label once, and tells what contradicted what."""

import csv
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from dispatch_model.city import City
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LabelMaps
from dispatch_model.worked_row import Conflict, Signal, WorkedRow, settle
from serving.learning.work_labels import Clean, Period, rows
from serving.settings import Settings
from serving.store.audit import opened

WORDS: dict[Signal, str] = {
    "accept": "采纳",
    "override": "改派",
    "confirmed": "退单驳回、维持",
    "redispatch": "退单成立后重派",
    "return": "退单成立待重派（只知不是谁）",
    "merge": "并案",
}
FIELDS = {
    "handler_function": "承办职能",
    "handler_level": "承办层级",
    "category": "诉求类别",
    "function": "职能",
    "level": "层级",
    "refused": "退单职能",
}
COLUMNS = ("field", "kept", "kept_value", "kept_case", "dropped", "dropped_value", "dropped_case", "text")


@dataclass(frozen=True)
class Report:
    """What was exported.

    :param read: rows before repeats and contradictions were taken out.
    """

    kept: Sequence[WorkedRow]
    conflicts: Sequence[Conflict]
    read: int

    def lines(self) -> Iterator[str]:
        """The report as a person reads it."""
        counts = Counter(row.provenance.signal for row in self.kept)
        told = "，".join(f"{word} {counts[signal]}" for signal, word in WORDS.items() if counts[signal])
        yield f"导出 {len(self.kept)} 行{f'：{told}' if told else ''}"
        repeats = self.read - len(self.kept) - len(self.conflicts)
        yield f"合并同文同标注 {repeats} 行；矛盾 {len(self.conflicts)} 行未导出（强者胜，同强取新）"
        for field, count in Counter(conflict.field for conflict in self.conflicts).most_common():
            yield f"  {FIELDS[field]}不同：{count} 行"


def export(settings: Settings, period: Period, output: Path, conflicts: Path | None, *, clean: Clean) -> Report:
    """Write the rows of `period` to `output`, and to `conflicts` those left out for contradicting a stronger one.

    :param clean: takes out of a text what was written after the decision.
    :raises DispatchError: INVALID_PARAMETER for a period that ends before it begins, or a file that cannot be written;
        INVALID_CONFIG when there is no database; STORE_UNAVAILABLE.
    """
    if period.since and period.until and period.until <= period.since:
        told = f"--until {period.until} 应晚于 --since {period.since}；until 当天不含在内。"
        raise DispatchError(ErrorKind.INVALID_PARAMETER, told, field="until", value=str(period.until))
    city = City.load(settings.city, LabelMaps.load())
    with opened(settings) as connection:
        found = list(rows(connection, city, period, clean))
    report = Report(*settle(found), len(found))
    _write(output, "output", (row.model_dump_json() + "\n" for row in report.kept))
    if conflicts:
        _write_conflicts(conflicts, report.conflicts)
    return report


def _write(path: Path, option: str, lines: Iterable[str]) -> None:
    """The whole file or none, for its owner alone: it holds what citizens said."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.writelines(lines)
        partial.replace(path)
    except OSError as error:
        told = f"--{option} {path} 不可写（{error.strerror}）；请改写到已有的文件夹。"
        raise DispatchError(ErrorKind.INVALID_PARAMETER, told, field=option, value=str(path)) from error


def _write_conflicts(path: Path, found: Sequence[Conflict]) -> None:
    table = StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(COLUMNS)
    for one in found:
        pair = [
            part for row in (one.kept, one.dropped) for part in (row.id, _value(row, one.field), row.provenance.case_id)
        ]
        writer.writerow([FIELDS[one.field], *pair, one.kept.text])
    # A table program takes the file for UTF-8 by its first character.
    _write(path, "conflicts", ["\ufeff", table.getvalue()])


def _value(row: WorkedRow, field: str) -> str:
    if field != "refused":
        return str(getattr(row, field) or "")
    return "、".join([row.handler_function or "", *(f"非{name}" for name in row.refused)]).strip("、")
