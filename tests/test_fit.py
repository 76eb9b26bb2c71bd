import json
import math
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LabelMaps
from training.config import TrainingConfig
from training.fit import Fit, build_network, fit, learning_rate_factor, load_tokenizer
from training.prepare import Part


def changed(config: TrainingConfig, **values: float) -> TrainingConfig:
    """The same configuration with other values in [fit]."""
    return config.model_copy(update={"fit": config.fit.model_copy(update=values)})


def weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "network.safetensors")


def same(one: Path, other: Path) -> bool:
    first, second = weights(one), weights(other)
    return all(torch.equal(first[name], second[name]) for name in first)


def train(config: TrainingConfig, maps: LabelMaps, folder: Path, parts: dict[str, Part]) -> Path:
    """A whole run on parts that are already there."""
    folder.mkdir()
    Fit(config, maps, folder, parts).run()
    return folder


def test_the_rate_rises_then_falls_to_a_tenth() -> None:
    rates = [learning_rate_factor(step, 100, 0.1) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == 1.0
    assert rates[100] == pytest.approx(0.1)
    assert all(earlier >= later for earlier, later in pairwise(rates[10:]))
    assert learning_rate_factor(500, 100, 0.1) == pytest.approx(0.1)
    assert learning_rate_factor(0, 100, 0.0) == 1.0


def test_the_tokenizer_comes_without_its_own_limits(tiny_config: TrainingConfig) -> None:
    tokenizer = load_tokenizer(tiny_config.encoder.base)
    assert tokenizer.padding is None
    assert tokenizer.truncation is None
    assert len(tokenizer.encode("路灯" * 500).ids) == 1002


def test_a_finished_run_says_what_it_did(tiny_run: Path, tiny_config: TrainingConfig, maps: LabelMaps) -> None:
    kept = TrainingConfig.model_validate_json((tiny_run / "config.json").read_text(encoding="utf-8"))
    lines = [json.loads(line) for line in (tiny_run / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert kept == tiny_config
    assert [line["epoch"] for line in lines] == [1, 2]
    assert all(0 <= lines[-1][head] <= 1 for head in ("handler_function", "function", "kind", "category_4"))
    network = build_network(tiny_config, maps)
    network.load_state_dict(weights(tiny_run))


def test_the_same_seed_gives_the_same_weights(
    tmp_path: Path, tiny_run: Path, tiny_config: TrainingConfig, maps: LabelMaps, tiny_parts: dict[str, Part]
) -> None:
    assert same(train(tiny_config, maps, tmp_path / "again", tiny_parts), tiny_run)
    other = changed(tiny_config, seed=tiny_config.fit.seed + 1)
    assert not same(train(other, maps, tmp_path / "other", tiny_parts), tiny_run)


@pytest.mark.parametrize("steps", [1, 4, 6])
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(
    tmp_path: Path,
    tiny_run: Path,
    tiny_config: TrainingConfig,
    maps: LabelMaps,
    tiny_parts: dict[str, Part],
    steps: int,
) -> None:
    class CutOff(Fit):
        def save(self) -> None:
            super().save()
            if self.progress.step == steps:
                raise KeyboardInterrupt

    config = changed(tiny_config, checkpoint_minutes=1e-9)
    with pytest.raises(KeyboardInterrupt):
        CutOff(config, maps, tmp_path, tiny_parts).run()
    assert not (tmp_path / "network.safetensors").exists()
    torch.rand(100)  # whatever else was drawn between
    again = Fit(tiny_config, maps, tmp_path, tiny_parts)
    assert again.resume()
    assert again.progress.step == steps
    again.run()
    assert same(tmp_path, tiny_run)


def test_there_is_nothing_to_resume_in_a_new_folder(
    tmp_path: Path, tiny_config: TrainingConfig, maps: LabelMaps, tiny_parts: dict[str, Part]
) -> None:
    assert not Fit(tiny_config, maps, tmp_path, tiny_parts).resume()


def test_a_finished_run_ends_at_once_with_its_scores(
    tmp_path: Path, tiny_run: Path, tiny_config: TrainingConfig, maps: LabelMaps, tiny_parts: dict[str, Part]
) -> None:
    (tmp_path / "checkpoint.pt").write_bytes((tiny_run / "checkpoint.pt").read_bytes())
    again = Fit(tiny_config, maps, tmp_path, tiny_parts)
    again.resume()
    scores = again.run()
    last = json.loads((tiny_run / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    assert {head: round(score, 4) for head, score in scores.items()} == {head: last[head] for head in scores}
    assert scores
    assert same(tmp_path, tiny_run)
    assert not (tmp_path / "log.jsonl").exists()


def test_a_broken_off_save_leaves_the_old_checkpoint(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tiny_config: TrainingConfig,
    maps: LabelMaps,
    tiny_parts: dict[str, Part],
) -> None:
    run = Fit(tiny_config, maps, tmp_path, tiny_parts)
    run.save()
    before = run.checkpoint.read_bytes()

    def full_disk(_: object, path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError("no space left")

    monkeypatch.setattr(torch, "save", full_disk)
    with pytest.raises(OSError, match="no space"):
        run.save()
    assert run.checkpoint.read_bytes() == before


def test_the_averaged_weights_are_what_is_kept(
    tmp_path: Path, tiny_config: TrainingConfig, maps: LabelMaps, tiny_parts: dict[str, Part]
) -> None:
    run = Fit(tiny_config, maps, tmp_path, tiny_parts)
    run.run()
    kept = weights(tmp_path)["heads.kind.weight"]
    assert torch.equal(kept, run.average.module.get_parameter("heads.kind.weight"))
    assert not torch.equal(kept, run.network.get_parameter("heads.kind.weight"))


def test_training_learns(
    tmp_path: Path, tiny_config: TrainingConfig, maps: LabelMaps, tiny_parts: dict[str, Part]
) -> None:
    run = Fit(changed(tiny_config, epochs=12, encoder_lr=2e-3, head_lr=1e-2), maps, tmp_path, tiny_parts)
    chance = run.validate()
    scores = run.run()
    assert scores["function"] > 0.8 > chance["function"]
    assert scores["category_4"] > 0.8 > chance["category_4"]


def test_r_drop_adds_to_the_loss(
    tmp_path: Path, tiny_config: TrainingConfig, maps: LabelMaps, tiny_parts: dict[str, Part]
) -> None:
    losses = {}
    for weight in (0.0, 5.0):
        run = Fit(changed(tiny_config, rdrop=weight), maps, tmp_path, tiny_parts)
        ids = run.parts["train"].token_ids(run.tokenizer, 48)
        losses[weight] = run.train_step(ids, [0, 1, 2, 3], steps=10)
    assert math.isfinite(losses[5.0])
    assert losses[5.0] > losses[0.0] + 0.01


def test_missing_data_stop_before_anything_is_trained(tmp_path: Path, tiny_config: TrainingConfig) -> None:
    data = tiny_config.data.model_copy(update={"folder": tmp_path / "nowhere"})
    with pytest.raises(DispatchError, match="nowhere") as caught:
        fit(tiny_config.model_copy(update={"data": data}), tmp_path / "run")
    assert caught.value.kind is ErrorKind.INVALID_CONFIG
