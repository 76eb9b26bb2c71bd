"""Texts a second of int8 graphs by depth: what layers, and halving tokens on the way up, cost and save.

    python bench/model_speed.py                          # the bundle in service, 12:0, 8:0, 6:0 and 8:2
    python bench/model_speed.py --graphs 12:0 8:3        # layers:halve_after

The graphs are untrained but for the base's layers (time does not depend on the weights) and otherwise as `dispatch
export` makes them: smoothed, int8, with n-grams of the same number. Texts are those of the test split as the service
feeds them; one at a time, one thread, graphs in a new order each round. Needs the extra training, and ../shared.
"""

import argparse
import logging
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from dispatch_model.backend import Backend, open_backend
from dispatch_model.encoder import Encoder
from dispatch_model.labels import LabelMaps
from dispatch_model.ngrams import NgramVocabulary
from training.calibrate import Mix
from training.config import TrainingConfig, load_config
from training.fit import build_network
from training.graph import CHOICE_HEADS, Calibration, DispatchGraph
from training.manifest import head_labels
from training.prepare import load_parts
from training.quantize import export_float, quantize
from training.smooth import smooth
from training.targets import parent_membership
from training.wide import WIDE_HEADS, WideBranch

TEXTS, ROUNDS = 200, 7
CALIBRATION = Calibration({head: Mix(1.0, 1.0) for head in CHOICE_HEADS}, 1.0, 0.0)


def main() -> None:
    """One line per graph to standard output: median of the rounds, and how many times as fast as the first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--graphs", nargs="+", default=["12:0", "8:0", "6:0", "8:2"])
    names: list[str] = parser.parse_args().graphs
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    encoder = Encoder.open()
    texts = load_parts(load_config(), LabelMaps.load())["test"].texts
    feeds = [encoder.feeds(text) for text in texts[:: len(texts) // TEXTS][:TEXTS]]
    with tempfile.TemporaryDirectory() as scratch:
        backends = {name: open_backend(_built(name, Path(scratch))) for name in names}
        backends["in service"] = encoder.backend
        times = measured(backends, feeds)
    first = times[names[0]]
    for name, milliseconds in times.items():
        sys.stdout.write(f"{name:<12}{milliseconds:7.2f} ms{1000 / milliseconds:8.1f}/s{first / milliseconds:7.2f} ×\n")


def measured(backends: dict[str, Backend], feeds: list[dict[str, np.ndarray]]) -> dict[str, float]:
    """Milliseconds a text, the median of the rounds; the first round only warms."""
    times: dict[str, list[float]] = {name: [] for name in backends}
    order = np.random.default_rng(0)
    for _ in range(ROUNDS + 1):
        for name in order.permutation(list(backends)):
            start = time.perf_counter()
            for feed in feeds:
                backends[name].run(feed)
            times[name].append((time.perf_counter() - start) / len(feeds) * 1000)
    return {name: statistics.median(rounds[1:]) for name, rounds in times.items()}


def _built(name: str, folder: Path) -> Path:
    layers, halve_after = name.split(":")
    config = load_config(overrides=[f"encoder.layers={layers}", f"encoder.halve_after={halve_after}"])
    network = build_network(config, LabelMaps.load()).eval()
    ids = torch.randint(5, network.encoder.config.vocab_size, (4, config.encoder.max_tokens))
    smooth(network, network.encoder, [(ids, torch.ones_like(ids))])
    whole, small = folder / "fp32.onnx", folder / f"{layers}-{halve_after}.onnx"
    export_float(DispatchGraph(network, _random_branch(config), CALIBRATION), whole)
    quantize(whole, small)
    return small


def _random_branch(config: TrainingConfig) -> WideBranch:
    """n-gram weights of the right shape: the graph looks up as many rows as a real one."""
    maps = LabelMaps.load()
    sizes = {head: len(labels) for head, labels in head_labels(maps).items() if head in WIDE_HEADS}
    sizes["parent"] = len(parent_membership(maps)[0])
    ends = np.cumsum([0, *sizes.values()])
    random = np.random.default_rng(0)
    return WideBranch(
        vocabulary=NgramVocabulary(np.arange(config.ngrams.size), np.ones(config.ngrams.size, np.float32)),
        weights=random.standard_normal((config.ngrams.size, ends[-1]), dtype=np.float32),
        bias=np.zeros(ends[-1], np.float32),
        columns={head: slice(*ends[n : n + 2]) for n, head in enumerate(sizes)},
    )


if __name__ == "__main__":
    main()
