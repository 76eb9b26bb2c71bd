"""Settled labels in place of those of the data, on load: `data.settled` names the `settled.csv` of the console.

The test split is frozen: a line about one of its cases is an error, not a correction.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

from datasets import Dataset

from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.settled_label import SettledLabel, in_force, read_settled
from dispatch_model.suspect import FIELDS, Key

FROZEN = ("test", "calls")
CALL = "#call"  # a call bears the labels of the case it was written from

logger = logging.getLogger(__name__)


def with_settled(splits: Mapping[str, Dataset], path: Path) -> dict[str, Dataset]:
    """`splits` with the labels that hold; one whose label is no longer what was settled stays as the data has it.

    :raises DispatchError: INVALID_CONFIG naming the file and what is wrong with it.
    """
    if not path.is_file():
        told = f"没有定案标注 {path}；请核对 data.settled，或留空。"
        raise DispatchError(ErrorKind.INVALID_CONFIG, told, field="data.settled", value=str(path))
    lines = read_settled(path)
    held = in_force(lines)
    _refuse_frozen(splits, held, path)
    done, stale = 0, 0
    told_splits = dict(splits)
    for name in splits.keys() - set(FROZEN):
        rows = splits[name]
        columns, applied, missed = _settled({key: list(rows[key]) for key in rows.column_names}, held)
        told_splits[name] = Dataset.from_dict(columns, features=rows.features) if applied else rows
        done, stale = done + applied, stale + missed
    logger.info("%s, version %d: %d labels changed, %d no longer as they were", path.name, len(lines), done, stale)
    return told_splits


def _refuse_frozen(splits: Mapping[str, Dataset], held: Mapping[Key, SettledLabel], path: Path) -> None:
    """The labels of the test split judge every model; none may change for one of them."""
    frozen = {_case(one) for name in FROZEN if name in splits for one in splits[name]["id"]}
    for line in held.values():
        if _case(line.id) in frozen and line.action != "keep":
            told = f"定案标注 {path} 第 {line.version} 条改的是测试集的工单 {line.id}；测试集的标注不改，请撤销这一条。"
            raise DispatchError(ErrorKind.INVALID_CONFIG, told, field="data.settled", value=line.id)


def _settled(
    columns: dict[str, list[object]], held: Mapping[Key, SettledLabel]
) -> tuple[dict[str, list[object]], int, int]:
    """The columns with settled labels; how many labels changed, and how many had changed already."""
    done, stale = 0, 0
    for row, name in enumerate(columns["id"]):
        for field in FIELDS:
            line = held.get((_case(name), field))
            if line is None or line.action == "keep":
                continue
            if (columns[field][row] or "") == line.before:
                columns[field][row] = line.after or None
                done += 1
            else:
                stale += 1
    return columns, done, stale


def _case(name: object) -> str:
    return str(name).removesuffix(CALL)
