import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer, models

from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LabelMaps
from training.config import TrainingConfig
from training.fit import build_network, load_start, load_tokenizer
from training.prepare import Part
from training.pretrain import SHORTEST, WINDOWS, Masking, Pretraining, mask_id, pretrain, windows


def test_a_long_text_is_read_in_windows(tiny_config: TrainingConfig) -> None:
    tokenizer = load_tokenizer(tiny_config.encoder.base)
    cut = windows(tokenizer, ["路灯" * 300, "路"], 48)
    assert [len(window) for window in cut] == [48] * WINDOWS
    assert min(map(len, windows(tokenizer, ["路灯" * 26], 48))) >= SHORTEST


def test_marks_are_never_hidden_and_most_of_what_is_hidden_is_masked(tiny_config: TrainingConfig) -> None:
    tokenizer = load_tokenizer(tiny_config.encoder.base)
    torch.manual_seed(3)
    masking = Masking(tokenizer, 0.5)
    ids = torch.tensor([tokenizer.encode("反映问题" * 12).ids] * 40)
    hidden, chosen = masking(ids)
    assert not chosen[:, 0].any()
    assert not chosen[:, -1].any()
    assert 0.4 < float(chosen[:, 1:-1].float().mean()) < 0.6
    assert torch.equal(hidden[~chosen], ids[~chosen])
    assert 0.7 < float((hidden[chosen] == masking.mask).float().mean()) < 0.9


def test_a_vocabulary_without_a_mask_is_named() -> None:
    with pytest.raises(DispatchError) as caught:
        mask_id(Tokenizer(models.WordLevel({"<unk>": 0}, unk_token="<unk>")))
    assert caught.value.kind is ErrorKind.INVALID_CONFIG
    assert caught.value.field == "encoder.base"


def test_the_loss_falls(tiny_config: TrainingConfig, tiny_parts: dict[str, Part]) -> None:
    tokenizer = load_tokenizer(tiny_config.encoder.base)
    settings = tiny_config.pretrain.model_copy(update={"epochs": 30, "encoder_lr": 3e-3, "head_lr": 3e-3})
    config = tiny_config.model_copy(update={"pretrain": settings})
    lines = list(Pretraining(config, windows(tokenizer, tiny_parts["train"].texts, 48), tokenizer).epochs())
    assert [line["epoch"] for line in lines] == list(range(1, 31))
    assert lines[-1]["loss"] < lines[0]["loss"] * 0.9


def test_fine_tuning_starts_from_what_was_read(tiny_config: TrainingConfig, maps: LabelMaps, tmp_path: Path) -> None:
    pretrain(tiny_config, tmp_path, maps)
    written = load_file(tmp_path / "encoder.safetensors")
    network = build_network(tiny_config, maps)
    before = network.encoder.state_dict()
    assert any(not torch.equal(before[name], written[name]) for name in written)
    load_start(network, tmp_path / "encoder.safetensors")
    after = network.encoder.state_dict()
    assert all(torch.equal(after[name], written[name]) for name in written)
    line = json.loads((tmp_path / "language.jsonl").read_text())
    assert line["epoch"] == 1
    assert 0 <= line["guessed"] <= 1


def test_a_finished_run_can_be_started_from(tiny_config: TrainingConfig, tiny_run: Path, maps: LabelMaps) -> None:
    network = build_network(tiny_config, maps)
    load_start(network, tiny_run / "network.safetensors")
    written = load_file(tiny_run / "network.safetensors")
    assert all(torch.equal(value, written[name]) for name, value in network.state_dict().items())
