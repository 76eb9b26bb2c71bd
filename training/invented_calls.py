"""Two-sided calls written for this project, from which the model learns how people speak.

Nobody placed these calls: `training/invented_calls.jsonl` was written under the annotators' guide (docs/data-card.md),
by other hands than `tests/dialogues.jsonl`, which judges. Each line is one call with the labels of who *should* lead.
"""

import json
from pathlib import Path
from typing import Any

from datasets import Dataset
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dispatch_model.errors import DispatchError, ErrorKind
from training.corpus import FEATURES

CALLS = Path(__file__).with_name("invented_calls.jsonl")


class InventedCall(BaseModel):
    """One line of the file. Whether the labels exist is checked with all others, see `targets`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1)
    city: str
    category: str = Field(pattern=r"^\d{6}$")
    function: str = Field(min_length=1)
    level: str = Field(min_length=1)
    kind: str = Field(min_length=1)
    text: str = Field(min_length=1)

    def row(self) -> dict[str, Any]:
        """As a row of the corpus, of the train split."""
        unknown = dict.fromkeys(("handler_function", "handler_level", "handler_type", "taidi_label", "flags"))
        constant = {"source": "invented", "date": "", "split": "train", "title": ""}
        return {**self.model_dump(), **constant, **unknown}


def load_invented_calls(path: Path = CALLS) -> Dataset:
    """The calls as rows of the corpus.

    :raises DispatchError: INVALID_CONFIG for a line that is no such call; names the line.
    """
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            rows.append(InventedCall.model_validate(json.loads(line)).row())
        except (json.JSONDecodeError, ValidationError) as error:
            fields = sorted(InventedCall.model_fields)
            raise DispatchError(
                ErrorKind.INVALID_CONFIG,
                f"{path} 第 {number} 行不是一通编写的通话：应为一个 JSON 对象，字段 {'、'.join(fields)}；请改正该行",
                field=f"第 {number} 行",
                value=line[:80],
            ) from error
    return Dataset.from_list(rows, features=FEATURES)
