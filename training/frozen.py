"""What a gate judges on: the frozen test split, and cases that people decided lately.

Answers are kept beside the gate's record, so that an interrupted gate goes on and a champion answers a test split once.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset

from dispatch_model.backend import DEFAULT
from dispatch_model.encoder import HEADS, Encoder, Predictions
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LabelMaps
from training.config import TrainingConfig
from training.corpus import FEATURES, load_corpus
from training.predict import predict_texts
from training.prepare import Part, data_fingerprint, part_of
from training.splits import split_corpus, text_group
from training.worked import load_worked

READ_LABELS = Path(__file__).with_name("read_labels.csv")


def data_files(folder: Path) -> tuple[Path, ...]:
    """The files that the test split and its labels follow from.

    :raises DispatchError: INVALID_CONFIG naming the one that is not there.
    """
    found = (*(folder / name for name in ("cases.jsonl.gz", "labels.csv", "units.csv")), READ_LABELS)
    for path in found:
        if not path.is_file():
            told = f"找不到数据 {path}：请把 [data] folder 指向含有 {path.name} 的文件夹。"
            raise DispatchError(ErrorKind.INVALID_CONFIG, told, field="data.folder", value=str(folder))
    return found


def frozen_test(config: TrainingConfig, maps: LabelMaps) -> Part:
    """The test split, as every evaluation reads it.

    :raises DispatchError: INVALID_CONFIG when the data folder is not there.
    """
    return part_of(split_corpus(load_corpus(config.data.folder), config.data.validation_share)["test"], maps)


def decided(path: Path, maps: LabelMaps, *, learned: Path | None = None) -> Part:
    """Rows of `dispatch data export`, as a part with the truths that people's decisions are.

    :param learned: rows the challenger was trained on: what repeats one of their texts is left out.
    :raises DispatchError: INVALID_CONFIG naming the file, and the lines that are no such rows or hold personal data.
    """
    known = {text_group(row.text) for row in load_worked(learned)} if learned else set()
    rows = load_worked(path)
    kept = [row.model_dump(include=set(FEATURES)) for row in rows if text_group(row.text) not in known]
    if not kept:
        told = f"{path} 中没有可比较的行（共 {len(rows)} 行）；请导出挑战者训练之后的决定。"
        raise DispatchError(ErrorKind.INVALID_CONFIG, told, field="decisions", value=str(path))
    return part_of(Dataset.from_list(kept, features=FEATURES), maps)


def fingerprint(part: Part) -> str:
    """First 16 hex digits of the SHA-256 over ids, labels and texts."""
    digest = hashlib.sha256(data_fingerprint(part).encode())
    digest.update(json.dumps(part.texts, ensure_ascii=False).encode())
    return digest.hexdigest()[:16]


def answers(encoder: Encoder, part: Part, folder: Path) -> Predictions:
    """A bundle's answers to a part: those kept in `folder`, or new ones, kept there. They hold no text."""
    backend = "" if encoder.backend_name == DEFAULT else f"-{encoder.backend_name}"
    path = folder / f"{encoder.bundle.ref.sha256[:12]}-{fingerprint(part)}{backend}.npz"
    if path.is_file():
        with np.load(path, allow_pickle=False) as archive:
            return Predictions(**{head: archive[head] for head in HEADS})
    found = predict_texts(encoder, part.texts, encoder.bundle.version)
    folder.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        columns: dict[str, Any] = {head: getattr(found, head) for head in HEADS}
        np.savez_compressed(file, **columns)
    partial.replace(path)
    return found
