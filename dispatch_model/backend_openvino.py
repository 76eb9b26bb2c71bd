"""The optional backend: OpenVINO's CPU plugin, weights as the file has them, products in bfloat16 where the CPU can.

Its answers differ from the default's in under 1 % of the cases; docs/experiments.md has the figures.
"""

import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from threading import local
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dispatch_model.errors import DispatchError, ErrorKind

OPTIONS = {
    "PERFORMANCE_HINT": "LATENCY",
    "INFERENCE_NUM_THREADS": 1,
    "NUM_STREAMS": 1,
    "ENABLE_CPU_PINNING": False,  # several processes would be pinned to the same core
    "INFERENCE_PRECISION_HINT": "bf16",  # a CPU without it takes float
}


class OpenVino:
    """One compiled network of one thread; threads that share it wait for each other."""

    def __init__(self, path: Path) -> None:
        openvino, float_products = _library("openvino"), _library("dispatch_model.float_products")
        core = openvino.Core()
        self._network = core.compile_model(core.read_model(float_products.float_products(path)), "CPU", OPTIONS)
        self._outputs = [output.get_any_name() for output in self._network.outputs]
        self._mine = local()

    def run(self, feeds: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.float32]]:
        """Inputs by name → outputs by name."""
        request: Any = getattr(self._mine, "request", None)
        if request is None:
            request = self._mine.request = self._network.create_infer_request()
        return dict(zip(self._outputs, request.infer(feeds, share_inputs=True).values(), strict=True))


def _library(name: str) -> ModuleType:
    # OpenVINO reports each import to its makers, which a hotline must not; without this module it takes a stub.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise DispatchError(
            ErrorKind.MISSING_EXTRA,
            f"缺少 {error.name}；后端 openvino 须先安装扩展：pip install 'hotline-dispatch[openvino]'；"
            "或改用缺省的后端 onnxruntime。",
            field="backend",
            value="openvino",
        ) from None
