"""A history cut into parts that may be routed anywhere, in any order, and again after an interruption.

A part is a range of whole lines of one file. The folder of answers holds `plan.json` (what was cut where), for each
part `part-000000.jsonl` (answers) and `part-000000.json` (its tally, written last: a part with a tally is finished),
and at the end `summary.json`. All answers, part after part, are what the local engine of `dispatch batch` writes.
"""

import os
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Literal
from uuid import uuid4

from pydantic import ValidationError

from dispatch_model.cases import Frozen, Versions
from dispatch_model.errors import DispatchError, ErrorKind
from serving.bulk.batch import CHUNK, Tally, route_chunk
from serving.routing import Router

PLAN = "plan.json"
SUMMARY = "summary.json"
SUFFIX = ".jsonl"


class Part(Frozen):
    """A range of whole lines.

    :param source: name of the file in the input folder.
    :param offset: of its first byte; `size` is in bytes too.
    :param first_line: number in the file, from 1.
    """

    number: int
    source: str
    offset: int
    size: int
    first_line: int
    sha256: str

    def answers(self, target: Path) -> Path:
        """Where its answers go."""
        return target / f"part-{self.number:06}{SUFFIX}"

    def tally(self, target: Path) -> Path:
        """What says that it is finished."""
        return target / f"part-{self.number:06}.json"

    def attempts(self, target: Path) -> int:
        """How many workers began it and neither finished nor failed: they died, or are at it."""
        return len(list(target.glob(f"part-{self.number:06}.*.partial")))


class Plan(Frozen):
    """What a run routes, with what, and as of when; a second run of the same plan goes on where the first stopped.

    :param now: taken for cases that say no `received_at`, by every part, whenever it is routed.
    """

    format: Literal[1] = 1
    now: datetime
    versions: Versions
    lines: int
    parts: tuple[Part, ...]


class Counts(Frozen):
    """A tally as it is kept on disk."""

    lines: int
    errors: int
    read: int
    ignored: dict[str, int]

    @classmethod
    def of(cls, tally: Tally) -> "Counts":
        """What `tally` says."""
        return cls(lines=tally.lines, errors=tally.errors, read=tally.read, ignored=dict(tally.ignored))

    def tally(self) -> Tally:
        """As a run adds them up."""
        return Tally(self.lines, self.errors, self.read, Counter(self.ignored))


def prepare(source: Path, target: Path, lines: int, versions: Versions, now: datetime) -> Plan:
    """Cut `source` and write the plan, or take up the plan that `target` holds.

    :param source: a JSONL file, or a folder whose *.jsonl files are taken in order of name.
    :param target: a folder, made when missing; empty or of an earlier run of the same plan.
    :param lines: most lines of a part.
    :raises DispatchError: INVALID_CONFIG, naming what cannot be read or written, or what differs from the plan.
    """
    try:
        plan = Plan(now=now, versions=versions, lines=lines, parts=tuple(_cut(source, lines)))
        target.mkdir(exist_ok=True)
        if (target / PLAN).exists():
            return _same(plan, read_plan(target), target)
        if any(target.iterdir()):
            raise _unusable(target, "不是空文件夹，也不是先前中断的同一任务")
        _write_whole(target / PLAN, plan.model_dump_json())
    except OSError as error:
        raise _unusable(error.filename or target, error.strerror or str(error)) from None
    return plan


def read_plan(target: Path) -> Plan:
    """The plan of the run whose answers `target` holds.

    :raises DispatchError: INVALID_CONFIG where there is none, as on a machine that does not share the folder.
    """
    try:
        return Plan.model_validate_json((target / PLAN).read_bytes())
    except OSError as error:
        raise _unusable(target / PLAN, error.strerror or str(error)) from None
    except ValidationError:
        raise _unusable(target / PLAN, "不是可用的任务计划") from None


def finished(plan: Plan, target: Path) -> dict[int, Tally]:
    """The tally of each finished part by its number."""
    done = {}
    for part in plan.parts:
        if part.tally(target).exists():
            done[part.number] = Counts.model_validate_json(part.tally(target).read_bytes()).tally()
    return done


def route_part(router: Router, part: Part, source: Path, target: Path, now: datetime) -> Tally:
    """Route one part; its files appear when they are whole, and doing it twice does no harm.

    :raises DispatchError: INVALID_CONFIG when the part cannot be read, is not what was planned, or cannot be written.
    """
    total, numbered = Tally(), enumerate(BytesIO(_read(part, source)), start=part.first_line)
    # Its own name: where a lost worker turns out to live on, two of them write the same part.
    scratch = part.answers(target).with_suffix(f".{uuid4().hex}.partial")
    try:
        with scratch.open("w", encoding="utf-8", errors="replace", newline="\n") as out:
            while chunk := list(islice(numbered, CHUNK)):
                answers, tally = route_chunk(router, chunk, now)
                out.writelines(f"{answer}\n" for answer in answers)
                total.add(tally)
            out.flush()
            os.fsync(out.fileno())
        scratch.replace(part.answers(target))
        _write_whole(part.tally(target), Counts.of(total).model_dump_json())
    except OSError as error:
        raise _unusable(error.filename or scratch, error.strerror or str(error)) from None
    finally:
        scratch.unlink(missing_ok=True)
    return total


def finish(target: Path, total: Tally) -> None:
    """Say that every part is there."""
    sweep(target)
    _write_whole(target / SUMMARY, Counts.of(total).model_dump_json())


def sweep(target: Path) -> None:
    """Remove what workers that were lost left half written."""
    for scratch in target.glob("part-*.partial"):
        scratch.unlink(missing_ok=True)


def sources(source: Path) -> list[Path]:
    """The files a run reads, in order.

    :raises DispatchError: INVALID_CONFIG for a folder without any.
    """
    if not source.is_dir():
        return [source]
    if found := sorted(path for path in source.glob(f"*{SUFFIX}") if path.is_file()):
        return found
    raise _unusable(source, f"文件夹中没有 *{SUFFIX} 文件")


def _cut(source: Path, lines: int) -> Iterator[Part]:
    number = 0
    for path in sources(source):
        with path.open("rb") as file:
            offset, line = 0, 1
            while content := b"".join(islice(file, lines)):
                yield Part(
                    number=number,
                    source=path.name,
                    offset=offset,
                    size=len(content),
                    first_line=line,
                    sha256=sha256(content).hexdigest(),
                )
                number, offset, line = number + 1, offset + len(content), line + lines


def _read(part: Part, source: Path) -> bytes:
    path = source / part.source if source.is_dir() else source
    try:
        with path.open("rb") as file:
            file.seek(part.offset)
            content = file.read(part.size)
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from None
    if sha256(content).hexdigest() != part.sha256:
        raise _unusable(path, "内容与任务计划不同，处理期间被改动")
    return content


def _same(wanted: Plan, kept: Plan, target: Path) -> Plan:
    """The kept plan, if it is the wanted one but for its moment."""
    names = {"parts": "输入的内容", "lines": "--part-lines", "versions": "模型包或规则的版本"}
    differing = [told for field, told in names.items() if getattr(wanted, field) != getattr(kept, field)]
    if not differing:
        return kept
    raise _unusable(target, f"其中是另一任务的结果，{'、'.join(differing)}不同；要从头处理请另选文件夹")


def _write_whole(path: Path, text: str) -> None:
    """Write so that the file is there whole or not at all."""
    scratch = path.with_suffix(f".{uuid4().hex}.partial")
    with scratch.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


def _unusable(path: Path | str, why: str) -> DispatchError:
    return DispatchError(
        ErrorKind.INVALID_CONFIG,
        f"{path} 不可用（{why}）；--input 与 --output 在每台机器上须为同一路径的共享存储，--output 应为新文件夹。",
        field="output",
        value=str(path),
    )
