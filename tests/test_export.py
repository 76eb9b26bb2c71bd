import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
import torch

from dispatch_model.bundle import MANIFEST, PARTS, Bundle
from dispatch_model.encoder import HEADS, Encoder
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LabelMaps
from training import parity
from training.calibrate import Mix
from training.config import TrainingConfig
from training.export import Export, export
from training.graph import CHOICE_HEADS, Calibration, DispatchGraph
from training.manifest import head_labels
from training.prepare import Part

WITHOUT_NOISE = pytest.mark.filterwarnings("ignore")  # the ONNX exporter's own, about tracing and its age


@pytest.fixture(scope="module")
def work(tiny_run: Path, tiny_config: TrainingConfig, maps: LabelMaps, tiny_parts: dict[str, Part]) -> Export:
    """An export of the tiny run, before anything is written."""
    return Export(tiny_run, tiny_config, maps, tiny_parts)


def sealed_mixes(bundle: Bundle, work: Export) -> Calibration:
    """The calibration a bundle says it was written with (rounded there)."""
    mixes = {head: Mix(**mix) for head, mix in bundle.manifest.metrics["mix"].items()}
    first = work.calibration(work.deep_logits())
    return Calibration(mixes, first.flag_slope, first.flag_offset)


def test_the_bundle_opens_and_holds_nothing_else(tiny_bundle: Path, tiny_config: TrainingConfig) -> None:
    manifest = Bundle.open(tiny_bundle).manifest
    assert sorted(path.name for path in tiny_bundle.iterdir()) == sorted([*PARTS, "bundle.json"])
    assert manifest.max_tokens == tiny_config.encoder.max_tokens
    assert TrainingConfig.model_validate(manifest.config).fit == tiny_config.fit
    assert manifest.thresholds.auto is None
    assert len(manifest.metrics["parity"]) == 2 * len(CHOICE_HEADS)


def test_heads_stand_in_the_order_of_the_maps(tiny_bundle: Path, maps: LabelMaps) -> None:
    heads = Bundle.open(tiny_bundle).manifest.heads
    assert heads == head_labels(maps)
    assert heads["category"] == list(maps.leaves)
    assert heads["flags"] == list(maps.flags)


def test_the_service_answers_as_the_torch_graph(tiny_bundle: Path, work: Export, tiny_parts: dict[str, Part]) -> None:
    encoder = Encoder.open(tiny_bundle)
    graph = DispatchGraph(work.network, work.wide, sealed_mixes(encoder.bundle, work)).eval()
    texts = tiny_parts["test"].texts
    answer = encoder.predict(texts)
    for row, text in enumerate(texts):
        with torch.inference_mode():
            expected = graph(*(torch.from_numpy(values) for values in encoder.feeds(text).values()))
        for head, tensor in zip((*CHOICE_HEADS, "flags"), expected, strict=True):
            ours, theirs = getattr(answer, head)[row], tensor[0].numpy()
            if head != "flags":
                ours, theirs = np.exp(ours), np.exp(theirs)
            np.testing.assert_allclose(ours, theirs, atol=0.05, err_msg=head)


def test_the_bundle_knows_the_tiny_world(tiny_bundle: Path, tiny_parts: dict[str, Part]) -> None:
    part = tiny_parts["test"]
    best = Encoder.open(tiny_bundle).predict(part.texts).handler_function.argmax(axis=1)
    assert (best == part.targets["handler_function"]).mean() > 0.9


def test_session_feeds_are_the_services_own(tiny_bundle: Path, work: Export, tiny_parts: dict[str, Part]) -> None:
    encoder = Encoder.open(tiny_bundle)
    for text, feed in zip(tiny_parts["validation"].texts, work.feeds, strict=True):
        served = encoder.feeds(text)
        assert served.keys() == feed.keys()
        for name, values in served.items():
            np.testing.assert_array_equal(values, feed[name])


def test_the_reference_of_the_gate_joins_both_branches(work: Export) -> None:
    deep = work.deep_logits()
    flat = work.wide.margins(work.texts)
    mixes = {head: Mix(2.0, 0.5) for head in CHOICE_HEADS}
    joined = work.joined(deep, Calibration(mixes, 1.0, 0.0))
    np.testing.assert_allclose(joined["kind"], 2 * deep["kind"] + 0.5 * flat["kind"], rtol=1e-5)
    assert joined["category"].shape == (len(work.texts), len(work.maps.leaves))


def test_sharpening_scales_both_weights_alike(work: Export) -> None:
    mixes = dict.fromkeys(CHOICE_HEADS, Mix(1.0, 4.0))
    flat = {head: np.zeros((len(work.texts), len(labels))) for head, labels in head_labels(work.maps).items()}
    deep = work.deep_logits()
    for mix in work.sharpen(Calibration(mixes, 1.0, 0.0), flat | deep).mixes.values():
        assert mix.wide == pytest.approx(4 * mix.encoder)


@WITHOUT_NOISE
def test_the_gate_refuses_and_leaves_nothing(tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def one_answer(self: Export, path: Path) -> dict[str, np.ndarray]:
        """Outputs of a file that int8 broke: always the first label."""
        answers = {head: np.zeros((len(self.texts), len(names))) for head, names in head_labels(self.maps).items()}
        for values in answers.values():
            values[:, 0] = 1.0
        return answers if path.name == "model.onnx" else self.deep_logits()

    monkeypatch.setattr(Export, "run_onnx", one_answer)
    monkeypatch.setattr(parity, "MAX_F1_LOSS", 1.0)
    with pytest.raises(DispatchError, match="导出被拒绝") as caught:
        export(tiny_run, tmp_path / "bundle")
    assert caught.value.kind is ErrorKind.INVALID_BUNDLE
    assert any("torch→int8" in line for line in caught.value.details)
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize("name", ["config.json", "network.safetensors"])
def test_an_unfinished_run_is_not_exported(tiny_run: Path, tmp_path: Path, name: str) -> None:
    for other in {"config.json", "network.safetensors"} - {name}:
        shutil.copy(tiny_run / other, tmp_path)
    with pytest.raises(DispatchError, match=name) as caught:
        export(tmp_path, tmp_path / "bundle")
    assert caught.value.kind is ErrorKind.INVALID_CONFIG
    assert "dispatch train" in caught.value.message


def test_the_card_names_the_figures(tiny_bundle: Path, tiny_parts: dict[str, Part]) -> None:
    card = (tiny_bundle / "card.md").read_text(encoding="utf-8")
    assert card.startswith("# 模型卡 tiny")
    assert f"训练行数：{len(tiny_parts['train'])}" in card
    assert card.count("| torch→int8 |") == len(CHOICE_HEADS)


def test_the_written_heads_are_those_of_the_session(tiny_bundle: Path) -> None:
    session = ort.InferenceSession(str(tiny_bundle / "model.onnx"), providers=["CPUExecutionProvider"])
    heads = json.loads((tiny_bundle / "bundle.json").read_text(encoding="utf-8"))["heads"]
    assert {output.name: output.shape[-1] for output in session.get_outputs()} == {
        head: len(heads[head]) for head in HEADS
    }


@WITHOUT_NOISE
def test_a_new_bundle_takes_the_place_of_the_old_one_whole(tiny_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "bundle"
    out.mkdir()
    (out / "stray.txt").write_text("old", encoding="utf-8")
    manifest = export(tiny_run, out)
    assert {path.name for path in out.iterdir()} == {*PARTS, MANIFEST}
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]
    assert out.stat().st_mode & 0o755 == 0o755
    assert {"low", "value", "high", "n"} == manifest.metrics["validation"]["category"].keys()
