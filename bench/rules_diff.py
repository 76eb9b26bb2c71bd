"""Time and memory of `dispatch rules diff` on 100,000 stored outputs: the whole command, in a process of its own.

    OMP_NUM_THREADS=1 python bench/rules_diff.py            # about a minute, most of it making the outputs

The outputs are invented: random logits as peaked as the model's, places and days of the real tables.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dispatch_model.access_list import AccessList
from dispatch_model.access_row import AccessRow
from dispatch_model.bundle import Bundle, sha256
from dispatch_model.city import City
from dispatch_model.labels import LabelMaps
from dispatch_model.outputs import Origin, StoredOutputs
from dispatch_model.rules import RuleKind, to_csv
from serving.rules.check import shipped_rules

CASES = 100_000
YEARS = ("2025-01-01", "2027-01-01")
SHARPNESS = 3.0  # standard deviation of the invented logits


def main() -> None:
    """One line of figures to standard output."""
    maps = LabelMaps.load()
    city = City.load("haikou", maps)
    bundle = Bundle.open(None, maps)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cases, outputs = folder / "cases.jsonl", folder / "outputs.npz"
        offsets = write_cases(cases)
        invent(offsets, maps, city).save(outputs, Origin.of(sha256(cases), bundle, city))
        old, new = write_lists(folder, maps, city)
        command = "from serving.cli import main; main()"
        options = ["--cases", str(cases), "--outputs", str(outputs), "--report", str(folder / "report.html")]
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", command, "rules", "diff", str(old), str(new), *options], check=True)
        spent = time.perf_counter() - started
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        size = (folder / "report.html").stat().st_size
        sys.stdout.write(
            f"{CASES} cases: {spent:.1f} s, {used.ru_utime + used.ru_stime:.1f} s CPU, "
            f"{used.ru_maxrss / 1024:.0f} MiB at most; outputs {outputs.stat().st_size / 2**20:.0f} MiB, "
            f"report {size / 2**10:.0f} KiB\n"
        )


def write_cases(path: Path) -> NDArray[np.int64]:
    """The file of cases and where its lines begin."""
    told = "楼下的烧烤摊占道经营，油烟很大，晚上十二点还不收摊，打电话问过物业说管不了，希望有关部门来处理"
    lines = [json.dumps({"case_id": f"B{n}", "transcript": told}, ensure_ascii=False) + "\n" for n in range(CASES)]
    raw = [line.encode() for line in lines]
    path.write_bytes(b"".join(raw))
    return np.cumsum([0, *map(len, raw[:-1])])


def invent(offsets: NDArray[np.int64], maps: LabelMaps, city: City) -> StoredOutputs:
    """Random outputs; one case in ten has no place, one in five names a unit."""
    random = np.random.default_rng(7)
    regions, units = np.array(["", *city.regions]), np.array(["", *city.units])
    span = np.arange(*YEARS, dtype="datetime64[D]")
    return StoredOutputs(
        case_id=np.array([f"B{n}" for n in range(CASES)]),
        offset=offsets,
        day=random.choice(span, CASES),
        region_code=np.where(random.random(CASES) < 0.1, "", random.choice(regions, CASES)),
        named=np.where(random.random(CASES) < 0.2, random.choice(units, CASES), ""),
        known=np.ones(CASES, dtype=np.bool_),
        kind=random.integers(0, len(maps.kinds), CASES, dtype=np.uint8),
        category=_logits(random, len(maps.leaves)),
        function=_logits(random, len(maps.functions)),
        level=_logits(random, len(maps.levels)),
    )


def _logits(random: np.random.Generator, width: int) -> NDArray[np.float16]:
    logits = random.standard_normal((CASES, width), dtype=np.float32) * SHARPNESS
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float16)


def write_lists(folder: Path, maps: LabelMaps, city: City) -> tuple[Path, Path]:
    """The shipped access list, and one that takes half of its categories from the streets."""
    shipped = shipped_rules(city.slug, maps, city)[RuleKind.ACCESS_LIST]
    if not isinstance(shipped, AccessList):
        raise TypeError(type(shipped))
    taken = AccessList(map(_taken, shipped.rows), maps.leaves, tuple(maps.functions))
    old, new = folder / "old.csv", folder / "new.csv"
    old.write_bytes(to_csv(RuleKind.ACCESS_LIST, shipped))
    new.write_bytes(to_csv(RuleKind.ACCESS_LIST, taken))
    return old, new


def _taken(row: AccessRow) -> AccessRow:
    return replace(row, list="收回") if row.level == "镇街" and int(row.category) % 2 else row


if __name__ == "__main__":
    main()
