"""Texts → calibrated log-probabilities of every head, through one backend.

Texts go through the network one at a time and unpadded: on CPUs batching gains nothing, and int8
scales are taken per call, so a case gets the same answer alone and in a batch.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from dispatch_model.backend import DEFAULT, BackendName, open_backend
from dispatch_model.bundle import Bundle
from dispatch_model.errors import DispatchError, ErrorKind

Floats = NDArray[np.float32]

HEADS = ("category", "function", "level", "handler_function", "handler_level", "kind", "flags")


def head_tail(ids: Sequence[int], limit: int) -> list[int]:
    """At most `limit` ids: three quarters from the head, the rest from the tail.

    Callers state the matter early and their demand last (Sun et al. 2019, "How to fine-tune BERT").
    """
    if len(ids) <= limit:
        return list(ids)
    tail = limit // 4
    return [*ids[: limit - tail], *ids[-tail:]]


@dataclass(frozen=True)
class Predictions:
    """Log-probabilities per head, `[texts, labels]`; `flags` are independent probabilities.

    `function` and `level` say who should handle a case, `handler_*` who in practice does.
    """

    category: Floats
    function: Floats
    level: Floats
    handler_function: Floats
    handler_level: Floats
    kind: Floats
    flags: Floats
    tokenize_ms: float = 0.0
    infer_ms: float = 0.0

    def blended(self, weights: Mapping[str, float | Floats]) -> tuple[Floats, Floats]:
        """log(w·P(should) + (1−w)·P(does)) of function and level; w per head, one for all or `[texts, 1]`."""
        return (
            blend(self.function, self.handler_function, weights["function"]),
            blend(self.level, self.handler_level, weights["level"]),
        )


def blend(should: Floats, does: Floats, weight: float | Floats) -> Floats:
    """log(w·P(should) + (1−w)·P(does)) of log-probabilities, `[texts, labels]`; w for all or `[texts, 1]`."""
    mixed: Floats = np.log(weight * np.exp(should) + (1.0 - weight) * np.exp(does) + 1e-12)
    return mixed


class Encoder:
    """A loaded model.

    :param backend: what runs the network.
    """

    def __init__(self, bundle: Bundle, backend: BackendName = DEFAULT) -> None:
        self.bundle = bundle
        self.backend_name = backend
        self.backend = open_backend(bundle.folder / "model.onnx", backend)
        self.tokenizer = Tokenizer.from_file(str(bundle.folder / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        self._check_heads()

    @classmethod
    def open(cls, folder: Path | None = None, backend: BackendName = DEFAULT) -> "Encoder":
        """Load a bundle folder; None loads the one that travels with the package."""
        return cls(Bundle.open(folder), backend)

    def _check_heads(self) -> None:
        widths = {name: values.shape[-1] for name, values in self.backend.run(self.feeds("")).items()}
        for head in HEADS:
            labels = self.bundle.manifest.heads.get(head, [])
            if widths.get(head) != len(labels):
                raise DispatchError(
                    ErrorKind.INVALID_BUNDLE,
                    f"模型包文件 {self.bundle.folder / 'model.onnx'}：输出 {head} 有 {widths.get(head)} 个分值，"
                    f"bundle.json 列出 {len(labels)} 个标签；请重新导出",
                    field="model.onnx",
                )

    def feeds(self, text: str) -> dict[str, NDArray[np.generic]]:
        """The network's inputs for one text: `[1, tokens]` ids and mask, `[1, m]` n-grams and values."""
        ids = head_tail(self.tokenizer.encode(text).ids, self.bundle.manifest.max_tokens)
        ngrams, values = self.bundle.ngrams.encode(text)
        tokens = np.array([ids], dtype=np.int64)
        return {
            "input_ids": tokens,
            "attention_mask": np.ones_like(tokens),
            "ngram_ids": ngrams[None],
            "ngram_values": values[None],
        }

    def predict(self, texts: Sequence[str]) -> Predictions:
        """Log-probabilities of every head for each text, in order."""
        started = time.perf_counter()
        feeds = [self.feeds(text) for text in texts]
        ready = time.perf_counter()
        answers = [self.backend.run(feed) for feed in feeds]
        done = time.perf_counter()
        columns = {
            head: np.concatenate([answer[head] for answer in answers])
            if answers
            else np.zeros((0, len(self.bundle.manifest.heads[head])), dtype=np.float32)
            for head in HEADS
        }
        return Predictions(
            **columns,
            tokenize_ms=(ready - started) * 1e3,
            infer_ms=(done - ready) * 1e3,
        )
