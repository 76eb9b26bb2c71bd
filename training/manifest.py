"""What a bundle's manifest and tables say beside the network: labels, choices, figures, origin."""

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dispatch_model.labels import LabelMaps
from dispatch_model.ngrams import NgramVocabulary
from training.choose import choices
from training.config import TrainingConfig
from training.graph import CHOICE_HEADS, Calibration
from training.metrics import mean_of, score, top_k_hits
from training.parity import ParityRow
from training.prepare import Part, data_fingerprint
from training.targets import MISSING

Arrays = Mapping[str, NDArray[Any]]


def head_labels(maps: LabelMaps) -> dict[str, list[str]]:
    """Labels of each output of the graph, in order."""
    functions, levels = list(maps.functions), list(maps.levels)
    return {
        "category": list(maps.leaves),
        **{"function": functions, "handler_function": functions},
        **{"level": levels, "handler_level": levels},
        "kind": list(maps.kinds),
        "flags": list(maps.flags),
    }


def write_tables(path: Path, vocabulary: NgramVocabulary, prior: NDArray[np.float32]) -> None:
    """n-gram vocabulary and category prior as a compressed archive of plain arrays."""
    np.savez_compressed(path, ngram_keys=vocabulary.keys, ngram_idf=vocabulary.idf, log_prior=prior.astype(np.float16))


def _git_commit() -> str:
    """The commit of this code, `-dirty` when files differ from it."""
    git = shutil.which("git")
    if git is None:
        return "unknown"
    command = [git, "describe", "--always", "--dirty"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
    return answer.stdout.strip() or "unknown"


def portable(config: TrainingConfig) -> dict[str, Any]:
    """The configuration without the paths of the machine: of an absolute path only its name stays."""
    tree: dict[str, Any] = json.loads(config.model_dump_json())
    for section, key in (
        ("data", "folder"),
        ("encoder", "base"),
        ("fit", "start"),
        ("fit", "teacher"),
        ("data", "worked"),
        ("data", "settled"),
    ):
        if Path(tree[section][key]).is_absolute():
            tree[section][key] = Path(tree[section][key]).name
    return tree


def practised_cities(part: Part) -> list[str]:
    """Cities of the rows that tell who handled them, by name."""
    told = zip(part.rows["city"], part.rows["handler_function"], strict=True)
    return sorted({city for city, handler in told if handler and city})


def validation_scores(outputs: Arrays, targets: Arrays) -> dict[str, dict[str, float]]:
    """Top-1 of the int8 file per head on validation, with its 95 % bootstrap interval."""
    found = {}
    for head in CHOICE_HEADS:
        known = targets[head] != MISSING
        if known.any():
            hits = top_k_hits(outputs[head][known], targets[head][known], 1)
            found[head] = asdict(score(mean_of(hits), int(known.sum())))
    return found


def reference(outputs: Arrays, maps: LabelMaps) -> dict[str, Any]:
    """What `bundle.Reference` holds, from the int8 file's log-probabilities on validation."""
    tops = [maps.leaves[best][:2] for best in outputs["category"].argmax(1)]
    named = {"function": list(maps.functions), "level": list(maps.levels), "kind": list(maps.kinds)}
    best = {"category": tops, **{head: [names[i] for i in outputs[head].argmax(1)] for head, names in named.items()}}
    counts, _ = np.histogram(np.exp(outputs["function"].max(1)), bins=10, range=(0.0, 1.0))
    return {
        "labels": {
            head: {label: round(count / len(values), 4) for label, count in Counter(values).most_common()}
            for head, values in best.items()
        },
        "scores": [round(float(share), 4) for share in counts / counts.sum()],
    }


def _mixes(calibration: Calibration) -> dict[str, dict[str, float]]:
    return {head: {k: round(v, 4) for k, v in asdict(mix).items()} for head, mix in calibration.mixes.items()}


def manifest_fields(
    config: TrainingConfig,
    maps: LabelMaps,
    parts: Mapping[str, Part],
    outputs: Arrays,
    prior: NDArray[np.float32],
    parity: Sequence[ParityRow],
    calibration: Calibration,
) -> dict[str, Any]:
    """All fields of the manifest but name, format and digests; what is chosen is chosen on validation.

    :param outputs: the int8 file's answers on validation, by head.
    """
    validation, practised = parts["validation"], practised_cities(parts["train"])
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "git_commit": _git_commit(),
        "label_maps": maps.fingerprint,
        "heads": head_labels(maps),
        "max_tokens": config.encoder.max_tokens,
        **choices(outputs, validation.targets, prior, maps, np.isin(validation.rows["city"], practised)),
        "practised": practised,
        "training_data": data_fingerprint(parts["train"]),
        "config": portable(config),
        "metrics": {
            "validation": validation_scores(outputs, validation.targets),
            "parity": [asdict(row) for row in parity],
            "mix": _mixes(calibration),
        },
        "reference": reference(outputs, maps),
    }
