"""Cases through the service's own pipeline, to see what automatic dispatch would do with them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from dispatch_model.cases import Case, Disposition, Suggestion
from dispatch_model.city import City
from dispatch_model.router import Router
from training.corpus import handling_unit, read_cases, read_units, titled
from training.metrics import Floats
from training.prepare import Part
from training.selective import Served
from training.targets import MISSING

CHUNK = 32
HEADS = ("category", "function", "level", "kind")

One = tuple[str, float, bool, bool]  # function, score, open, wrong
Truth = tuple[str, str, str]  # level, function, place


@dataclass(frozen=True)
class Answers:
    """What the pipeline says of the cases of a part that tell who handled them.

    :param served: of those of the router's own city.
    :param functions: `[cases, functions]` probabilities, duty and practice blended, of those of practised cities.
    :param truth: `[cases]` who handled these, as positions among the functions.
    :param heads: what the model alone says of those of `served`, `[cases, labels]` by head.
    """

    served: Served
    functions: Floats
    truth: NDArray[np.int64]
    heads: dict[str, Floats]


def handling_places(folder: Path) -> dict[str, str]:
    """Case id → place of the unit that handled it, such as 龙华区/城西镇; only where it has one."""
    units = read_units(folder)
    handled = ((case["id"], handling_unit(case, units)) for case in read_cases(folder / "cases.jsonl.gz"))
    return {name: unit["place"] for name, unit in handled if unit and unit.get("place")}


def open_everything(router: Router) -> None:
    """Let the router dispatch whatever nothing but the threshold would hold back."""
    bundle = router.encoder.bundle
    free = replace(bundle.manifest.thresholds, auto=dict.fromkeys(router.maps.functions, 0.0))
    bundle.manifest = bundle.manifest.model_copy(update={"thresholds": free})


def answers(router: Router, part: Part, places: Mapping[str, str], name: str) -> Answers:
    """Ask the router, see `open_everything`, about every case of `part` that tells who handled it.

    Under today's rules: that is what a threshold will be used under.
    """
    function, level = part.targets["handler_function"], part.targets["handler_level"]
    handled = np.flatnonzero((function != MISSING) & (level != MISSING)).tolist()
    now = datetime.now(UTC)
    lists: list[Floats] = [np.zeros((0, len(router.maps.functions)))]
    heads: dict[str, list[Floats]] = {head: [] for head in HEADS}
    served = []
    for start in tqdm(range(0, len(handled), CHUNK), desc=name, leave=False):
        rows = handled[start : start + CHUNK]
        cases = [_case(part, row) for row in rows]
        seen = router.evidence(cases, now)
        lists.append(np.exp(seen.functions))
        own = [at for at, reading in enumerate(seen.readings) if reading.city]
        for head, found in heads.items():
            found.append(getattr(seen.predictions, head)[own])
        for at in own:
            truth = router.maps.levels[level[rows[at]]], tuple(router.maps.functions)[function[rows[at]]]
            place = places.get(part.rows["id"][rows[at]], "")
            served.append(_serve(router, cases[at], now, (*truth, place)))
    joined = {head: np.concatenate(found) for head, found in heads.items()} if served else {}
    return Answers(_table(served), np.concatenate(lists), function[handled], joined)


def _case(part: Part, row: int) -> Case:
    told = titled(part.rows["text"][row], part.rows["title"][row])
    return Case(case_id=f"row-{row}", transcript=told, city=part.rows["city"][row] or None)


def _serve(router: Router, case: Case, now: datetime, truth: Truth) -> One:
    routing = router.route([case], now=now)[0]
    if not routing.suggestions:
        return "", 0.0, False, True
    best = routing.suggestions[0]
    can = routing.disposition is Disposition.AUTO
    return best.unit.function, best.probability, can, not _right(router.city, best, truth)


def _right(city: City, best: Suggestion, truth: Truth) -> bool:
    """Whether the unit suggested is of the function, level and place of the one that handled the case.

    Since bureaus were merged a unit may answer for a function beside its own: either counts.
    """
    level, function, place = truth
    unit = city.units.get(best.unit.code)
    told = {(best.unit.level, best.unit.function)} | ({(unit.level, unit.function)} if unit else set())
    return (level, function) in told and best.unit.region.endswith(place)


def _table(served: Sequence[One]) -> Served:
    names, scores, can, wrong = zip(*served, strict=True) if served else ((), (), (), ())
    return Served(
        functions=np.array(names, dtype=np.str_),
        scores=np.array(scores, dtype=np.float64),
        open=np.array(can, dtype=np.bool_),
        wrong=np.array(wrong, dtype=np.bool_),
    )
