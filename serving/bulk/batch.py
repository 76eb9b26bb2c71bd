"""A file of cases routed line by line: JSONL in, JSONL out, in order, whatever a line holds."""

import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from dispatch_model.cases import Case
from dispatch_model.errors import DispatchError, ErrorKind, shorten
from serving.masking import quote
from serving.routing import Router, route_each
from serving.web.problems import read_case

CHUNK = 64
CHUNKS_AHEAD_PER_THREAD = 2

Numbered = tuple[int, bytes]


@dataclass
class Tally:
    """What a run or a part of it came to.

    :param read: bytes of input, for progress.
    :param ignored: fields no case has, with the number of lines they stood in.
    """

    lines: int = 0
    errors: int = 0
    read: int = 0
    ignored: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Tally") -> None:
        """Count `other` in."""
        self.lines += other.lines
        self.errors += other.errors
        self.read += other.read
        self.ignored += other.ignored


@dataclass(frozen=True)
class Failure:
    """A line that gives no routing."""

    case_id: str | None
    line: int
    error: DispatchError

    def as_json(self) -> str:
        """The line that stands in its place in the output."""
        body = {"case_id": self.case_id, "line": self.line, "error": self.error.as_dict()}
        return json.dumps(body, ensure_ascii=False)


def route_file(
    router: Router,
    source: Path,
    target: Path,
    *,
    threads: int = 1,
    progress: Callable[[Tally], None] | None = None,
) -> Tally:
    """Route every line of `source` into `target`, reading as it goes; blank lines are skipped.

    The answers are gathered in `<target>.partial`, which takes the name of `target` when all are there.

    :param threads: how many chunks are routed at once.
    :param progress: called with the tally of each finished chunk.
    :raises DispatchError: INVALID_CONFIG, naming the file that cannot be read or written.
    """
    total = Tally()
    partial = _partial(target)
    _check_apart(source, target, partial)
    try:
        with source.open("rb") as lines, partial.open("w", encoding="utf-8", errors="replace", newline="\n") as out:
            for part in _route_chunks(router, _chunks(lines), out, threads):
                total.add(part)
                if progress:
                    progress(part)
        if partial != target:
            partial.replace(target)
    except OSError as error:
        raise _unusable(error.filename or target, error.strerror or str(error)) from None
    return total


def _partial(target: Path) -> Path:
    """Where answers are gathered; a pipe or /dev/stdout cannot be replaced by a file."""
    return target if target.exists() and not target.is_file() else target.with_name(f"{target.name}.partial")


def _check_apart(source: Path, *written: Path) -> None:
    """Refuse to write over what is read."""
    for path in written:
        if path.exists() and source.exists() and path.samefile(source):
            raise _unusable(path, "与 --input 是同一文件，会覆盖工单")


def _unusable(path: Path | str, why: str) -> DispatchError:
    return DispatchError(
        ErrorKind.INVALID_CONFIG,
        f"文件 {path} 不可用（{why}）；--input 应为可读的文件，--output 应为已有文件夹中另一个可写的文件。",
        field="output",
        value=str(path),
    )


def _chunks(lines: Iterable[bytes]) -> Iterator[list[Numbered]]:
    numbered = enumerate(lines, start=1)
    while chunk := list(islice(numbered, CHUNK)):
        yield chunk


def _route_chunks(router: Router, chunks: Iterator[list[Numbered]], out: TextIO, threads: int) -> Iterator[Tally]:
    """Keep `threads` busy with a bounded number of chunks in memory; write in order."""
    now = datetime.now(UTC)
    waiting: deque[Future[tuple[list[str], Tally]]] = deque()
    with ThreadPoolExecutor(threads, "batch") as pool:
        for chunk in chunks:
            waiting.append(pool.submit(route_chunk, router, chunk, now))
            if len(waiting) >= threads * CHUNKS_AHEAD_PER_THREAD:
                yield _write(waiting.popleft(), out)
        while waiting:
            yield _write(waiting.popleft(), out)


def _write(chunk: Future[tuple[list[str], Tally]], out: TextIO) -> Tally:
    answers, tally = chunk.result()
    out.writelines(f"{answer}\n" for answer in answers)
    return tally


def route_chunk(router: Router, chunk: list[Numbered], now: datetime) -> tuple[list[str], Tally]:
    """One answer per line that is not blank, in order.

    :param now: taken for cases that say no `received_at`, so that a run has one day.
    """
    tally = Tally(read=sum(len(raw) for _, raw in chunk))
    parsed = [(number, parse_line(number, raw, tally)) for number, raw in chunk if raw.strip()]
    routings = iter(route_each(router, [case for _, case in parsed if isinstance(case, Case)], now=now))
    answers = []
    for number, outcome in parsed:
        if isinstance(outcome, Case):
            routing = next(routings)
            result = Failure(outcome.case_id, number, routing) if isinstance(routing, DispatchError) else routing
        else:
            result = outcome
        tally.errors += isinstance(result, Failure)
        answers.append(result.as_json() if isinstance(result, Failure) else result.model_dump_json())
    tally.lines = len(answers)
    return answers, tally


def parse_line(number: int, raw: bytes, tally: Tally) -> Case | Failure:
    """The case of one line; fields a case does not have are counted in `tally` and dropped.

    :param number: of the line, from 1.
    """
    try:
        body = json.loads(raw.decode("utf-8-sig" if number == 1 else "utf-8"))
    except UnicodeDecodeError as error:
        return Failure(None, number, _unreadable(f"不是 UTF-8 编码（第 {error.start + 1} 个字节）", raw))
    except json.JSONDecodeError as error:
        return Failure(None, number, _unreadable(f"不是合法的 JSON（第 {error.pos + 1} 个字符处）", raw))
    except RecursionError:
        return Failure(None, number, _unreadable("嵌套过深", raw))
    except ValueError:
        return Failure(None, number, _unreadable("含有位数过多的整数", raw))
    try:
        return read_case(_known_fields(body, tally))
    except DispatchError as error:
        case_id = body.get("case_id") if isinstance(body, dict) else None
        return Failure(case_id if isinstance(case_id, str) else None, number, error)


def _known_fields(body: Any, tally: Tally) -> Any:
    """An exported history has columns of its own; they are counted and told, and do not cost the line."""
    if not isinstance(body, dict):
        return body
    unknown = body.keys() - Case.model_fields.keys()
    tally.ignored.update(shorten(name) for name in unknown)
    return {name: value for name, value in body.items() if name not in unknown} if unknown else body


def _unreadable(why: str, raw: bytes) -> DispatchError:
    return DispatchError(
        ErrorKind.INVALID_BODY,
        f"该行{why}；每行应为一个 UTF-8 编码的 JSON 对象。",
        value=quote(raw.decode("utf-8", "replace")),
    )
