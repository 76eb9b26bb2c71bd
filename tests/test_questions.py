from typing import Any

import numpy as np
import pytest

from dispatch_model.encoder import Predictions
from dispatch_model.labels import LabelMaps
from dispatch_model.ranking import Ranker
from training.baseline import Outputs, head_sizes
from training.prepare import Part
from training.questions import Question, model_outputs, questions, slices
from training.targets import MISSING, TAIDI_CLASSES, parent_membership, taidi_membership

BLEND = {"function": 0.25, "level": 0.5}


def predictions(rows: int, maps: LabelMaps) -> Predictions:
    """Random, normalised answers."""
    rng = np.random.default_rng(0)

    def draw(labels: int) -> np.ndarray:
        return np.log(rng.dirichlet(np.ones(labels), rows)).astype(np.float32)

    function, level = len(maps.functions), len(maps.levels)
    return Predictions(
        category=draw(len(maps.leaves)),
        function=draw(function),
        level=draw(level),
        handler_function=draw(function),
        handler_level=draw(level),
        kind=draw(len(maps.kinds)),
        flags=np.exp(draw(len(maps.flags))),
    )


def uniform(rows: int, maps: LabelMaps) -> Outputs:
    """A rival that knows nothing."""
    heads = {head: np.full((rows, n), -np.log(n), dtype=np.float32) for head, n in head_sizes(maps).items()}
    return heads | {"flags": np.zeros((rows, len(maps.flags)), dtype=np.float32)}


def asked(part: Part, ours: Outputs, maps: LabelMaps) -> dict[tuple[str, str, str], Question]:
    found = questions(part, ours, uniform(len(part), maps), maps)
    return {(one.truth, one.name, one.answer): one for one in found}


def test_coarser_categories_are_sums_of_leaves(maps: LabelMaps) -> None:
    given = predictions(3, maps)
    ours = model_outputs(given, BLEND, Ranker(hold=False), taidi_membership(maps), maps)
    leaves = np.exp(given.category[0])
    parents, _ = parent_membership(maps)
    under = [leaf.startswith(parents[5]) for leaf in maps.leaves]
    assert np.exp(ours["parent"][0, 5]) == pytest.approx(leaves[under].sum(), rel=1e-4)
    assert ours["taidi"].shape == (3, len(TAIDI_CLASSES))


def test_the_wire_list_is_the_blend(maps: LabelMaps) -> None:
    given = predictions(2, maps)
    ours = model_outputs(given, BLEND, Ranker(hold=False), taidi_membership(maps), maps)
    mixed = 0.25 * np.exp(given.function) + 0.75 * np.exp(given.handler_function)
    assert np.exp(ours["wire_function"]) == pytest.approx(mixed, abs=1e-5)


def test_without_a_prior_the_ranked_route_is_the_wire_lists_together(
    tiny_parts: dict[str, Part], maps: LabelMaps
) -> None:
    part = tiny_parts["test"]
    ours = model_outputs(predictions(len(part), maps), BLEND, Ranker(hold=False), taidi_membership(maps), maps)
    found = asked(part, ours, maps)
    wire, ranked = found["labels", "route", "wire"], found["labels", "route", "ranked"]
    assert np.exp(ranked.ours) == pytest.approx(np.exp(wire.ours), abs=1e-5)


def test_a_route_is_right_when_function_and_level_are(tiny_parts: dict[str, Part], maps: LabelMaps) -> None:
    part = tiny_parts["test"]
    found = asked(
        part, model_outputs(predictions(len(part), maps), BLEND, Ranker(hold=False), taidi_membership(maps), maps), maps
    )
    route, levels = found["handler", "route", "head"], len(maps.levels)
    assert (route.target // levels == part.targets["handler_function"]).all()
    assert (route.target % levels == part.targets["handler_level"]).all()
    function, level = found["handler", "function", "head"], found["handler", "level", "head"]
    best = route.ours.argmax(axis=1)
    assert (best == function.ours.argmax(axis=1) * levels + level.ours.argmax(axis=1)).all()


def test_the_rival_answers_each_truth_with_its_own_head(tiny_parts: dict[str, Part], maps: LabelMaps) -> None:
    part = tiny_parts["test"]
    rival = uniform(len(part), maps)
    ours = model_outputs(predictions(len(part), maps), BLEND, Ranker(hold=False), taidi_membership(maps), maps)
    found = {(q.truth, q.name, q.answer): q for q in questions(part, ours, rival, maps)}
    assert found["handler", "function", "wire"].rival is rival["handler_function"]
    assert found["labels", "function", "wire"].rival is rival["function"]
    assert found["labels", "category4", "head"].rival is rival["parent"]
    assert found["labels", "category6", "head"].rival is rival["category"]


def test_two_digit_truth_follows_from_four_digits(tiny_parts: dict[str, Part], maps: LabelMaps) -> None:
    part = tiny_parts["test"]
    found = asked(
        part, model_outputs(predictions(len(part), maps), BLEND, Ranker(hold=False), taidi_membership(maps), maps), maps
    )
    tops = sorted({leaf[:2] for leaf in maps.leaves})
    for target, code in zip(found["labels", "category2", "head"].target, part.rows["category"], strict=True):
        assert target == (MISSING if code is None else tops.index(code[:2]))


def test_slices_are_by_source_with_and_without_units_of_the_territory() -> None:
    rows: dict[str, list[Any]] = {
        "source": ["haikou", "haikou", "shanghai"],
        "handler_type": ["属地", "政府部门", None],
    }
    part = Part(rows, ["甲", "乙", "丙"], ["甲", "乙", "丙"], {})
    named = {name: chosen.tolist() for name, chosen in slices(part, "handler").items()}
    assert named == {
        "all": [True, True, True],
        "haikou": [True, True, False],
        "shanghai": [False, False, True],
        "no_territory": [False, True, True],
        "haikou_no_territory": [False, True, False],
        "shanghai_no_territory": [False, False, True],
    }
    assert "no_territory" not in slices(part, "labels")
    assert set(slices(part, "taidi")) == {"all"}


def test_a_lone_source_is_no_slice_of_its_own(tiny_parts: dict[str, Part]) -> None:
    assert set(slices(tiny_parts["test"], "labels")) == {"all"}
