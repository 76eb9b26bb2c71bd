"""Cases like this one: decided ones of the same matter with how they ended, and those the caller brought before."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, bindparam, literal_column, select

from dispatch_model.city import City
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LEVELS
from serving.cases.casefile import CaseFile
from serving.cases_wire import State
from serving.console.likeness import likeness
from serving.console.transcript_view import summary_of
from serving.store import moments
from serving.store.connection import Connection
from serving.store.schema import cases, decisions
from serving.words import STATES

POOL = 300  # newest decisions that are compared
_DIGITS = 4  # of a category: the matter
_COMPARED = 800  # characters
_STREET = 0.15  # what the same street is worth beside a likeness of 0–1

# As written in the index of `decisions`: a bound number there would not find it.
_GROUP: ColumnElement[str] = literal_column("substr(category, 1, 4)")
_DECIDED = select(decisions.c.id, decisions.c.case_id).where(bindparam("matter") == _GROUP)
_NEWEST = _DECIDED.order_by(decisions.c.id.desc()).limit(POOL).subquery()
_POOL = (
    select(
        _NEWEST.c.case_id,
        literal_column(f"substr(cases.transcript, 1, {_COMPARED})"),
        literal_column("coalesce(cases.address, '')"),
    )
    .join_from(_NEWEST, cases, cases.c.case_id == _NEWEST.c.case_id)
    .where(cases.c.case_id != bindparam("this"), cases.c.erased_at.is_(None))
    .order_by(_NEWEST.c.id.desc())
)


@dataclass(frozen=True)
class SimilarCase:
    """A decided case of the same four digits of category.

    :param summary: what its transcript is about, one line.
    :param unit: name of the unit that has it, or had it last; `code`, `function`, `level` of the same.
    :param likeness: 0–1, of the words.
    :param same_street: whether it speaks of the same street.
    :param returns: how often a unit sent it back.
    :param state: of the case now.
    :param ending: how it ended, in words: "采纳第 1 条建议", "改派（职能不符）", "改派（其他），退单 1 次".
    :param at: when it was decided.
    """

    case_id: str
    summary: str
    unit: str
    code: str
    function: str
    level: str
    likeness: float
    same_street: bool
    returns: int
    state: State
    ending: str
    at: datetime


@dataclass(frozen=True)
class RepeatCase:
    """An earlier case of the same caller.

    :param unit: name of the unit that has it; before a decision, that of its first suggestion.
    :param state: of the case now; `state_name` the word for it.
    :param came_at: when it came in.
    :param mergeable: whether this case may be merged into it: it is not merged itself.
    """

    case_id: str
    summary: str
    unit: str
    state: State
    state_name: str
    came_at: datetime
    mergeable: bool


class _Candidate(NamedTuple):
    case_id: str
    likeness: float
    same_street: bool

    @property
    def worth(self) -> float:
        return self.likeness + _STREET * self.same_street


def similar_cases(
    connection: Connection, city: City, case: CaseFile, place: Sequence[str], *, limit: int = 5
) -> tuple[SimilarCase, ...]:
    """Decided cases of the same matter, likest first.

    :param place: region codes of the place of this case and all it lies in, as `Router.place` says them.
    """
    category = case.decision["category"] if case.decision else case.routings[-1]["category"]
    if not category:
        return ()
    found = []
    for candidate in _candidates(connection, case, category, _street_names(city, place)):
        similar = _similar(CaseFile.read(connection, candidate.case_id), candidate)
        found += [similar] if similar else []
        if len(found) == limit:
            break
    return tuple(found)


def repeated_cases(connection: Connection, case_ids: Sequence[str], *, limit: int = 5) -> tuple[RepeatCase, ...]:
    """What became of the cases an answer names in `repeat_of`; those no longer stored are left out."""
    return tuple(_repeat(case) for case_id in case_ids[:limit] if (case := _stored(connection, case_id)))


def _candidates(connection: Connection, case: CaseFile, category: str, street: Sequence[str]) -> list[_Candidate]:
    values = {"matter": category[:_DIGITS], "this": case.case_id}
    pool = {row[0]: row for row in reversed(connection.execute(_POOL, values).fetchall())}
    texts = [text for _, text, _ in pool.values()]
    scores = likeness(_own_text(case), texts)
    found = [
        _Candidate(case_id, score, any(name in text or name in address for name in street))
        for (case_id, text, address), score in zip(pool.values(), scores, strict=True)
    ]
    return sorted(found, key=lambda one: -one.worth)


def _own_text(case: CaseFile) -> str:
    answer: str = json.loads(case.routings[-1]["answer"])["transcript"]
    return answer[:_COMPARED]


def _street_names(city: City, place: Sequence[str]) -> tuple[str, ...]:
    """What the street or community of a place may be called."""
    regions = (city.regions[code] for code in place if code in city.regions)
    return tuple(name for one in regions if one.level in LEVELS[2:] for name in (one.name, *one.aliases))


def _similar(case: CaseFile, candidate: _Candidate) -> SimilarCase | None:
    """None when its decision was undone."""
    row = case.decision
    if row is None:
        return None
    ending = f"采纳第 {row['rank']} 条建议" if row["action"] == "accept" else f"改派（{row['reason']}）"
    back = f"，退单 {len(case.returns)} 次" if case.returns else ""
    return SimilarCase(
        case_id=case.case_id,
        summary=summary_of(_own_text(case)),
        unit=row["unit_name"],
        code=row["unit"] or "",
        function=row["function"],
        level=row["level"],
        likeness=candidate.likeness,
        same_street=candidate.same_street,
        returns=len(case.returns),
        state=case.state,
        ending=ending + back,
        at=moments.read(row["at"]),
    )


def _stored(connection: Connection, case_id: str) -> CaseFile | None:
    try:
        return CaseFile.read(connection, case_id)
    except DispatchError as error:
        if error.kind is not ErrorKind.NOT_FOUND:
            raise
        return None


def _repeat(case: CaseFile) -> RepeatCase:
    return RepeatCase(
        case_id=case.case_id,
        summary=summary_of(_own_text(case)),
        unit=case.unit[1],
        state=case.state,
        state_name=STATES[case.state],
        came_at=case.received_at or moments.read(case.routings[0]["came_at"]),
        mergeable=case.state is not State.MERGED,
    )
