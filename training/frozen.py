"""What a gate judges on: the frozen test split, and cases that people decided lately.

Answers are kept beside the gate's record, so that an interrupted gate goes on and a champion answers a test split once.
"""

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset

from dispatch_model import privacy
from dispatch_model.encoder import HEADS, Encoder, Predictions
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LabelMaps
from training.config import TrainingConfig
from training.corpus import FEATURES, load_corpus
from training.predict import predict_texts
from training.prepare import Part, data_fingerprint, part_of
from training.splits import split_corpus, text_group


def frozen_test(config: TrainingConfig, maps: LabelMaps) -> Part:
    """The test split, as every evaluation reads it.

    :raises DispatchError: INVALID_CONFIG when the data folder is not there.
    """
    return part_of(split_corpus(load_corpus(config.data.folder), config.data.validation_share)["test"], maps)


def decided(path: Path, maps: LabelMaps, *, learned: Path | None = None) -> Part:
    """Rows of `dispatch data export`, as a part with the truths that people's decisions are.

    :param learned: rows the challenger was trained on: what repeats one of their texts is left out.
    :raises DispatchError: INVALID_CONFIG naming the file and line that is no such row, or holds personal data.
    """
    known = {text_group(row["text"]) for _, row in _rows(learned)} if learned else set()
    kept = [_row(path, line, row) for line, row in _rows(path) if text_group(row["text"]) not in known]
    if not kept:
        told = f"{path} 中没有可比较的行（共 {len(list(_rows(path)))} 行）；请导出挑战者训练之后的决定。"
        raise DispatchError(ErrorKind.INVALID_CONFIG, told, field="decisions", value=str(path))
    return part_of(Dataset.from_list(kept, features=FEATURES), maps)


def fingerprint(part: Part) -> str:
    """First 16 hex digits of the SHA-256 over ids, labels and texts."""
    digest = hashlib.sha256(data_fingerprint(part).encode())
    digest.update(json.dumps(part.texts, ensure_ascii=False).encode())
    return digest.hexdigest()[:16]


def answers(encoder: Encoder, part: Part, folder: Path) -> Predictions:
    """A bundle's answers to a part: those kept in `folder`, or new ones, kept there. They hold no text."""
    path = folder / f"{encoder.bundle.ref.sha256[:12]}-{fingerprint(part)}.npz"
    if path.is_file():
        with np.load(path, allow_pickle=False) as archive:
            return Predictions(**{head: archive[head] for head in HEADS})
    found = predict_texts(encoder, part.texts, encoder.bundle.version)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".npz.partial", delete=False) as file:
        columns: dict[str, Any] = {head: getattr(found, head) for head in HEADS}
        np.savez_compressed(file, **columns)
    Path(file.name).replace(path)
    return found


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line numbers and objects of a JSON-lines file."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        told = f"决定文件 {path} 读不到（{error}）；请用 dispatch data export 导出。"
        raise DispatchError(ErrorKind.INVALID_CONFIG, told, field="decisions", value=str(path)) from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise _wrong(path, number, f"不是 JSON（{error.msg}）") from None
        if not isinstance(row, dict) or not isinstance(row.get("text"), str) or not row["text"].strip():
            raise _wrong(path, number, "不是带 text 的对象")
        yield number, row


def _row(path: Path, number: int, row: Mapping[str, Any]) -> dict[str, Any]:
    """One row in the columns of the corpus; what an export says beside them is not the gate's."""
    found = sorted({tag for _, _, tag in privacy.mask(row["text"]).spans})
    if found:
        raise _wrong(path, number, f"text 中有未脱敏的个人信息（{'、'.join(found)}）")
    told = {name: row.get(name) for name in FEATURES}
    flags = told["flags"] if isinstance(told["flags"], Sequence) and not isinstance(told["flags"], str) else None
    plain = {name: told[name] or "" for name in ("source", "city", "date", "title", "text")}
    return {**told, **plain, "id": str(row.get("id") or f"{path.name}:{number}"), "split": "test", "flags": flags}


def _wrong(path: Path, number: int, problem: str) -> DispatchError:
    told = f"{path} 第 {number} 行{problem}；应为 dispatch data export 导出的脱敏行。"
    return DispatchError(ErrorKind.INVALID_CONFIG, told, field=f"{path.name}:{number}")
