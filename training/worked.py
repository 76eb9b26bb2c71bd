"""Labels from daily work beside the corpus: `dispatch train --set data.worked=rows.jsonl`.

The rows of `dispatch data export` teach only: validation and test stay what they were, and a row whose text stands
there, or in a held-out call, is left out. Texts go through `strip_leaks` once more, whoever wrote the file.
"""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

from datasets import Dataset, Features, List, Value, concatenate_datasets
from pydantic import ValidationError

from dispatch_model import privacy
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.worked_row import WorkedRow, settle
from training.corpus import FEATURES
from training.leaks import strip_leaks
from training.splits import text_group

WORKED = Features({**FEATURES, "weight": Value("float32"), "refused": List(Value("string"))})
_MOST_TOLD = 5  # wrong lines named in one error

logger = logging.getLogger(__name__)


def load_worked(path: Path) -> list[WorkedRow]:
    """The rows of an export, without what an agent wrote after deciding, each text and label once.

    :raises DispatchError: INVALID_CONFIG naming the file, or its lines that are no such rows or hold personal data.
    """
    rows, wrong = [], []
    for number, line in _lines(path):
        try:
            row = WorkedRow.model_validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]
            wrong.append(f"第 {number} 行 {'.'.join(map(str, first['loc']))}：{first['msg']}")
            continue
        if found := sorted({tag for _, _, tag in privacy.mask(row.text).spans}):
            wrong.append(f"第 {number} 行 text 中有未脱敏的个人信息（{'、'.join(found)}）")
        elif text := strip_leaks(row.text):
            rows.append(row.model_copy(update={"text": text}))
    if wrong:
        told = f"{path} 有 {len(wrong)} 行不是 dispatch data export 导出的脱敏行；请重新导出。"
        raise DispatchError(
            ErrorKind.INVALID_CONFIG, told, field="data.worked", value=str(path), details=wrong[:_MOST_TOLD]
        )
    kept, conflicts = settle(rows)
    repeats = len(rows) - len(kept) - len(conflicts)
    logger.info("%s: %d rows, %d repeats, %d conflicts left out", path.name, len(kept), repeats, len(conflicts))
    return kept


def with_worked(splits: Mapping[str, Dataset], path: Path) -> dict[str, Dataset]:
    """`splits` with the rows of an export added to `train`, which gets the columns `weight` and `refused`.

    :raises DispatchError: as `load_worked`.
    """
    held_out = {text_group(text) for name, part in splits.items() if name != "train" for text in part["text"]}
    rows = [row for row in load_worked(path) if text_group(row.text) not in held_out]
    told = [row.model_dump(include=set(WORKED)) for row in rows]
    train = splits["train"]
    plain = train.add_column("weight", [1.0] * len(train)).add_column("refused", [[]] * len(train)).cast(WORKED)
    logger.info("%d of %s teach beside %d of the corpus", len(rows), path.name, len(train))
    return {**splits, "train": concatenate_datasets([plain, Dataset.from_list(told, features=WORKED)])}


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines of the file, but for blank ones."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        told = f"读不到日常标注 {path}（{error}）；请先运行 dispatch data export --output {path}。"
        raise DispatchError(ErrorKind.INVALID_CONFIG, told, field="data.worked", value=str(path)) from None
    yield from ((number, line) for number, line in enumerate(lines, start=1) if line.strip())
