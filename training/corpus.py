"""Labelled cases of every source as one Hugging Face `Dataset`.

Every source teaches what it knows and a missing label stays `None`:

* `handler_function`, `handler_level` – who really handled it (Haikou, Shanghai; through `units.csv`);
* `category`, `function`, `level`, `kind`, `flags` – who *should*, read case by case (`labels.csv`);
* `taidi_label` – one of seven coarse classes, a set of category codes (see `targets.py`).

The two kinds of truth differ (a street office handles what is 城管 by function), so they are kept apart.
"""

import csv
import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from datasets import Dataset, Features, List, Value

from dispatch_model import privacy
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.transcript import model_text, parse

# Units that say nothing about whose line of duty a case is (../shared/data/README.md).
CATCH_ALL_UNITS = frozenset({"其他单位", "省级单位", "除海口外的市县", "省外单位"})

FEATURES = Features(
    {
        "id": Value("string"),
        "source": Value("string"),
        "city": Value("string"),
        "date": Value("string"),
        "split": Value("string"),
        "title": Value("string"),
        "text": Value("string"),
        "handler_function": Value("string"),
        "handler_level": Value("string"),
        "handler_type": Value("string"),
        "category": Value("string"),
        "function": Value("string"),
        "level": Value("string"),
        "kind": Value("string"),
        "flags": List(Value("string")),
        "taidi_label": Value("string"),
    }
)


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise DispatchError(
            ErrorKind.INVALID_CONFIG,
            f"找不到训练数据 {path}：请把 [data] folder 指向含有 {path.name} 的文件夹",
            field="data.folder",
            value=str(path.parent),
        )
    return path


def read_csv(path: Path) -> list[dict[str, str]]:
    """All rows of a UTF-8 CSV with a header.

    :raises DispatchError: INVALID_CONFIG when the file is not there.
    """
    with _existing(path).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def read_cases(path: Path) -> Iterator[dict[str, Any]]:
    """Each JSON object of a gzipped JSON-lines file.

    :raises DispatchError: INVALID_CONFIG when the file is not there.
    """
    with gzip.open(_existing(path), "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def encoder_text(transcript: str, title: str = "") -> str:
    """What the encoder reads, made exactly as the service makes it from a case (see `reading.read`)."""
    return privacy.mask(model_text(parse(titled(transcript, title)))).text


def titled(transcript: str, title: str = "") -> str:
    """The transcript after its title, unless it begins with it."""
    return f"{title}。{transcript}" if title and not transcript.startswith(title[:8]) else transcript


def read_units(folder: Path) -> dict[tuple[str, str], dict[str, str]]:
    """The rows of `units.csv` by source and unit.

    :raises DispatchError: INVALID_CONFIG when the file is not there.
    """
    return {(row["source"], row["unit"]): row for row in read_csv(folder / "units.csv")}


def handling_unit(case: Mapping[str, Any], units: Mapping[tuple[str, str], dict[str, str]]) -> dict[str, str] | None:
    """The row of the unit that handled a case; None where there is none that says anything about its line of duty."""
    unit = units.get((case["source"], case.get("unit") or ""))
    if unit is None or unit["unit"] in CATCH_ALL_UNITS or case["source"] == "beijing_bus":
        return None
    return unit


def _handler(unit: dict[str, str] | None) -> dict[str, str | None]:
    if unit is None:
        return {"handler_function": None, "handler_level": None, "handler_type": None}
    return {
        "handler_function": unit["function"],
        "handler_level": unit["level"],
        "handler_type": unit["org_type"],
    }


def _reading(label: dict[str, str] | None) -> dict[str, Any]:
    if label is None:
        return {"category": None, "function": None, "level": None, "kind": None, "flags": None}
    flags = [flag for flag in label["flags"].split(",") if flag]
    return {**{key: label[key] for key in ("category", "function", "level", "kind")}, "flags": flags}


def read_labels(folder: Path) -> dict[str, dict[str, str]]:
    """Category, function, level, kind and flags by case id: `labels.csv`, and the readings of this project.

    `training/read_labels.csv` holds further train cases read under the same guide (docs/data-card.md); where
    both know a case, `labels.csv` counts.
    """
    own = read_csv(Path(__file__).with_name("read_labels.csv"))
    return {row["id"]: row for row in [*own, *read_csv(folder / "labels.csv")]}


def load_corpus(folder: Path) -> Dataset:
    """Every case that carries a label and chases no older order, one row each.

    :param folder: holds `cases.jsonl.gz`, `labels.csv`, `units.csv` (and `dialogues.jsonl`).
    :raises DispatchError: INVALID_CONFIG when one of these files is not there.
    """
    cases = list(read_cases(folder / "cases.jsonl.gz"))
    units = read_units(folder)
    labels = read_labels(folder)
    rows = []
    for case in cases:
        if case.get("followup") or case["split"] == "drop":
            continue
        row = {
            **{key: case.get(key) or "" for key in ("id", "source", "city", "date", "split", "title", "text")},
            **_handler(handling_unit(case, units)),
            **_reading(labels.get(case["id"])),
            "taidi_label": case.get("taidi_label"),
        }
        if row["handler_function"] or row["category"] or row["taidi_label"]:
            rows.append(row)
    return Dataset.from_list(rows, features=FEATURES)


def load_dialogues(folder: Path) -> Dataset:
    """The two-sided calls with the labels of the case each was written from (split as given there).

    :param folder: holds `dialogues.jsonl` and `labels.csv`.
    """
    labels = read_labels(folder)
    rows = []
    for line in _existing(folder / "dialogues.jsonl").read_text(encoding="utf-8").splitlines():
        call = json.loads(line)
        if call["id"] not in labels:
            continue
        rows.append(
            {
                **{"id": f"{call['id']}#call", "source": "dialogue", "city": call["city"], "date": ""},
                **{"split": call["split"], "title": "", "text": call["text"], "taidi_label": None},
                **{"handler_function": None, "handler_level": None, "handler_type": None},
                **_reading(labels[call["id"]]),
            }
        )
    return Dataset.from_list(rows, features=FEATURES)
