import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from tokenizers import Tokenizer

from dispatch_model.encoder import Encoder, Predictions
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LabelMaps
from training import noisy
from training.config import TrainingConfig
from training.prepare import Part
from training.targets import MISSING


class Listener:
    """Says the true function of a text it has seen before, and another of one it has not."""

    def __init__(self, encoder: Encoder, part: Part) -> None:
        self.encoder, self.part = encoder, part
        self.row = {text: row for row, text in enumerate(part.texts)}

    def predict(self, texts: Sequence[str]) -> Predictions:
        given = self.encoder.predict(texts)
        for place, text in enumerate(texts):
            row = self.row.get(text)
            truth = int(self.part.targets["handler_function"][row]) if row is not None else 0
            given.handler_function[place] = -9.0
            given.handler_function[place, max(0, truth) if row is not None else -1] = -0.01
        return given


def test_what_is_lost_is_the_difference(tiny_bundle: Path, tiny_parts: dict[str, Part], maps: LabelMaps) -> None:
    part, encoder = tiny_parts["test"], Encoder.open(tiny_bundle)
    found = noisy.judge(Listener(encoder, part), noisy.Answering(encoder, maps), {"test": part}, [0.2, 0.4])
    figures = [one for one in found if (one.question, one.answer, one.truth) == ("function", "head", "handler")]
    top = {one.rate: one for one in figures if (one.metric, one.cases) == ("top1", "all")}
    for rate, one in top.items():
        assert one.measured == pytest.approx(rate, abs=0.03)
        assert one.clean.value == 1.0
        assert one.loss.value == pytest.approx(one.clean.value - one.noisy.value)
        assert one.loss.low <= one.loss.value <= one.loss.high
        assert one.clean.n == int((part.targets["handler_function"] != MISSING).sum())
    assert 0 < top[0.4].loss.value <= 1


def test_a_command_leaves_its_figures(tiny_bundle: Path, tiny_config: TrainingConfig, tmp_path: Path) -> None:
    told = Console(file=io.StringIO(), width=240)
    found = noisy.evaluate_noise(tiny_bundle, tiny_config, tmp_path, [0.1], ["validation", "calls"], console=told)
    assert {one.part for one in found} == {"validation", "calls"}
    assert len(json.loads((tmp_path / noisy.NOISE_FILE).read_text(encoding="utf-8"))) == len(found)
    assert "目标 ≤ 3 点" in told.file.getvalue()  # type: ignore[attr-defined]


def test_a_sample_is_always_the_same_one(tiny_config: TrainingConfig, maps: LabelMaps) -> None:
    first, second = (noisy.load_part(tiny_config, maps, "test", 5) for _ in range(2))
    assert first.rows["id"] == second.rows["id"]
    assert len(first) == 5 < len(noisy.load_part(tiny_config, maps, "test"))


def test_the_draws_differ_and_the_rows_stay(tiny_parts: dict[str, Part]) -> None:
    part = tiny_parts["test"]
    one, other = (noisy.spoil(part, 0.2, seed)[0] for seed in (1, 2))
    assert one.rows == other.rows == part.rows
    assert one.texts != other.texts


def test_a_mean_over_draws() -> None:
    value = noisy.mean_of(np.array([1.0, 0.5, 0.0, 0.5]))(np.array([[1, 1, 1, 1], [4, 0, 0, 0]], dtype=np.float32))
    assert value.tolist() == [0.5, 1.0]


@pytest.mark.parametrize(("told", "rates"), [("0.1", [0.1]), ("0.05, 0.1,0.2", [0.05, 0.1, 0.2])])
def test_rates_are_read(told: str, rates: list[float]) -> None:
    assert noisy.parse_rates(told) == rates


@pytest.mark.parametrize("told", ["", "0", "0.6", "-0.1", "10%", "0.1,x", "nan"])
def test_what_is_no_rate_is_named(told: str) -> None:
    with pytest.raises(DispatchError) as error:
        noisy.parse_rates(told)
    assert (error.value.kind, error.value.field) == (ErrorKind.INVALID_CONFIG, "noise")


def test_an_unknown_part_is_named(tiny_config: TrainingConfig, maps: LabelMaps) -> None:
    with pytest.raises(DispatchError, match="validation"):
        noisy.load_part(tiny_config, maps, "validatoin")


def test_training_texts_may_be_noisy(tiny_parts: dict[str, Part], tiny_base: Path) -> None:
    part = tiny_parts["train"]
    tokenizer = Tokenizer.from_file(str(tiny_base / "tokenizer.json"))
    plain = part.mixed_texts(0.3, 1)
    assert plain == part.mixed_texts(0.3, 1, 0.0)
    heard = part.mixed_texts(0.3, 1, 0.5)
    assert 0.25 < sum(one != other for one, other in zip(plain, heard, strict=True)) / len(part) < 0.75
    assert part.mixed_ids(tokenizer, 48, 0.3, 1, 0.5) != part.mixed_ids(tokenizer, 48, 0.3, 1)
