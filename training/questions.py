"""What is asked of a model on one part: each question with its truth, both answers and its slices."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dispatch_model.encoder import Predictions
from dispatch_model.labels import LabelMaps
from dispatch_model.ranking import Ranker
from training.baseline import Outputs
from training.metrics import Floats
from training.prepare import Part
from training.targets import MISSING, parent_membership

TERRITORY = "属地"  # org_type of town, street and district governments, which take what nobody else does
TINY = 1e-12
MIN_SLICE = 20  # a source with fewer cases gets no row of its own

FULL = ("top1", "top3", "macro_f1", "ece")
SHORT = ("top1", "macro_f1", "ece")


@dataclass(frozen=True)
class Question:
    """One question to both systems.

    :param target: `[rows]` label index or `MISSING`.
    :param ours: `[rows, labels]` log-probabilities, as `rival`.
    """

    truth: str
    name: str
    answer: str
    metrics: tuple[str, ...]
    target: NDArray[np.int64]
    ours: Floats
    rival: Floats


def model_outputs(
    predictions: Predictions, blend: Mapping[str, float | Floats], ranker: Ranker, taidi: Floats, maps: LabelMaps
) -> Outputs:
    """The bundle's answers under the baseline's head names, coarser categories as sums of leaves.

    `taidi` is `[7, leaves]` P(class | leaf), see `taidi_membership`. `wire_*` are the blended lists;
    `ranked` is `[rows, functions · levels]` as the service ranks them before it asks any list.
    """
    function, level = predictions.blended(blend)
    everything = np.ones((len(maps.leaves), len(maps.functions), len(maps.levels)), dtype=np.bool_)
    table = ranker.tables(predictions.category, function, level, everything)
    return {
        "ranked": np.log(table.reshape(len(table), -1) + TINY).astype(np.float32),
        **{name: getattr(predictions, name) for name in ("handler_function", "handler_level", "function", "level")},
        "wire_function": function,
        "wire_level": level,
        "kind": predictions.kind,
        "flags": predictions.flags,
        "category": predictions.category,
        "parent": _sums(predictions.category, parent_membership(maps)[1]),
        "taidi": _sums(predictions.category, taidi),
    }


def _sums(log_leaves: Floats, members: NDArray[np.bool_] | Floats) -> NDArray[np.float32]:
    sums: NDArray[np.float32] = np.log(np.exp(log_leaves) @ members.T.astype(np.float32) + TINY)
    return sums


def _route(functions: Floats, levels: Floats) -> NDArray[np.float32]:
    """`[rows, functions · levels]`: log-probabilities of both together, taken as independent."""
    joint = functions[:, :, None] + levels[:, None, :]
    return np.asarray(joint.reshape(len(joint), -1), dtype=np.float32)


def _both(function: NDArray[np.int64], level: NDArray[np.int64], levels: int) -> NDArray[np.int64]:
    known = (function != MISSING) & (level != MISSING)
    return np.where(known, function * levels + level, MISSING)


def _routing(part: Part, ours: Outputs, rival: Outputs, truth: str, prefix: str) -> Iterator[Question]:
    """Function, level and whole route; the rival always answers with its head trained for this truth."""
    rival_function, rival_level = rival[f"{prefix}function"], rival[f"{prefix}level"]
    function, level = part.targets[f"{prefix}function"], part.targets[f"{prefix}level"]
    both, rival_route = _both(function, level, rival_level.shape[1]), _route(rival_function, rival_level)
    for answer, own in (("head", prefix), ("wire", "wire_")):
        own_function, own_level = ours[f"{own}function"], ours[f"{own}level"]
        yield Question(truth, "function", answer, FULL, function, own_function, rival_function)
        yield Question(truth, "level", answer, SHORT, level, own_level, rival_level)
        yield Question(truth, "route", answer, FULL, both, _route(own_function, own_level), rival_route)
    yield Question(truth, "route", "ranked", FULL, both, ours["ranked"], rival_route)


def _categories(part: Part, ours: Outputs, rival: Outputs, maps: LabelMaps) -> Iterator[Question]:
    parents, _ = parent_membership(maps)
    tops = sorted({parent[:2] for parent in parents})
    under = np.array([[parent.startswith(top) for parent in parents] for top in tops])
    parent = part.targets["parent"]
    top_of = under.argmax(axis=0)
    top = np.where(parent == MISSING, MISSING, top_of[np.maximum(parent, 0)])
    pairs = {
        "category6": (part.targets["category"], ours["category"], rival["category"]),
        "category4": (parent, ours["parent"], rival["parent"]),
        "category2": (top, _sums(ours["parent"], under), _sums(rival["parent"], under)),
    }
    for name, (target, own, other) in pairs.items():
        yield Question("labels", name, "head", FULL, target, own, other)


def questions(part: Part, ours: Outputs, rival: Outputs, maps: LabelMaps) -> Iterator[Question]:
    """Every question with one right label (flags are apart: several may be right)."""
    yield from _routing(part, ours, rival, "handler", "handler_")
    yield from _routing(part, ours, rival, "labels", "")
    yield from _categories(part, ours, rival, maps)
    yield Question("labels", "kind", "head", SHORT, part.targets["kind"], ours["kind"], rival["kind"])
    yield Question("taidi", "taidi", "head", SHORT, part.targets["taidi"], ours["taidi"], rival["taidi"])


def slices(part: Part, truth: str) -> dict[str, NDArray[np.bool_]]:
    """Named subsets of a part's rows, each worth its own figures under `truth`."""
    sources = np.array(part.rows["source"], dtype=object)
    named = {"all": np.ones(len(part), dtype=np.bool_)}
    if truth != "taidi" and len(set(sources)) > 1:
        named.update({source: sources == source for source in sorted(set(sources))})
    if truth == "handler":
        elsewhere = np.array([kind != TERRITORY for kind in part.rows["handler_type"]], dtype=np.bool_)
        named.update({_without(name): rows & elsewhere for name, rows in list(named.items())})
    return named


def _without(name: str) -> str:
    return "no_territory" if name == "all" else f"{name}_no_territory"
