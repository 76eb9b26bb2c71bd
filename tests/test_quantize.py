import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from dispatch_model.labels import LabelMaps
from training.calibrate import Mix
from training.config import TrainingConfig
from training.fit import build_network
from training.graph import CHOICE_HEADS, INPUTS, Calibration, DispatchGraph
from training.prepare import Part
from training.quantize import export_float, quantize
from training.targets import parent_membership
from training.wide import fit_wide

EVEN = Calibration(dict.fromkeys(CHOICE_HEADS, Mix(1.0, 1.0)), 1.0, 0.0)


@pytest.fixture(scope="module")
def graph(tiny_config: TrainingConfig, tiny_parts: dict[str, Part], maps: LabelMaps) -> DispatchGraph:
    network = build_network(tiny_config, maps).eval()
    sizes = {head: layer.out_features for head, layer in network.heads.items() if isinstance(layer, torch.nn.Linear)}
    sizes["parent"] = len(parent_membership(maps)[0])
    train = tiny_parts["train"]
    return DispatchGraph(network, fit_wide(train.texts, train.targets, sizes, size=400, c=0.5), EVEN)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, graph: DispatchGraph) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own, about tracing and its age
        export_float(graph, folder / "fp32.onnx")
    quantize(folder / "fp32.onnx", folder / "int8.onnx")
    return folder / "fp32.onnx", folder / "int8.onnx"


def feeds(rows: int, tokens: int, ngrams: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(tokens)
    return {
        "input_ids": rng.integers(3, 90, (rows, tokens)),
        "attention_mask": np.ones((rows, tokens), dtype=np.int64),
        "ngram_ids": rng.integers(0, 50, (rows, ngrams)),
        "ngram_values": rng.random((rows, ngrams), dtype=np.float32),
    }


@pytest.mark.parametrize(("rows", "tokens", "ngrams"), [(1, 3, 1), (1, 40, 60), (3, 12, 5)])
def test_the_file_answers_as_torch_at_any_size(
    graph: DispatchGraph, written: tuple[Path, Path], rows: int, tokens: int, ngrams: int
) -> None:
    inputs = feeds(rows, tokens, ngrams)
    session = ort.InferenceSession(str(written[0]), providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        expected = graph(*(torch.from_numpy(inputs[name]) for name in INPUTS))
    assert [output.name for output in session.get_outputs()] == [*CHOICE_HEADS, "flags"]
    for values, tensor in zip(session.run(None, inputs), expected, strict=True):
        np.testing.assert_allclose(values, tensor.numpy(), atol=1e-3)


def test_int8_stays_close(written: tuple[Path, Path]) -> None:
    whole, small = (ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]) for path in written)
    inputs = feeds(1, 20, 10)
    for exact, rounded in zip(whole.run(None, inputs), small.run(None, inputs), strict=True):
        np.testing.assert_allclose(np.exp(rounded), np.exp(exact), atol=0.05)


def test_every_product_with_weights_is_int8(graph: DispatchGraph, written: tuple[Path, Path]) -> None:
    model = onnx.load(str(written[1])).graph
    linears = [module for module in graph.network.modules() if isinstance(module, torch.nn.Linear)]
    fixed = {tensor.name for tensor in model.initializer}
    left = [node for node in model.node if node.op_type in ("MatMul", "Gemm") and fixed & set(node.input)]
    assert [node.name for node in left] == []
    assert sum(node.op_type == "MatMulInteger" for node in model.node) == len(linears)


def test_each_output_channel_has_its_own_scale(written: tuple[Path, Path]) -> None:
    shapes = {tensor.name: list(tensor.dims) for tensor in onnx.load(str(written[1])).graph.initializer}
    weights = [name.removesuffix("_quantized") for name in shapes if name.endswith("_quantized")]
    assert len(weights) > 12
    for name in weights:
        assert shapes[f"{name}_scale"] == shapes[f"{name}_quantized"][1:], name


def test_the_byte_tables_stay_bytes(written: tuple[Path, Path]) -> None:
    for path in written:
        tables = [
            tensor for tensor in onnx.load(str(path)).graph.initializer if tensor.data_type == onnx.TensorProto.INT8
        ]
        shapes = [tuple(tensor.dims) for tensor in tables]
        assert any(rows == 400 for rows, *_ in shapes), path.name
        assert any(columns == [32] and rows > 100 for rows, *columns in shapes), path.name
    assert written[1].stat().st_size < written[0].stat().st_size
