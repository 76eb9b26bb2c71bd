"""The shipped ONNX file behind LitServe, for bench/rivals.py: `python bench/rival_litserve.py PORT [fast]`.

Nothing but the model: it reads the text, runs the session and answers the five best labels of three heads. No masking,
place, access list, key or store. `fast` hands over between its processes by ZeroMQ (`fast_queue`).
"""

import sys
from typing import Any

import litserve
import numpy as np

from dispatch_model.encoder import Encoder, Predictions

HEADS = ("category", "function", "level")


class Model(litserve.LitAPI):
    """Text in, labels out."""

    def setup(self, device: str) -> None:  # noqa: ARG002
        """Load the same bundle with the same session options as the service."""
        self.encoder = Encoder.open()
        self.labels = self.encoder.bundle.manifest.heads

    def decode_request(self, request: dict[str, Any]) -> str:
        """The text of `{"transcript": …}`."""
        return str(request["transcript"])

    def predict(self, text: str) -> Predictions:
        """Log-probabilities of all heads."""
        return self.encoder.predict([text])

    def encode_response(self, output: Predictions) -> dict[str, list[dict[str, Any]]]:
        """The five best of each head."""
        return {head: self._best(head, getattr(output, head)[0]) for head in HEADS}

    def _best(self, head: str, scores: Any) -> list[dict[str, Any]]:
        best = np.argsort(scores)[:-6:-1]
        return [{"label": self.labels[head][place], "score": float(np.exp(scores[place]))} for place in best]


if __name__ == "__main__":
    server = litserve.LitServer(Model(), accelerator="cpu", workers_per_device=1, fast_queue="fast" in sys.argv)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), log_level="error", generate_client_file=False)
