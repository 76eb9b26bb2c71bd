"""A history routed by a Ray cluster: `dispatch batch --engine ray`, the same answers as on one machine.

Ray Data hands out the numbers of parts, not texts: each worker opens the model once and reads and writes its parts
itself, so that no case passes through the driver or Ray's object store. See docs/sizing.md for how many workers.
"""

import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

from dispatch_model.errors import DispatchError, ErrorKind
from serving.bulk.batch import Tally
from serving.bulk.parts import Counts, Part, finish, finished, prepare, read_plan, route_part, sweep
from serving.routing import Router

PART_LINES = 2_000  # about half a minute of one core
WORKER_BYTES = 400 << 20  # resident memory of one open model, rounded up
RETRIES = 3  # of a part whose worker or node is lost; what kills four workers would kill the fifth
PARTS_AHEAD = 2  # per worker: one at work, one waiting, so that the last parts spread over all workers

Open = Callable[[], Router]
Row = dict[str, Any]


class Worker:
    """One process of the cluster with a model of its own.

    What goes wrong comes back as a row: Ray would wrap an exception in its own and try the part again.
    """

    def __init__(self, open_router: Open, source: str, target: str) -> None:
        self._source, self._target = Path(source), Path(target)
        self._error: DispatchError | None = None
        try:
            self._plan = read_plan(self._target)
            self._router = open_router()
            if self._router.versions != self._plan.versions:
                raise _other_versions()
        except DispatchError as error:
            self._error = error

    def __call__(self, row: Row) -> Row:
        """Route the part `number`; the row of its tally, or of the error."""
        part = self._plan.parts[int(row["number"])] if self._error is None else None
        try:
            if part is None:
                raise self._error or _other_versions()
            if part.attempts(self._target) > RETRIES:
                raise _deadly(part)
            tally = route_part(self._router, part, self._source, self._target, self._plan.now)
        except DispatchError as error:
            return {"kind": error.kind.value, "told": f"{socket.gethostname()}：{error.message}"}
        return {"kind": "", "told": Counts.of(tally).model_dump_json()}


def route_history(
    open_router: Open,
    source: Path,
    target: Path,
    *,
    workers: int | None = None,
    lines: int = PART_LINES,
    progress: Callable[[Tally], None] | None = None,
) -> Tally:
    """Route a file or a folder of files into the folder `target`; what an interrupted run finished is kept.

    :param open_router: called once in every worker process; must be picklable.
    :param workers: processes of one core each; all cores of the cluster unless told.
    :param progress: called with the tally of each finished part, those of an earlier run first.
    :raises DispatchError: MISSING_EXTRA without Ray; INVALID_CONFIG naming what cannot be read, written or gone on
        with; INTERNAL when the cluster gives up.
    """
    ray = _ray()
    source, target = source.resolve(), target.resolve()
    plan = prepare(source, target, lines, open_router().versions, datetime.now(UTC))
    sweep(target)
    done = finished(plan, target)
    total = Tally()
    for tally in done.values():
        _count(tally, total, progress)
    waiting = [part for part in plan.parts if part.number not in done]
    if waiting:
        with _cluster(ray):
            for tally in _route(ray, waiting, (open_router, str(source), str(target)), workers):
                _count(tally, total, progress)
    finish(target, total)
    return total


def _route(
    ray: ModuleType, parts: Sequence[Part], start: tuple[Open, str, str], workers: int | None
) -> Iterator[Tally]:
    cores = int(ray.cluster_resources().get("CPU", 1))
    most = min(workers or cores, len(parts))
    pool = ray.data.ActorPoolStrategy(
        min_size=1,
        max_size=most,
        initial_size=max(1, min(most, cores)),
        max_tasks_in_flight_per_actor=PARTS_AHEAD,
    )
    numbers = [{"number": part.number} for part in parts]
    routed = ray.data.from_items(numbers, override_num_blocks=len(numbers)).map(
        Worker, fn_constructor_args=start, compute=pool, num_cpus=1, memory=WORKER_BYTES
    )
    try:
        for row in routed.iter_rows():
            yield _tally(row)
    except ray.exceptions.RayError as error:
        told = str(error).strip().splitlines()[-1]
        raise DispatchError(
            ErrorKind.INTERNAL, f"Ray 集群未能完成（{told}）；已完成的部分保留，查明后以同一命令继续。"
        ) from None


def _tally(row: Row) -> Tally:
    if row["kind"]:
        raise DispatchError(ErrorKind(row["kind"]), row["told"])
    return Counts.model_validate_json(row["told"]).tally()


def _count(tally: Tally, total: Tally, progress: Callable[[Tally], None] | None) -> None:
    total.add(tally)
    if progress:
        progress(tally)


@contextmanager
def _cluster(ray: ModuleType) -> Iterator[None]:
    """The cluster of RAY_ADDRESS, one this process is in already, or else this machine for as long as it takes."""
    ours = not ray.is_initialized()
    if ours:
        ray.init(logging_level=logging.ERROR, log_to_driver=False, include_dashboard=False)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ray.data.DataContext.get_current().enable_progress_bars = False
    try:
        yield
    finally:
        if ours:
            ray.shutdown()


def _ray() -> ModuleType:
    """Ray without its reports to its makers, which a hotline must not send."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray.data
    except ModuleNotFoundError as error:
        raise DispatchError(
            ErrorKind.MISSING_EXTRA,
            f"缺少 {error.name}；请先安装 Ray 扩展：pip install 'hotline-dispatch[ray]'。",
            field=error.name,
        ) from None
    return ray


def _deadly(part: Part) -> DispatchError:
    """Ray tries a part again for ever when its worker dies; some text must have broken what lies below Python."""
    return DispatchError(
        ErrorKind.INTERNAL,
        f"{part.source} 第 {part.first_line} 行起的部分 {part.number} 使 {RETRIES + 1} 个进程相继终止；"
        "请核对内存与这些工单；已完成的部分保留，以同一命令继续。",
    )


def _other_versions() -> DispatchError:
    return DispatchError(
        ErrorKind.INVALID_CONFIG,
        "该机器上的模型包、规则或标签表与任务计划的版本不同；请在每台机器安装同一版本。",
        field="bundle",
    )
