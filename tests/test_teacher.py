from pathlib import Path

import numpy as np
import pytest
import torch

from dispatch_model.encoder import Encoder
from dispatch_model.errors import DispatchError, ErrorKind
from training.config import LossSection
from training.prepare import Part
from training.targets import MISSING
from training.teacher import TAUGHT, soft_targets, teacher_loss

ZERO = LossSection(handler_function=0, handler_level=0, function=0, level=0, category=0, kind=0, flags=0, taidi=0)
UNREAD = {head: torch.tensor([MISSING, MISSING]) for head in TAUGHT}


def answers(seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {head: torch.randn(2, 3, generator=generator) for head in TAUGHT}


def soft(seed: int) -> dict[str, torch.Tensor]:
    return {head: torch.softmax(values, 1) for head, values in answers(seed).items()}


def only(head: str, weight: float) -> LossSection:
    return ZERO.model_copy(update={head: weight})


def test_the_teachers_probabilities_go_row_by_row(tiny_bundle: Path, tiny_parts: dict[str, Part]) -> None:
    part = tiny_parts["test"]
    found = soft_targets(tiny_bundle, part)
    expected = Encoder.open(tiny_bundle).predict(part.texts)
    assert set(found) == set(TAUGHT)
    for head in TAUGHT:
        np.testing.assert_allclose(found[head], np.exp(getattr(expected, head)), atol=1e-3)


@pytest.mark.parametrize("head", TAUGHT)
def test_an_unread_row_learns_the_teachers_distribution(head: str) -> None:
    logits, taught = answers(1), soft(2)
    entropy = -(taught[head] * torch.log_softmax(logits[head], 1)).sum(1).mean()
    torch.testing.assert_close(teacher_loss(logits, taught, UNREAD, only(head, 3.0)), 3.0 * entropy)


def test_a_read_row_keeps_its_label() -> None:
    logits = {head: values.requires_grad_() for head, values in answers(1).items()}
    targets = UNREAD | {"kind": torch.tensor([2, MISSING])}
    teacher_loss(logits, soft(2), targets, only("kind", 1.0)).backward()  # type: ignore[no-untyped-call]
    gradient = logits["kind"].grad
    assert gradient is not None
    assert not gradient[0].any()
    assert gradient[1].any()


def test_the_teacher_is_matched_where_the_loss_is_least() -> None:
    logits = answers(1)
    matched = teacher_loss(logits, soft(1), UNREAD, only("level", 1.0))
    assert matched < teacher_loss(answers(2), soft(1), UNREAD, only("level", 1.0))


def test_a_teacher_that_does_not_load_is_named(tmp_path: Path, tiny_parts: dict[str, Part]) -> None:
    with pytest.raises(DispatchError, match=r"bundle\.json") as caught:
        soft_targets(tmp_path, tiny_parts["test"])
    assert caught.value.kind is ErrorKind.INVALID_BUNDLE


def test_a_student_learns_from_its_teacher_on_rows_that_were_read_too() -> None:
    logits, taught = answers(1), soft(2)
    read = {head: torch.tensor([0, 1]) for head in TAUGHT}
    assert teacher_loss(logits, taught, read, only("kind", 1.0)) == 0
    entropy = -(taught["kind"] * torch.log_softmax(logits["kind"], 1)).sum(1).mean()
    torch.testing.assert_close(teacher_loss(logits, taught, read, only("kind", 1.0), "all"), entropy)
