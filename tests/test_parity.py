import numpy as np
import pytest

from dispatch_model.errors import DispatchError, ErrorKind
from training.parity import MAX_F1_LOSS, MAX_FLIPS, ParityRow, check, compare
from training.targets import MISSING


def scores(best: list[int]) -> np.ndarray:
    return np.eye(3)[best]


def row(flips: float = 0.0, f1_loss: float = 0.0) -> ParityRow:
    return ParityRow("fp32→int8", "kind", 500, flips, f1_loss)


def test_flips_count_all_rows_and_f1_the_labelled() -> None:
    before, after = scores([0, 1, 2, 0]), scores([0, 1, 0, 1])
    (found,) = compare("step", {"kind": before}, {"kind": after}, {"kind": np.array([0, 1, 2, MISSING])})
    assert (found.step, found.head, found.rows, found.flips) == ("step", "kind", 4, 0.5)
    assert found.f1_loss == pytest.approx(1 - (2 / 3 + 1 + 0) / 3)


def test_a_flip_to_the_better_is_still_a_flip() -> None:
    (found,) = compare("step", {"kind": scores([0, 1])}, {"kind": scores([0, 0])}, {"kind": np.array([0, 0])})
    assert found.flips == 0.5
    assert found.f1_loss < 0


def test_rows_without_labels_lose_nothing() -> None:
    (found,) = compare("step", {"kind": scores([0])}, {"kind": scores([1])}, {"kind": np.array([MISSING])})
    assert (found.flips, found.f1_loss) == (1.0, 0.0)


def test_the_limits_themselves_pass() -> None:
    check([row(MAX_FLIPS, MAX_F1_LOSS), row(0.0, -0.2)])


@pytest.mark.parametrize("bad", [row(flips=MAX_FLIPS + 0.002), row(f1_loss=MAX_F1_LOSS + 0.002), row(float("nan"))])
def test_beyond_a_limit_the_export_is_refused(bad: ParityRow) -> None:
    with pytest.raises(DispatchError) as caught:
        check([row(), bad])
    assert caught.value.kind is ErrorKind.INVALID_BUNDLE
    assert len(caught.value.details) == 1
    assert "fp32→int8 · kind" in caught.value.details[0]
    assert "n = 500" in caught.value.details[0]
