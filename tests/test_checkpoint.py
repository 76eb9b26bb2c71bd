from pathlib import Path
from typing import Any

import pytest
import torch

from dispatch_model.errors import DispatchError, ErrorKind
from training.checkpoint import origin_of, random_states, read_checkpoint, restore_random, write_checkpoint
from training.config import TrainingConfig
from training.prepare import Part, data_fingerprint

ORIGIN: dict[str, Any] = {"config": {"fit": {"epochs": 7, "start": ""}}, "training_data": "abc"}


def changed(**values: float) -> dict[str, Any]:
    """The origin with other values in [fit]."""
    return ORIGIN | {"config": {"fit": ORIGIN["config"]["fit"] | values}}


def refused(path: Path, origin: dict[str, Any]) -> DispatchError:
    with pytest.raises(DispatchError, match=r"删除 checkpoint\.pt") as caught:
        read_checkpoint(path, origin)
    assert caught.value.kind is ErrorKind.INVALID_CONFIG
    assert str(path) in caught.value.message
    return caught.value


def test_a_checkpoint_gives_back_what_was_written(tmp_path: Path) -> None:
    write_checkpoint({"network": {"weight": torch.arange(3)}, **ORIGIN}, tmp_path / "checkpoint.pt")
    state = read_checkpoint(tmp_path / "checkpoint.pt", ORIGIN)
    assert state["network"]["weight"].tolist() == [0, 1, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_only_the_keys_that_differ_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    write_checkpoint(ORIGIN, path)
    error = refused(path, changed(epochs=4))
    assert error.details == ("fit.epochs：检查点 7，现在 4",)
    assert error.field == "fit.epochs"
    assert refused(path, ORIGIN | {"training_data": "xyz"}).details == ("training_data：检查点 abc，现在 xyz",)
    assert refused(path, changed(epochs=4, rdrop=1.0)).details[1:] == ("fit.rdrop：检查点 未记录，现在 1.0",)


def test_a_checkpoint_that_does_not_tell_its_origin_is_refused(tmp_path: Path) -> None:
    write_checkpoint({"network": {}}, tmp_path / "checkpoint.pt")
    details = refused(tmp_path / "checkpoint.pt", ORIGIN).details
    assert [line.partition("：")[0] for line in details] == ["fit.epochs", "fit.start", "training_data"]


def test_the_origin_is_the_recipe_and_the_rows_but_not_how_it_is_run(
    tiny_config: TrainingConfig, tiny_parts: dict[str, Part]
) -> None:
    train = tiny_parts["train"]
    origin = origin_of(tiny_config, train)
    assert origin["training_data"] == data_fingerprint(train)
    for values, same in (({"threads": 3, "checkpoint_minutes": 1.5}, True), ({"seed": 99}, False)):
        other = tiny_config.model_copy(update={"fit": tiny_config.fit.model_copy(update=values)})
        assert (origin_of(other, train) == origin) == same
    assert origin_of(tiny_config, tiny_parts["test"]) != origin


def test_tensors_come_to_the_cpu_wherever_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}

    def load(_: Path, **options: object) -> dict[str, Any]:
        asked.update(options)
        return ORIGIN

    monkeypatch.setattr(torch, "load", load)
    read_checkpoint(tmp_path / "checkpoint.pt", ORIGIN)
    assert asked == {"map_location": "cpu", "weights_only": True}


def test_chance_goes_on_where_it_stood() -> None:
    states = random_states()
    first = torch.rand(4)
    restore_random(states)
    assert torch.equal(torch.rand(4), first)


def test_the_chance_of_a_gpu_is_kept_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    restored: list[torch.Tensor] = []
    there = torch.tensor([1, 2, 3], dtype=torch.uint8)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda: there)
    monkeypatch.setattr(torch.cuda, "set_rng_state", restored.append)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    states = random_states()
    restore_random(states)
    assert restored == [there]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    restore_random(states)  # a run that goes on without its GPU
    assert len(restored) == 1
    assert set(random_states()) == {"cpu"}
