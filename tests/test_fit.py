import json
import math
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LabelMaps
from training import fit as module
from training.batches import scarce
from training.config import TrainingConfig
from training.fit import Fit, build_network, fit, learning_rate_factor, load_tokenizer
from training.predict import device
from training.prepare import Part


def changed(config: TrainingConfig, **values: float | str) -> TrainingConfig:
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


def test_scarce_rows_are_read_twice_a_pass(
    tmp_path: Path, tiny_config: TrainingConfig, maps: LabelMaps, tiny_parts: dict[str, Part]
) -> None:
    def read(bound: int) -> list[int]:
        _, batches = Fit(changed(tiny_config, scarce_rows=bound), maps, tmp_path, tiny_parts).batches(0)
        return sorted(row for _, batch in batches for row in batch)

    every = [*range(len(tiny_parts["train"]))]
    few = scarce(tiny_parts["train"].targets, 10)
    assert 0 < len(few) < len(every)
    assert read(0) == every
    assert read(10) == sorted(every + few)


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


def changed_at(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_a_finished_run_writes_nothing_and_asks_no_teacher_again(
    tmp_path: Path,
    tiny_config: TrainingConfig,
    maps: LabelMaps,
    tiny_parts: dict[str, Part],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def teacher(bundle: Path, part: Part) -> dict[str, np.ndarray]:
        asked.append(bundle)
        widths = {"category": len(maps.leaves), "function": len(maps.functions), "level": 4, "kind": len(maps.kinds)}
        widths |= {f"handler_{head}": widths[head] for head in ("function", "level")}
        return {head: np.full((len(part), width), 1 / width, dtype=np.float16) for head, width in widths.items()}

    monkeypatch.setattr(module, "soft_targets", teacher)
    taught = changed(tiny_config, teacher="bundle", teacher_weight=1.0, epochs=1)
    scores = Fit(taught, maps, tmp_path, tiny_parts).run()
    before = changed_at(tmp_path)
    again = Fit(taught, maps, tmp_path, tiny_parts)
    again.resume()
    assert again.run() == scores
    assert changed_at(tmp_path) == before
    assert asked == [Path("bundle")]


def test_a_run_of_other_settings_or_rows_is_not_resumed(
    tmp_path: Path, tiny_config: TrainingConfig, maps: LabelMaps, tiny_parts: dict[str, Part]
) -> None:
    Fit(tiny_config, maps, tmp_path, tiny_parts).save()
    with pytest.raises(DispatchError, match="其他设置或数据") as caught:
        Fit(changed(tiny_config, epochs=5), maps, tmp_path, tiny_parts).resume()
    assert caught.value.kind is ErrorKind.INVALID_CONFIG
    assert caught.value.details == ("fit.epochs：检查点 2，现在 5",)
    others = {**tiny_parts, "train": tiny_parts["test"]}
    with pytest.raises(DispatchError, match="training_data"):
        Fit(tiny_config, maps, tmp_path, others).resume()


def test_a_refused_run_leaves_the_folder_as_it_was(
    tmp_path: Path, tiny_run: Path, tiny_config: TrainingConfig, maps: LabelMaps
) -> None:
    shutil.copytree(tiny_run, tmp_path / "run")
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    with pytest.raises(DispatchError, match=r"fit\.seed"):
        fit(changed(tiny_config, seed=99), tmp_path / "run", maps)
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


def test_the_rate_reaches_its_end_also_without_titles(
    tmp_path: Path, tiny_config: TrainingConfig, maps: LabelMaps, tiny_parts: dict[str, Part]
) -> None:
    asked = []

    class Counted(Fit):
        def train_step(self, ids: list[list[int]], rows: list[int], steps: int) -> float:
            asked.append(steps)
            return super().train_step(ids, rows, steps)

    part = tiny_parts["train"]
    long = Part(part.rows, ["反映问题" * 8 + "。" + text for text in part.texts], part.bare, part.targets)
    run = Counted(changed(tiny_config, title_drop=1.0), maps, tmp_path, {**tiny_parts, "train": long})
    run.run()
    assert set(asked) == {2 * len(run.batches(0)[1])}
    assert abs(asked[0] - len(asked)) <= 1  # batches of one epoch and the next differ a little


def test_a_run_starts_from_given_weights_on_its_device(
    tmp_path: Path,
    tiny_run: Path,
    tiny_config: TrainingConfig,
    maps: LabelMaps,
    tiny_parts: dict[str, Part],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    placed = []

    def load(path: str, device: str) -> dict[str, Tensor]:
        placed.append(device)
        return load_file(path, device=device)

    monkeypatch.setattr(module, "load_file", load)
    started = changed(tiny_config, start=str(tiny_run / "network.safetensors"))
    network = Fit(started, maps, tmp_path, tiny_parts).network
    assert placed == [str(device())]
    assert all(torch.equal(value.cpu(), weights(tiny_run)[name]) for name, value in network.state_dict().items())


def test_a_smaller_network_starts_from_the_lower_layers(
    tmp_path: Path, tiny_run: Path, tiny_config: TrainingConfig, maps: LabelMaps, tiny_parts: dict[str, Part]
) -> None:
    layers = tiny_config.encoder.layers
    smaller = tiny_config.encoder.model_copy(update={"layers": layers - 1, "halve_after": 0})
    started = changed(tiny_config, start=str(tiny_run / "network.safetensors"))
    network = Fit(started.model_copy(update={"encoder": smaller}), maps, tmp_path, tiny_parts).network
    kept = network.state_dict()
    assert not any(f"encoder.layer.{layers - 1}." in name for name in kept)
    assert all(torch.equal(value.cpu(), weights(tiny_run)[name]) for name, value in kept.items())


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
    for weight in (0.0, 5000.0):
        run = Fit(changed(tiny_config, rdrop=weight), maps, tmp_path, tiny_parts)
        ids = run.parts["train"].token_ids(run.tokenizer, 48)
        losses[weight] = run.train_step(ids, [0, 1, 2, 3], steps=10)
    assert math.isfinite(losses[5000.0])
    assert losses[5000.0] > losses[0.0] + 0.1


def test_missing_data_stop_before_anything_is_trained(tmp_path: Path, tiny_config: TrainingConfig) -> None:
    data = tiny_config.data.model_copy(update={"folder": tmp_path / "nowhere"})
    with pytest.raises(DispatchError, match="nowhere") as caught:
        fit(tiny_config.model_copy(update={"data": data}), tmp_path / "run")
    assert caught.value.kind is ErrorKind.INVALID_CONFIG
