"""`dispatch data audit`: the likely wrong labels of the data, worst first, for somebody to settle.

Only rows that teach or choose are audited; the test split stays as it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from datasets import concatenate_datasets
from tqdm import tqdm

from dispatch_model.errors import DispatchError, ErrorKind, near
from dispatch_model.settled_label import in_force, read_settled
from dispatch_model.suspect import FIELDS, WORK_ID, Key, Suspect, write_suspects
from training.config import TrainingConfig
from training.contradictions import Contradiction, contradictions
from training.corpus import encoder_text
from training.label_audit import Judged, features_of, folds_of, judge
from training.prepare import load_splits
from training.settled import CALL, FROZEN, with_settled

READ = ("category", "function", "level", "kind")
PARENT = 4  # digits of a category that the probe can tell


@dataclass(frozen=True)
class AuditedRows:
    """What an audit reads.

    :param texts: masked.
    :param labels: columns of FIELDS.
    """

    ids: list[str]
    texts: list[str]
    labels: dict[str, list[str | None]]

    @cached_property
    def coarse(self) -> dict[str, list[str | None]]:
        """The labels with categories at four digits: finer ones are too rare to be told apart."""
        return self.labels | {"category": [code[:PARENT] if code else None for code in self.labels["category"]]}


class _Doubt(NamedTuple):
    """What is likelier than a label, how suspect that makes it, and the probabilities of both."""

    proposed: str
    suspicion: float
    given: float
    likelier: float
    why: str


@dataclass(frozen=True)
class Found:
    """What an audit of one field came to.

    :param labelled: rows that bear the label.
    :param judged: those of them whose label has rows enough.
    :param estimated: rows off the diagonal of the confident joint.
    :param contradicting: rows whose repeats say otherwise.
    :param settled: labels somebody has settled already, which are not listed again.
    """

    field: str
    labelled: int
    judged: int
    estimated: int
    contradicting: int
    settled: int


def audit(
    config: TrainingConfig, output: Path, *, fields: Sequence[str] = READ, settled: Path | None = None, limit: int = 500
) -> list[Found]:
    """Write the `limit` most suspect labels.

    :param fields: of `FIELDS`.
    :param settled: a `settled.csv`; its labels count as given, and are not listed. It need not be there.
    :raises DispatchError: INVALID_CONFIG when data or file cannot be read or written, or a field is none.
    """
    for field in fields:
        if field not in FIELDS:
            told = f"没有标注项 {field!r}，可为 {'、'.join(FIELDS)}。{near(field, FIELDS)}"
            raise DispatchError(ErrorKind.INVALID_CONFIG, told, field="field", value=field)
    held = in_force(read_settled(settled)) if settled else {}
    rows = rows_of(config, fields, settled if held else None)
    found, suspects = examine(rows, fields, held)
    write_suspects(output, sorted(suspects, key=lambda one: -one.suspicion)[:limit])
    return found


def rows_of(config: TrainingConfig, fields: Sequence[str], settled: Path | None = None) -> AuditedRows:
    """All rows that teach or choose and bear one of the labels.

    :param settled: applied unless the configuration names such a file itself.
    """
    splits = load_splits(config)
    if settled and not config.data.settled:
        splits = with_settled(splits, settled)
    columns = ["id", "title", "text", *FIELDS]
    rows = concatenate_datasets([part.select_columns(columns) for name, part in splits.items() if name not in FROZEN])
    told = {name: list(rows[name]) for name in columns}
    kept = [
        row
        for row, name in enumerate(told["id"])
        if not name.endswith(CALL) and any(told[field][row] for field in fields)
    ]
    texts = [encoder_text(told["text"][row], told["title"][row]) for row in tqdm(kept, desc="texts", leave=False)]
    labels = {field: [told[field][row] for row in kept] for field in FIELDS}
    return AuditedRows([told["id"][row] for row in kept], texts, labels)


def examine(rows: AuditedRows, fields: Sequence[str], held: Mapping[Key, object]) -> tuple[list[Found], list[Suspect]]:
    """Every label of `fields` that can be doubted, in no order, and counts by field.

    :param held: labels that are settled.
    """
    features, folds = features_of(rows.texts), folds_of(rows.texts)
    found, suspects = [], []
    for field in tqdm(fields, desc="fields", leave=False):
        judged = judge(features, folds, rows.coarse, field)
        repeats = {one.row: one for one in contradictions(rows.texts, rows.coarse[field])}
        told = [row for row, label in enumerate(rows.labels[field]) if label]
        asked = [row for row in told if (rows.ids[row], field) not in held]
        doubts = [_doubt(row, judged, repeats.get(row)) for row in asked]
        doubted = [(row, doubt) for row, doubt in zip(asked, doubts, strict=True) if doubt]
        suspects += [_suspect(rows, field, row, doubt, repeats.get(row)) for row, doubt in doubted]
        settled = len(told) - len(asked)
        found.append(Found(field, len(told), *_counts(judged), contradicting=len(repeats), settled=settled))
    return found, suspects


def _counts(judged: Judged | None) -> tuple[int, int]:
    return (int((judged.given >= 0).sum()), int(judged.off_diagonal.sum())) if judged else (0, 0)


def _doubt(row: int, judged: Judged | None, repeat: Contradiction | None) -> _Doubt | None:
    """What speaks against a label; None where nothing does, or nobody could say."""
    model = judged is not None and judged.given[row] >= 0
    given = float(judged.probabilities[row, judged.given[row]]) if judged and model else 1.0
    likelier = int(judged.proposed[row]) if judged else 0
    proposed = float(judged.probabilities[row, likelier]) if judged and model else 0.0
    doubted = proposed > given
    if repeat is None and not (judged and doubted):
        return None
    # Two grounds that do not know of each other.
    suspicion = 1.0 - given * (1.0 - repeat.share if repeat else 1.0)
    names = judged.names[likelier] if judged else ""
    why = "|".join([*(["model"] if doubted else []), *(["repeat"] if repeat else [])])
    return _Doubt(names if doubted or repeat is None else repeat.proposed, suspicion, given, proposed, why)


def _suspect(rows: AuditedRows, field: str, row: int, doubt: _Doubt, repeat: Contradiction | None) -> Suspect:
    name = rows.ids[row]
    others = {rows.ids[one]: rows.labels[field][one] for one in repeat.others} if repeat else {}
    beside = {key: column[row] for key, column in rows.labels.items() if key != field and column[row]}
    return Suspect(
        id=name,
        field=field,
        given=rows.labels[field][row] or "",
        proposed=doubt.proposed,
        suspicion=doubt.suspicion,
        given_probability=doubt.given,
        proposed_probability=doubt.likelier,
        why=doubt.why,
        repeats=_joined(others),
        beside=_joined(beside),
        text="" if WORK_ID.match(name) else rows.texts[row],
    )


def _joined(pairs: Mapping[str, str | None]) -> str:
    return "|".join(f"{key}={value}" for key, value in pairs.items())
