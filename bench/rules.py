"""What the rules cost: loading and compiling 5,000 rows, and mask + rank of one case, at 515 × 37 × 4.

    python bench/rules.py                # some seconds, in this process

Goals: compile ≤ 200 ms, mask + rank ≤ 300 µs. "Compile" is all between the parsed rows and the first mask; "another
mask" and "A·π^β" are what each further place or season costs, once. Ranking takes random model outputs and the
shipped prior, in some 20 places in turn.
"""

import csv
import io
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from importlib.resources import files
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from dispatch_model.access_list import AccessList
from dispatch_model.access_row import COLUMNS, LISTS
from dispatch_model.bundle import Bundle
from dispatch_model.catalogue import Catalogue
from dispatch_model.city import City
from dispatch_model.labels import LabelMaps
from dispatch_model.ranking import Ranker
from dispatch_model.table import Upload

ROWS = 5_000
CASES = 500
DAY = date(2026, 5, 1)


def main() -> None:
    """One line per step to standard output."""
    maps = LabelMaps.load()
    city = City.load("haikou", maps)
    source = Upload("access_list.csv", rows(ROWS, maps, city))
    _tell(f"load {ROWS} rows of CSV", _median(lambda: AccessList.load(source, maps, city), 3))
    parsed = AccessList.load(source, maps, city).rows
    functions = tuple(maps.functions)
    _tell("compile", _median(lambda: AccessList(parsed, maps.leaves, functions).mask((), DAY), 9))
    access_list = AccessList(parsed, maps.leaves, functions)
    paths = [tuple(region.code for region in city.ancestors(code)) for code in city.regions]
    days = cycle((path, DAY) for path in paths)
    _tell("another mask", _median(lambda: access_list._compiler.compile(frozenset(next(days)[0]), DAY), CASES))
    _tell("decide", _median(lambda: access_list.decide("030701", "城管", "镇街", next(days)[0], DAY), CASES))
    rank(maps, access_list, paths)


def rank(maps: LabelMaps, access_list: AccessList, paths: Sequence[tuple[str, ...]]) -> None:
    """Mask + rank of single cases in changing places, and of many under one mask."""
    bundle = Bundle.open(None, maps)
    manifest = bundle.manifest
    binding = Catalogue.load(Path(str(files("configs"))) / "haikou" / "catalogue.csv", maps).binding
    ranker = Ranker(bundle.log_prior, manifest.beta, binding, manifest.temperature)
    rng = np.random.default_rng(0)
    category, function, level = (3 * rng.standard_normal((CASES, size)) for size in bundle.log_prior.shape)
    near = paths[:: max(1, len(paths) // 20)]
    for path in near:
        ranker.rank(category[0], function[0], level[0], access_list.mask(path, DAY))
    _tell("A·π^β of another mask", _median(lambda: ranker._compile(access_list.mask((), DAY)), 100))
    cases = cycle((number, near[number % len(near)]) for number in range(CASES))

    def one() -> None:
        number, path = next(cases)
        ranker.rank(category[number], function[number], level[number], access_list.mask(path, DAY)).top(8)

    _tell("mask + rank, one case", _median(one, CASES))
    together = _median(lambda: ranker.tables(category, function, level, access_list.mask((), DAY)), 5)
    _tell("rank, per case of 500 together", together / CASES)


def rows(count: int, maps: LabelMaps, city: City) -> bytes:
    """A lawful list of `count` rows as CSV: each prefix, level and place on one list only."""
    chosen = random.Random(0)
    functions, codes = tuple(maps.functions), tuple(maps.categories)
    places = ["", *(code for code, region in city.regions.items() if region.level in ("区", "镇街"))]
    taken: set[tuple[str, str, str]] = set()
    file = io.StringIO()
    writer = csv.DictWriter(file, COLUMNS, restval="")
    writer.writeheader()
    while len(taken) < count:
        key = chosen.choice(codes), chosen.choice(list(LISTS)), chosen.choice(places)
        if key in taken:
            continue
        taken.add(key)
        start = date(2026, 1, 1) + timedelta(days=30 * chosen.randrange(6))
        seasonal = chosen.random() < 0.1
        writer.writerow(
            {
                "id": f"B-{len(taken):05d}",
                "matter": "事项",
                "category": key[0],
                "level": key[1],
                "list": chosen.choice(LISTS[key[1]]),
                "lead_function": chosen.choice(("", *functions)),
                "co_functions": "|".join(chosen.sample(functions, chosen.randrange(3))),
                "duty": "职责",
                "region": key[2],
                "basis": "依据",
                "valid_from": start if seasonal else "",
                "valid_to": start + timedelta(days=60) if seasonal else "",
            }
        )
    return file.getvalue().encode()


def _median(call: Callable[[], Any], rounds: int) -> float:
    """Median seconds of `call` on the wall clock."""
    spent = []
    for _ in range(rounds):
        started = time.perf_counter()
        call()
        spent.append(time.perf_counter() - started)
    return statistics.median(spent)


def _tell(name: str, seconds: float) -> None:
    sys.stdout.write(f"{name:<32}{seconds * 1e3:10.3f} ms\n")


if __name__ == "__main__":
    main()
