"""Labels that somebody has settled: `settled.csv`, to which lines are only ever added, each one a version."""

import csv
import fcntl
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Literal, get_args

from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.suspect import FIELDS, Key

Action = Literal["keep", "change", "drop", "undo"]
ACTIONS: tuple[Action, ...] = get_args(Action)
LONGEST_NOTE = 200


@dataclass(frozen=True)
class SettledLabel:
    """One line.

    :param version: 1, 2, 3 … down the file; the last one is the file's.
    :param action: `keep` the label was right, `change` it is `after`, `drop` nobody can tell (`after` is ""),
        `undo` takes back what stands before about this label.
    :param before: the label as it was then.
    :param by: who.
    :param at: when, with its zone.
    """

    version: int
    id: str
    field: str
    action: Action
    before: str
    after: str
    by: str
    at: str
    note: str = ""

    @property
    def key(self) -> Key:
        """Which label this is about."""
        return self.id, self.field


COLUMNS = tuple(one.name for one in fields(SettledLabel))


def in_force(lines: Iterable[SettledLabel]) -> dict[Key, SettledLabel]:
    """The line that holds for each label; none where the last one took back what was said."""
    held: dict[Key, SettledLabel] = {}
    for line in lines:
        held.pop(line.key, None)
        if line.action != "undo":
            held[line.key] = line
    return held


def read_settled(path: Path) -> list[SettledLabel]:
    """All lines; none when there is no file.

    :raises DispatchError: INVALID_CONFIG naming the file and the line that is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        told = f"读不到定案标注 {path}（{error}）；应为 UTF-8 的 CSV，请核对文件。"
        raise DispatchError(ErrorKind.INVALID_CONFIG, told, field="settled", value=str(path)) from None
    table = csv.DictReader(StringIO(text, newline=""))
    if tuple(table.fieldnames or ()) != COLUMNS:
        raise _wrong(path, 1, f"表头应为 {','.join(COLUMNS)}")
    return [_line(path, table.line_num, number, row) for number, row in enumerate(table, start=1)]


def _line(path: Path, at: int, number: int, row: dict[str, str]) -> SettledLabel:
    if row["version"] != str(number):
        raise _wrong(path, at, f"version 为 {row['version']!r}，应为 {number}：各行依次编号，只增不改")
    if row["action"] not in ACTIONS or row["field"] not in FIELDS or None in row.values():
        raise _wrong(path, at, f"action 可为 {'、'.join(ACTIONS)}，field 可为 {'、'.join(FIELDS)}，各列齐全")
    if not _fits(row["action"], row["before"], row["after"]):
        raise _wrong(path, at, f"{row['action']} 的 after 为 {row['after']!r}，与 before {row['before']!r} 不合")
    told = {key: row[key] for key in COLUMNS if key != "version"}
    return SettledLabel(version=number, **told)  # type: ignore[arg-type]  # action was looked up


def _fits(action: str, before: str, after: str) -> bool:
    """Whether an action leads from one label to the other."""
    if action == "change":
        return bool(after) and after != before
    return action == "undo" or after == (before if action == "keep" else "")


def _wrong(path: Path, line: int, what: str) -> DispatchError:
    told = f"定案标注 {path} 第 {line} 行有误：{what}；请恢复该文件的原样。"
    return DispatchError(ErrorKind.INVALID_CONFIG, told, field=f"{path.name}:{line}")


def settle(
    path: Path,
    key: Key,
    action: Action,
    *,
    before: str,
    after: str,
    by: str,
    at: datetime,
    note: str = "",
    seen: SettledLabel | None = None,
) -> SettledLabel:
    """Add a line, on disk when this returns.

    :param seen: the line that held for this label when it was looked at; None: none did.
    :raises DispatchError: CASE_STATE when somebody has settled it since; INVALID_DECISION for a note that is too long;
        STORE_UNAVAILABLE when it cannot be written; INVALID_CONFIG when the file is not what it was.
    """
    if len(note) > LONGEST_NOTE:
        told = f"说明有 {len(note)} 字，最多 {LONGEST_NOTE} 字；请缩短。"
        raise DispatchError(ErrorKind.INVALID_DECISION, told, field="note", value=note)
    try:
        with _alone(path) as lines:
            held = in_force(lines).get(key)
            if held != seen:
                told = f"{key[0]} 的{FIELDS[key[1]]}刚由{held.by}处理" if held else f"{key[0]} 的这一步刚被撤销"
                raise DispatchError(ErrorKind.CASE_STATE, f"{told}；请看下一条。", field="id", value=key[0])
            moment, told = at.isoformat(timespec="seconds"), " ".join(note.split())
            line = SettledLabel(len(lines) + 1, *key, action, before, after, by, moment, told)
            _append(path, [COLUMNS, astuple(line)] if not lines else [astuple(line)])
    except OSError as error:
        told = f"写不了 {path}（{error.strerror}），这一条没有记下；请核对磁盘与权限后重试。"
        raise DispatchError(ErrorKind.STORE_UNAVAILABLE, told, field="settled") from None
    return line


@contextmanager
def _alone(path: Path) -> Iterator[list[SettledLabel]]:
    """The lines, while no other process adds any."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield read_settled(path)


def _append(path: Path, rows: Sequence[Sequence[object]]) -> None:
    text = StringIO(newline="")
    csv.writer(text).writerows(rows)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(handle, text.getvalue().encode())
        os.fsync(handle)
    finally:
        os.close(handle)
