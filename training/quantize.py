"""torch → ONNX fp32 → dynamic int8."""

from pathlib import Path

import torch
from onnxruntime.quantization import QuantType, quantize_dynamic

from training.graph import CHOICE_HEADS, INPUTS, DispatchGraph

OPSET = 17


def export_float(graph: DispatchGraph, path: Path) -> None:
    """Write the graph as ONNX in fp32, batch, tokens and n-grams free.

    The wide branch's table is int8 already: it is exact at one scale per column for our purposes.
    """
    graph.eval()
    example = (
        torch.randint(5, 100, (2, 7)),
        torch.ones((2, 7), dtype=torch.int64),
        torch.randint(0, 50, (2, 9)),
        torch.rand((2, 9)),
    )
    axes = {name: {0: "batch", 1: "tokens"} for name in INPUTS[:2]}
    axes |= {name: {0: "batch", 1: "ngrams"} for name in INPUTS[2:]}
    outputs = [*CHOICE_HEADS, "flags"]
    with torch.inference_mode():
        torch.onnx.export(
            graph,
            example,
            str(path),
            input_names=list(INPUTS),
            output_names=outputs,
            dynamic_axes={**axes, **{name: {0: "batch"} for name in outputs}},
            opset_version=OPSET,
            dynamo=False,
        )


def quantize(source: Path, target: Path) -> None:
    """Dynamic int8, signed weights per channel, for every matrix product (`../shared/PERFORMANCE.md`).

    Both tables (word embeddings, n-grams) are int8 by construction, with finer scales than the quantiser's.
    """
    quantize_dynamic(
        str(source),
        str(target),
        op_types_to_quantize=["MatMul"],
        per_channel=True,
        reduce_range=False,
        weight_type=QuantType.QInt8,
    )
