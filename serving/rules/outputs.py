"""Stored model outputs of a file of cases: taken from beside it, or made there on first use."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

from dispatch_model import outputs, privacy, transcript
from dispatch_model.bundle import Bundle, sha256
from dispatch_model.cases import Case
from dispatch_model.city import City
from dispatch_model.errors import DispatchError, ErrorKind, shorten
from dispatch_model.outputs import Origin, StoredOutputs
from dispatch_model.router import Router
from serving.bulk.batch import CHUNK, CHUNKS_AHEAD_PER_THREAD, Tally, parse_line

SUFFIX = ".outputs.npz"
SNIPPET = 60  # characters of a transcript shown as an example

Progress = Callable[[Tally], None]
Watch = Callable[[Path], AbstractContextManager[Progress]]


def outputs_for(
    cases: Path, bundle: Bundle, city: City, *, target: Path | None = None, watch: Watch | None = None
) -> StoredOutputs:
    """The outputs of `bundle` for every readable line of `cases`.

    :param target: the file of outputs, made when it does not exist; None: beside the cases, and made anew when it
        was made from something else.
    :param watch: opened while cases are encoded, such as `display.batch_progress`.
    :raises DispatchError: INVALID_CONFIG when `target` was made from something else, or no line is readable.
    """
    path = target or cases.with_name(f"{cases.name}{SUFFIX}")
    origin = Origin.of(sha256(cases), bundle, city)
    if path.exists():
        found, made_from = StoredOutputs.load(path)
        differs = origin.differs(made_from)
        if not differs:
            return found
        if target:
            told = f"与现在的{'、'.join(differs)}不符；请删去它重新生成，或用 --outputs 另指一个文件"
            raise DispatchError(
                ErrorKind.INVALID_CONFIG, f"模型输出文件 {path} {told}。", field="outputs", value=str(path)
            )
    router = Router.open(bundle.folder, city=city.slug)
    with watch(cases) if watch else nullcontext() as progress:
        made = encode_file(router, cases, progress=progress)
    made.save(path, origin)
    return made


def encode_file(router: Router, cases: Path, *, progress: Progress | None = None) -> StoredOutputs:
    """Encode every readable line of `cases`, on all cores; lines that cannot be routed are counted and left out."""
    now = datetime.now(UTC)
    parts = []
    with cases.open("rb") as lines:
        for part, tally in _in_order(_chunks(lines), lambda chunk: _encode_chunk(router, chunk, now)):
            if len(part):
                parts.append(outputs.join(part))
            if progress:
                progress(tally)
    if not parts:
        told = f"工单文件 {cases} 没有一行可用；每行应为一件工单的 JSON，见 docs/api.md 的 Case。"
        raise DispatchError(ErrorKind.INVALID_CONFIG, told, field="cases", value=str(cases))
    return outputs.join(parts)


Line = tuple[int, int, bytes]  # number from 1, byte at which it begins, content
Encoded = tuple[list[StoredOutputs], Tally]


def _chunks(lines: Iterable[bytes]) -> Iterator[list[Line]]:
    offset, chunk = 0, list[Line]()
    for number, raw in enumerate(lines, start=1):
        chunk.append((number, offset, raw))
        offset += len(raw)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _in_order(chunks: Iterator[list[Line]], work: Callable[[list[Line]], Encoded]) -> Iterator[Encoded]:
    """`work` on every chunk by as many threads as there are cores, a bounded number of chunks in memory."""
    threads = os.cpu_count() or 1
    waiting: deque[Future[Encoded]] = deque()
    with ThreadPoolExecutor(threads, "encode") as pool:
        for chunk in chunks:
            waiting.append(pool.submit(work, chunk))
            if len(waiting) >= threads * CHUNKS_AHEAD_PER_THREAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _encode_chunk(router: Router, chunk: list[Line], now: datetime) -> Encoded:
    tally = Tally(read=sum(len(raw) for _, _, raw in chunk))
    parsed = {offset: parse_line(number, raw, tally) for number, offset, raw in chunk if raw.strip()}
    cases = {offset: case for offset, case in parsed.items() if isinstance(case, Case)}
    encoded = _encode_each(router, cases, now)
    tally.lines = len(parsed)
    tally.errors = len(parsed) - sum(map(len, encoded))
    return encoded, tally


def _encode_each(router: Router, cases: dict[int, Case], now: datetime) -> list[StoredOutputs]:
    """Encode together; when a case cannot be read, one by one, so that it alone is left out."""
    if not cases:
        return []
    try:
        return [outputs.encode(router, cases, now)]
    except DispatchError:
        if len(cases) == 1:
            return []
    return [part for one in cases.items() for part in _encode_each(router, dict([one]), now)]


def snippets(cases: Path, offsets: Iterable[int]) -> dict[int, str]:
    """The masked beginnings of the transcripts whose lines begin at `offsets`."""
    found = {}
    with cases.open("rb") as file:
        for offset in sorted(set(offsets)):
            file.seek(offset)
            case = parse_line(1 if offset == 0 else 2, file.readline(), Tally())
            if isinstance(case, Case):
                text = transcript.as_text(transcript.parse(case.transcript))
                found[offset] = shorten(privacy.mask(text).text, SNIPPET)
    return found
