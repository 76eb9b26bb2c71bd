"""What an unfinished run keeps on disk, and whether it may go on with the settings and data of today."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dispatch_model.errors import DispatchError, ErrorKind, shorten
from training.config import TrainingConfig
from training.prepare import Part, data_fingerprint

# These say how a run is carried out, not what comes out of it.
FREE = {"fit": {"threads", "checkpoint_minutes"}}


@dataclass
class Progress:
    """Where a run stands; what a checkpoint must restore."""

    epoch: int = 0
    step: int = 0  # steps done in all
    done: int = 0  # batches done in this epoch
    seconds: float = 0.0
    scores: dict[str, float] = field(default_factory=dict)  # of a finished run, once its weights are written


def origin_of(config: TrainingConfig, train: Part) -> dict[str, Any]:
    """What has to be the same for a run to go on: the settings that shape it and the rows it learns from."""
    return {"config": config.model_dump(mode="json", exclude=FREE), "training_data": data_fingerprint(train)}


def _flat(origin: Mapping[str, Any]) -> dict[str, Any]:
    settings = {
        f"{section}.{key}": value
        for section, values in origin.get("config", {}).items()
        for key, value in values.items()
    }
    return settings | {"training_data": origin.get("training_data")}


def _check(path: Path, then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Refuse a run that began otherwise; what an older checkpoint does not tell counts as different."""
    before, after = _flat(then), _flat(now)
    changed = sorted(key for key in before | after if before.get(key) != after.get(key))
    if changed:
        raise DispatchError(
            ErrorKind.INVALID_CONFIG,
            f"{path}：检查点是用其他设置或数据开始的，以下各项不同；换 --out 或删除 checkpoint.pt",
            field=changed[0],
            value=after.get(changed[0]),
            details=[f"{key}：检查点 {_shown(before, key)}，现在 {_shown(after, key)}" for key in changed],
        )


def _shown(values: Mapping[str, Any], key: str) -> str:
    value = values.get(key)
    return "未记录" if value is None else shorten(value)


def random_states() -> dict[str, Tensor]:
    """The states of torch's generators, also the GPU's where there is one."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return states


def restore_random(states: Mapping[str, Tensor]) -> None:
    """Put the generators back; a state of a GPU that is not here is left out."""
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])


def read_checkpoint(path: Path, origin: Mapping[str, Any]) -> dict[str, Any]:
    """The state in a checkpoint, on the CPU wherever it was written.

    :param origin: what a run that starts now is made from, see `origin_of`.
    :raises DispatchError: INVALID_CONFIG listing each key in which the checkpoint's run differs, with both values.
    """
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    _check(path, state, origin)
    return state


def write_checkpoint(state: Mapping[str, Any], path: Path) -> None:
    """Write a state; the old file stays until the new one is whole."""
    whole = path.with_suffix(".new")
    torch.save(dict(state), whole)
    whole.replace(path)
