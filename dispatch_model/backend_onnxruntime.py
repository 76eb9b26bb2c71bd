"""The default backend: ONNX Runtime, int8 weights and activations as the file has them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray


class OnnxRuntime:
    """One session of one thread: parallelism is the caller's, and a second thread collapses under load."""

    def __init__(self, path: Path) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        self._session = ort.InferenceSession(
            str(path),
            sess_options=options,
            providers=["CPUExecutionProvider"],
            # Left on, this fusion makes int8 models 9–14 % slower; evaluation and serving share the setting.
            disabled_optimizers=["SkipLayerNormFusion"],
        )
        self._outputs = [output.name for output in self._session.get_outputs()]

    def run(self, feeds: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.float32]]:
        """Inputs by name → outputs by name."""
        return dict(zip(self._outputs, self._session.run(self._outputs, feeds), strict=True))
