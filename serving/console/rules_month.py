"""Changed rules tried on the cases of the last month before they come into force.

Model outputs do not depend on rules: they are made once per case and bundle and kept while the process runs, so that
the next file is compared within seconds. They hold no word of a transcript (`dispatch_model.outputs`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np
from sqlalchemy import bindparam, select

from dispatch_model import outputs, rules
from dispatch_model.access_list import AccessList
from dispatch_model.cases import Case
from dispatch_model.catalogue import Catalogue
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.outputs import StoredOutputs
from dispatch_model.rules import TITLES, RuleKind, RuleSet
from dispatch_model.table import Upload
from serving.give_way import giving_way
from serving.routing import Router
from serving.rules import diff as rules_diff
from serving.rules.diff import COMPARED, Diff
from serving.rules.moves import Basis, Side
from serving.store import moments
from serving.store.schema import cases
from serving.store.store import Store

if TYPE_CHECKING:  # it loads onnxruntime
    from dispatch_model.router import Router as DispatchRouter

DAYS = 30
MOST = 2000  # cases that are compared: 16 s of one core when none was seen before
CHUNK = 16

_SINCE = cases.c.stored_at >= bindparam("since")
_LISTED = select(cases.c.case_id).where(_SINCE, cases.c.erased_at.is_(None))
_CONTENT = select(
    *(cases.c[name] for name in ("case_id", "city", "transcript", "address", "received_at", "stored_at"))
).where(cases.c.case_id == bindparam("its_id"), cases.c.erased_at.is_(None))


class Stopped(Exception):  # noqa: N818 - nothing is wrong: nobody waits for the answer any longer
    """The comparison was given up."""


@dataclass
class Progress:
    """How far a comparison is; written by the thread at work, read by the page, which may set `stopped`."""

    done: int = 0
    total: int = 0
    stopped: bool = False


@dataclass(frozen=True)
class MonthDiff:
    """What changed rules would have done.

    :param diff: None: no case was stored in the last month.
    :param stored: cases of the month; when there are more than MOST, so many of them were compared.
    """

    diff: Diff | None
    stored: int


class LastMonth:
    """The comparisons of one process; one at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = Lock()
        self._bundle = ""
        self._kept: dict[str, StoredOutputs] = {}

    def compare(self, router: Router, kind: RuleKind, content: bytes, progress: Progress) -> MonthDiff:
        """The rules of `router` against a file that passed its check.

        :raises DispatchError: INVALID_RULES for triggers, which decide no unit; STORE_UNAVAILABLE.
        :raises Stopped: when `progress` says so.
        """
        from dispatch_model.router import Router as DispatchRouter

        if not isinstance(router, DispatchRouter):
            raise TypeError(f"{type(router)} has no model to encode with. This is a bug.")
        if kind not in COMPARED:
            told = f"{TITLES[kind]}不决定承办单位，不作这项比较。"
            raise DispatchError(ErrorKind.INVALID_RULES, told, field="kind", value=kind.value)
        new = rules.load(kind, Upload(TITLES[kind], content), router.maps, router.city)
        sides = _side("现行", kind, router.rule_sets), _side("新表", kind, {**router.rule_sets, kind: new})
        with self._lock, giving_way(), TemporaryDirectory(prefix="dispatch-month-") as folder:
            stored, chosen = self._cases()
            if not chosen:
                return MonthDiff(None, stored)
            path = Path(folder) / "cases.jsonl"
            offsets = _write(path, chosen)
            kept = self._outputs(router, chosen, progress)
            found = replace(kept, offset=np.array([offsets[str(one)] for one in kept.case_id], dtype=np.int64))
            basis = Basis(path, found, router.maps, router.city)
            return MonthDiff(rules_diff.compare(basis, router.encoder.bundle, *sides), stored)

    def _cases(self) -> tuple[int, Sequence[Case]]:
        """How many the month has, and those that are looked at: always the same ones while the month does not move."""
        since = moments.stored(datetime.now(UTC) - timedelta(days=DAYS))
        with self._store.reading() as connection:
            listed = [str(case_id) for (case_id,) in connection.execute(_LISTED, {"since": since})]
            chosen = sorted(listed, key=lambda case_id: crc32(case_id.encode()))[:MOST]
            found = [row for case_id in chosen for row in connection.rows(_CONTENT, {"its_id": case_id})]
        return len(listed), [_case(row) for row in found]

    def _outputs(self, router: "DispatchRouter", chosen: Sequence[Case], progress: Progress) -> StoredOutputs:
        """Those of `chosen`, in order; what was kept of other cases or another bundle is let go."""
        same = self._bundle == router.bundle.sha256
        names = {case.case_id for case in chosen}
        self._kept = {case_id: kept for case_id, kept in self._kept.items() if same and case_id in names}
        self._bundle = router.bundle.sha256
        fresh = [case for case in chosen if case.case_id not in self._kept]
        progress.done, progress.total = len(chosen) - len(fresh), len(chosen)
        now = datetime.now(UTC)
        for start in range(0, len(fresh), CHUNK):
            if progress.stopped:
                raise Stopped
            chunk = fresh[start : start + CHUNK]
            made = outputs.encode(router, dict(enumerate(chunk)), now)
            self._kept |= {case.case_id: _row(made, number) for number, case in enumerate(chunk)}
            progress.done += len(chunk)
        return outputs.join([self._kept[case.case_id] for case in chosen])


def _side(name: str, kind: RuleKind, together: Mapping[RuleKind, RuleSet]) -> Side:
    access_list, catalogue = together[RuleKind.ACCESS_LIST], together[RuleKind.CATALOGUE]
    if not isinstance(access_list, AccessList) or not isinstance(catalogue, Catalogue):
        raise TypeError(f"{name}: {type(access_list)}, {type(catalogue)}")
    return Side(name, kind, access_list, catalogue)


def _case(row: Mapping[str, Any]) -> Case:
    """As it was stored: masked."""
    told = {name: json.loads(row[name]) for name in ("transcript", "address") if row[name]}
    received = row["received_at"] or moments.read(row["stored_at"]).isoformat()
    return Case.model_validate({"case_id": row["case_id"], "city": row["city"], "received_at": received, **told})


def _write(path: Path, chosen: Sequence[Case]) -> Mapping[str, int]:
    """One case a line; where each begins."""
    offsets, at = {}, 0
    with path.open("wb") as file:
        for case in chosen:
            offsets[case.case_id] = at
            at += file.write(case.model_dump_json(exclude_none=True).encode() + b"\n")
    return offsets


def _row(made: StoredOutputs, number: int) -> StoredOutputs:
    columns = {column.name: getattr(made, column.name)[number : number + 1].copy() for column in fields(made)}
    return replace(made, **columns)
