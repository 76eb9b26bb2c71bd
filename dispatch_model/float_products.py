"""An ONNX file with dynamic int8 products → the same with float ones, for runtimes that know no dynamic int8.

The weights keep the values that int8 gave them; only the rounding of activations goes.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper


def float_products(path: Path) -> bytes:
    """The rewritten model.

    A product is, as `training.quantize` writes it, DynamicQuantizeLinear → MatMulInteger → Cast → Mul by
    (scale of the activations × scales of the weights); it becomes a MatMul, and what nobody reads any more goes.
    """
    model = onnx.load(str(path))
    _Graph(model.graph).rewrite()
    written: bytes = model.SerializeToString()
    return written


class _Graph:
    def __init__(self, graph: onnx.GraphProto) -> None:
        self.graph = graph
        self.weights = {tensor.name: tensor for tensor in graph.initializer}
        self.made_by = {name: node for node in graph.node for name in node.output}
        self.read_by = {name: node for node in graph.node for name in node.input}

    def rewrite(self) -> None:
        """Put the float products where the results of the int8 ones were."""
        products = {id(last): product for last, product in self._products()}
        nodes = [products.get(id(node), node) for node in self.graph.node]
        kept = _needed(nodes, {output.name for output in self.graph.output})
        read = {name for node in kept for name in node.input}
        weights = [tensor for name, tensor in self.weights.items() if name in read]
        del self.graph.node[:], self.graph.initializer[:]
        self.graph.node.extend(kept)
        self.graph.initializer.extend(weights)

    def _products(self) -> Iterator[tuple[onnx.NodeProto, onnx.NodeProto]]:
        """The last node of each int8 product, and the float product that replaces it."""
        for node in self.graph.node:
            if node.op_type != "MatMulInteger":
                continue
            given, weight = node.input[:2]
            last = self.read_by[self.read_by[node.output[0]].output[0]]
            scales = next(self.made_by[name] for name in last.input if self.made_by[name].op_type == "Mul")
            scale = next(name for name in scales.input if name in self.weights)
            values = self._float(weight, node.input[3] if len(node.input) > 3 else "", scale)
            inputs = [self.made_by[given].input[0], values]
            yield last, helper.make_node("MatMul", inputs, [last.output[0]], name=last.name)

    def _float(self, weight: str, zero: str, scale: str) -> str:
        """Name of the float form of int8 weights."""
        name = f"{weight}_float"
        values = numpy_helper.to_array(self.weights[weight]).astype(np.float32)
        if zero:
            values -= numpy_helper.to_array(self.weights[zero]).astype(np.float32)
        values *= numpy_helper.to_array(self.weights[scale])
        self.weights[name] = numpy_helper.from_array(values, name)
        return name


def _needed(nodes: list[onnx.NodeProto], outputs: set[str]) -> list[onnx.NodeProto]:
    """The nodes that lead to the outputs, in their order."""
    kept, wanted = [], outputs
    for node in reversed(nodes):
        if wanted & set(node.output):
            wanted = wanted | set(node.input)
            kept.append(node)
    return kept[::-1]
