"""What runs a network: one method, and two runtimes that have it.

Nothing is imported before a backend is opened, so that names and protocol cost nobody a runtime.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BackendName = Literal["onnxruntime", "openvino"]

DEFAULT: BackendName = "onnxruntime"


class Backend(Protocol):
    """A loaded network; safe to share between threads."""

    def run(self, feeds: "Mapping[str, NDArray[np.generic]]") -> "dict[str, NDArray[np.float32]]":
        """Inputs by name → outputs by name; the caller may keep them."""


def open_backend(path: Path, name: BackendName = DEFAULT) -> Backend:
    """Load the ONNX file of a bundle.

    :raises DispatchError: MISSING_EXTRA when the runtime is not installed.
    """
    if name == "openvino":
        from dispatch_model.backend_openvino import OpenVino

        return OpenVino(path)
    from dispatch_model.backend_onnxruntime import OnnxRuntime

    return OnnxRuntime(path)
