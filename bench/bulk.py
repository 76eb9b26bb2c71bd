"""CPU of one case in bulk: the local engine beside Ray on this machine, same file, same answers.

    python bench/bulk.py                 # 400 cases of 147 characters, under a minute

CPU (user + system) of the processes that route, from the opened model to the last answer; starting Ray and opening
models are told apart, for they do not grow with the history.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import ray
from route_cpu import TEXT

from serving.bulk.batch import route_file
from serving.bulk.ray_batch import route_history
from serving.routing import Router, open_router

PART_LINES = 25


def open_timed(folder: Path) -> Router:
    """The shipped router; its process notes CPU and clock when it is open and after every call."""
    router = open_router(None, "haikou")
    route, notes = router.route, folder / f"{os.getpid()}.txt"
    notes.write_text(f"{time.process_time()} {time.time()}\n")

    def noted(*args: object, **kwargs: object) -> object:
        answers = route(*args, **kwargs)  # type: ignore[arg-type]
        with notes.open("a") as file:
            file.write(f"{time.process_time()} {time.time()}\n")
        return answers

    router.route = noted  # type: ignore[method-assign, assignment]
    return router


def spent(folder: Path) -> tuple[float, float, int]:
    """CPU seconds over all processes that routed, seconds from the first open model to the last answer, processes."""
    runs = [[tuple(map(float, line.split())) for line in path.read_text().splitlines()] for path in folder.iterdir()]
    runs = [run for run in runs if len(run) > 1]
    cpu = sum(run[-1][0] - run[0][0] for run in runs)
    return cpu, max(run[-1][1] for run in runs) - min(run[0][1] for run in runs), len(runs)


def main() -> None:
    """One line per engine to standard output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=400)
    count = parser.parse_args().cases
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cases = ({"case_id": str(n), "transcript": TEXT, "received_at": "2026-05-06"} for n in range(count))
        (folder / "in.jsonl").write_text("".join(json.dumps(case, ensure_ascii=False) + "\n" for case in cases))
        for engine in ("local", "ray"):
            (folder / engine).mkdir()
        route_file(open_timed(folder / "local"), folder / "in.jsonl", folder / "out.jsonl")
        began = time.time()
        opened = partial(open_timed, folder / "ray")
        route_history(opened, folder / "in.jsonl", folder / "parts", lines=PART_LINES)
        whole = time.time() - began
        for engine in ("local", "ray"):
            cpu, wall, processes = spent(folder / engine)
            sys.stdout.write(
                f"{engine}: {cpu / count * 1e3:.2f} ms CPU a case · {processes} processes · "
                f"{count / wall:.0f} cases a second\n"
            )
        sys.stdout.write(f"ray in all {whole:.1f} s with {ray.__version__}\n")


if __name__ == "__main__":
    main()
