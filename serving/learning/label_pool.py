"""Cases that could be labelled: those of the store, decided or not, or those of a file. Masked texts only."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from sqlalchemy import bindparam, select

from dispatch_model.cases import Case, Turn
from dispatch_model.city import City
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.label_task import Candidate
from dispatch_model.transcript import as_text, parse
from dispatch_model.worked_row import settle
from serving.learning.work_labels import Clean, Period, rows
from serving.masking import mask
from serving.store import moments
from serving.store.connection import Connection
from serving.store.schema import cases
from serving.web.problems import read_case

_MOST_TOLD = 5
_NEWEST = (
    select(cases.c.case_id, cases.c.city, cases.c.transcript, cases.c.received_at, cases.c.stored_at)
    .where(cases.c.erased_at.is_(None))
    .order_by(cases.c.stored_at.desc(), cases.c.case_id)
    .limit(bindparam("most"))
)


def from_store(connection: Connection, city: City, period: Period, most: int, clean: Clean) -> Iterator[Candidate]:
    """What people decided in `period`, contradictions included, then the newest `most` cases of it that nobody decided.

    :param clean: takes out what an agent wrote after deciding.
    """
    kept, conflicts = settle(rows(connection, city, period, clean))
    decided = set()
    for row in [*kept, *(conflict.dropped for conflict in conflicts)]:
        decided.add(row.provenance.case_id)
        yield Candidate.of(row)
    for found in connection.rows(_NEWEST, {"most": most}):
        if found["case_id"] in decided or not period.holds(found["stored_at"]):
            continue
        told = json.loads(found["transcript"]) if found["transcript"] else ""
        said = told if isinstance(told, str) else [Turn.model_validate(turn) for turn in told]
        text = mask(clean(mask(as_text(parse(said)))))
        if text:
            day = moments.read(found["stored_at"]).date()
            yield Candidate(id=found["case_id"], city=found["city"] or city.name, date=day.isoformat(), text=text)


def from_file(path: Path, city: City, clean: Clean) -> Iterator[Candidate]:
    """The cases of a file as `dispatch batch` reads it.

    :raises DispatchError: INVALID_PARAMETER naming the file, or its lines that are no cases.
    """
    found, wrong = [], []
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise _unread(path, f"读不到 {path}（{error}）；须为每行一件工单的 JSONL。") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            found.append(read_case(json.loads(line)))
        except ValueError:
            wrong.append(f"第 {number} 行不是 JSON")
        except DispatchError as error:
            wrong.append(f"第 {number} 行：{error.message}")
    if wrong:
        raise _unread(path, f"{path} 有 {len(wrong)} 行不是工单；字段见 docs/api.md 的 Case。", wrong)
    for case in found:
        if text := mask(clean(mask(as_text(parse(case.transcript))))):
            yield Candidate(id=case.case_id, city=case.city or city.name, date=_day(case), text=text)


def _day(case: Case) -> str:
    received: datetime | None = case.received_at
    return received.date().isoformat() if received else ""


def _unread(path: Path, told: str, details: list[str] | None = None) -> DispatchError:
    return DispatchError(
        ErrorKind.INVALID_PARAMETER, told, field="pool", value=str(path), details=(details or [])[:_MOST_TOLD]
    )
