from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dispatch_model.labels import LabelMaps
from training.config import LossSection
from training.loss import MultiTaskLoss, divergence
from training.targets import MISSING, TAIDI_CLASSES, Targets, encode_targets, parent_membership, taidi_membership

HEADS = ("handler_function", "handler_level", "function", "level", "category", "kind", "flags", "taidi")


def weights(**given: float) -> LossSection:
    return LossSection(**{head: given.get(head, 0.0) for head in HEADS})


def targets(maps: LabelMaps, rows: int = 2, **columns: Any) -> Targets:
    names = ("category", "handler_function", "handler_level", "function", "level", "kind", "flags", "taidi_label")
    return encode_targets({name: columns.get(name, [None] * rows) for name in names}, maps)


def logits(maps: LabelMaps, rows: int = 2) -> dict[str, Tensor]:
    torch.manual_seed(2)
    functions, levels = len(maps.functions), len(maps.levels)
    sizes = {
        **{"category": len(maps.leaves), "kind": len(maps.kinds), "flags": len(maps.flags)},
        **{"function": functions, "handler_function": functions, "level": levels, "handler_level": levels},
    }
    return {head: torch.randn(rows, size, requires_grad=True) for head, size in sizes.items()}


def loss(maps: LabelMaps, given: LossSection, answer: Mapping[str, Tensor], truth: Targets, **options: Any) -> Tensor:
    smoothing = options.get("smoothing", 0.0)
    module = MultiTaskLoss(given, maps, smoothing, options.get("train", truth))
    value: Tensor = module(answer, {name: torch.from_numpy(values) for name, values in truth.items()})
    return value


@pytest.mark.parametrize("head", ["function", "level", "kind", "handler_function", "handler_level"])
def test_a_choice_is_scored_by_cross_entropy(maps: LabelMaps, head: str) -> None:
    answer = logits(maps)
    label = {"function": "城管", "level": "区", "kind": "投诉"}[head.removeprefix("handler_")]
    given: dict[str, Any] = {head: [label, None]}
    truth = targets(maps, **given)
    expected = -torch.log_softmax(answer[head][0], 0)[truth[head][0]] / 2  # one of two rows knows it
    torch.testing.assert_close(loss(maps, weights(**{head: 3.0}), answer, truth), 3.0 * expected)


def test_rows_without_a_label_pull_at_nothing(maps: LabelMaps) -> None:
    answer = logits(maps)
    columns: dict[str, Any] = {
        **{"category": ["030501", None], "function": ["城管", None], "level": ["区", None], "kind": ["投诉", None]},
        **{"handler_function": ["城管", None], "handler_level": ["区", None], "flags": [["vague"], None]},
    }
    loss(maps, weights(**dict.fromkeys(HEADS, 1.0)), answer, targets(maps, **columns), smoothing=0.1).backward()  # type: ignore[no-untyped-call]
    for head, values in answer.items():
        assert values.grad is not None, head
        assert values.grad[0].any(), head
        assert not values.grad[1].any(), head


def test_nothing_known_gives_a_zero_that_still_flows(maps: LabelMaps) -> None:
    answer = logits(maps)
    value = loss(maps, weights(**dict.fromkeys(HEADS, 1.0)), answer, targets(maps))
    value.backward()  # type: ignore[no-untyped-call]
    assert value.item() == 0.0
    assert all(values.grad is not None and not values.grad.any() for values in answer.values())


def test_a_four_digit_category_is_the_sum_of_its_leaves(maps: LabelMaps) -> None:
    answer = logits(maps)
    parents, members = parent_membership(maps)
    inside = torch.softmax(answer["category"], 1)[0][torch.from_numpy(members[parents.index("0305")])].sum()
    value = loss(maps, weights(category=1.0), answer, targets(maps, category=["0305", None]))
    torch.testing.assert_close(value, -0.5 * torch.log(inside) / 2)


def test_six_digits_count_beside_four(maps: LabelMaps) -> None:
    answer = logits(maps, rows=1)
    four = loss(maps, weights(category=1.0), answer, targets(maps, rows=1, category=["0305"]))
    six = loss(maps, weights(category=1.0), answer, targets(maps, rows=1, category=["030501"]))
    leaf = torch.log_softmax(answer["category"], 1)[0, maps.leaves.index("030501")]
    torch.testing.assert_close(six, four - leaf)


def test_a_coarse_class_is_the_weighted_sum_of_its_leaves(maps: LabelMaps) -> None:
    answer = logits(maps, rows=1)
    members = torch.from_numpy(taidi_membership(maps)[list(TAIDI_CLASSES).index("交通运输")])
    value = loss(maps, weights(taidi=2.0), answer, targets(maps, rows=1, taidi_label=["交通运输"]))
    torch.testing.assert_close(value, -2.0 * torch.log((torch.softmax(answer["category"], 1)[0] * members).sum()))


def test_flags_are_scored_each_for_itself(maps: LabelMaps) -> None:
    answer = logits(maps, rows=1)
    truth = targets(maps, rows=1, flags=[["refuse", "multi"]])
    raised = torch.tensor([flag in ("refuse", "multi") for flag in maps.flags])
    chance = torch.where(raised, torch.sigmoid(answer["flags"][0]), 1 - torch.sigmoid(answer["flags"][0]))
    torch.testing.assert_close(loss(maps, weights(flags=1.0), answer, truth), -torch.log(chance).mean())


def test_only_handler_heads_are_smoothed(maps: LabelMaps) -> None:
    answer = logits(maps)
    for head, changes in (("handler_level", True), ("level", False)):
        given: dict[str, Any] = {head: ["区", "市"]}
        truth = targets(maps, **given)
        plain, smooth = (loss(maps, weights(**{head: 1.0}), answer, truth, smoothing=s) for s in (0.0, 0.2))
        assert (plain.item() != smooth.item()) is changes


def test_divergence_is_symmetric_and_leaves_flags_out(maps: LabelMaps) -> None:
    one, other = logits(maps), {head: values * 0.5 for head, values in logits(maps).items()}
    assert divergence(one, one).item() == pytest.approx(0.0, abs=1e-6)
    assert divergence(one, other).item() == pytest.approx(divergence(other, one).item(), rel=1e-5)
    assert divergence(one, one | {"flags": other["flags"]}).item() == pytest.approx(0.0, abs=1e-6)


def test_divergence_is_the_mean_of_both_directions() -> None:
    p, q = np.array([0.7, 0.3]), np.array([0.4, 0.6])
    expected = ((p * np.log(p / q)).sum() + (q * np.log(q / p)).sum()) / 2
    pair = [{"kind": torch.from_numpy(np.log([row]))} for row in (p, q)]
    assert divergence(*pair).item() == pytest.approx(expected)


def test_missing_is_what_torch_ignores() -> None:
    assert torch.nn.CrossEntropyLoss().ignore_index == MISSING
