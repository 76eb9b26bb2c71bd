"""Training rows from the store: what operators decided, what units sent back and the review upheld, what was merged.

Undone steps, erased cases and returns that wait for their review teach nothing. An operator's decision says who did
handle a case. Who should is taken only from where somebody said so: a re-dispatch after an upheld return, and an
override for another function.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, select, union

from dispatch_model.cases import CHINA_TIME, Turn
from dispatch_model.city import City
from dispatch_model.city import cities as city_slugs
from dispatch_model.directory import GOVERNMENT
from dispatch_model.transcript import as_text, parse
from dispatch_model.worked_row import WEIGHTS, Provenance, Signal, WorkedRow
from serving.cases.casefile import CaseFile
from serving.cases.entries import Row
from serving.cases.overrides import units
from serving.cases.undone import stands
from serving.masking import mask
from serving.store import moments
from serving.store.connection import Connection
from serving.store.schema import cases, decisions, desk_steps, return_reviews, returns

Clean = Callable[[str], str]
WRONG_PLACE = "属地不符"  # of a return: the function was right
WRONG_FUNCTION = "职能不符"
_RULES = ("bundle", "access_list", "catalogue", "triggers", "label_maps")
_MOST_MERGED = 10  # cases one after the other


def _since(query: Select[Any], at: Any) -> Select[Any]:
    return query.where(at >= bindparam("since"))


_TOUCHED = union(
    _since(select(decisions.c.case_id), decisions.c.at).where(stands(decisions)),
    _since(select(desk_steps.c.case_id), desk_steps.c.at).where(desk_steps.c.action == "merge", stands(desk_steps)),
    _since(select(returns.c.case_id).join_from(return_reviews, returns), return_reviews.c.at),
).subquery()
_CASES = (
    select(cases.c.case_id)
    .where(cases.c.case_id.in_(select(_TOUCHED.c.case_id)), cases.c.erased_at.is_(None))
    .order_by(cases.c.case_id)
)
_TEXT = select(cases.c.transcript).where(cases.c.case_id == bindparam("case_id"), cases.c.erased_at.is_(None))


class Period(NamedTuple):
    """Days in China time in which a label came to hold; `until` is the first day that is out. None: no bound."""

    since: date | None = None
    until: date | None = None

    def holds(self, at: str) -> bool:
        """Whether a stored moment lies within."""
        return _moment(self.since) <= at and (self.until is None or at < _moment(self.until))


@dataclass(frozen=True)
class _Label:
    """What people made of one case.

    :param row: the decision in force; None: there is none.
    :param back: the last return that was upheld.
    :param at: when it came to hold, as stored.
    """

    signal: Signal
    at: str
    row: Row | None = None
    back: Row | None = None
    refused: tuple[str, ...] = ()


def rows(connection: Connection, city: City, period: Period, clean: Clean) -> Iterator[WorkedRow]:
    """One row for each case that people decided about in `period`, in order of case_id.

    :param city: whose directory the units are of.
    :param clean: takes out what an agent wrote after deciding; a case of which nothing is left gives no row.
    """
    found = connection.execute(_CASES, {"since": _moment(period.since)}).fetchall()
    for (case_id,) in found:
        case = CaseFile.read(connection, case_id)
        label = _label(connection, case, city)
        if label is None or not period.holds(label.at):
            continue
        text = _text(connection, case_id, clean)
        if text:
            yield _row(case, label, text, city)


def _moment(day: date | None) -> str:
    return moments.stored(datetime.combine(day or date.min, time(), CHINA_TIME))


def _text(connection: Connection, case_id: str, clean: Clean) -> str:
    """What was said, on one line, masked once more: rules of masking get better; '' when it is erased."""
    told = connection.execute(_TEXT, {"case_id": case_id}).fetchone()
    said = json.loads(told[0]) if told else ""
    turns = said if isinstance(said, str) else [Turn.model_validate(turn) for turn in said]
    return mask(clean(mask(as_text(parse(turns)))))


def _label(connection: Connection, case: CaseFile, city: City) -> _Label | None:
    """None while a return waits for its review, or when nobody decided anything."""
    if case.open_return:
        return None
    if case.merged_into:
        return _merged(connection, case, city)
    upheld = [review for review in case.reviews if review["outcome"] == "upheld"]
    row = None if case.upheld_return else case.decision
    sent = {one["id"]: one for one in case.returns}
    back = sent[upheld[-1]["return_id"]] if upheld else None
    refused = _refused(case, [sent[review["return_id"]] for review in upheld], row, city)
    if row is None:
        return _Label("return", upheld[-1]["at"], None, back, refused) if upheld and refused else None
    rejected = [
        review["at"]
        for review in case.reviews
        if review["outcome"] == "rejected" and sent[review["return_id"]]["decision_id"] == row["id"]
    ]
    if back:
        return _Label("redispatch", max([row["at"], *rejected]), row, back, refused)
    if row["action"] == "accept":
        return _Label("confirmed" if rejected else "accept", max([row["at"], *rejected]), row)
    return _Label("override", row["at"], row)


def _merged(connection: Connection, case: CaseFile, city: City) -> _Label | None:
    """The label of the case that this one goes on as; none of a chain that does not end."""
    step, other = case.step, case
    for _ in range(_MOST_MERGED):
        if not other.merged_into:
            break
        other = CaseFile.read(connection, other.merged_into)
    else:
        return None
    label = _label(connection, other, city)
    if step is None or label is None or label.row is None:
        return None
    return _Label("merge", max(step["at"], label.at), label.row)


def _refused(case: CaseFile, back: list[Row], row: Row | None, city: City) -> tuple[str, ...]:
    """Functions of units whose return was upheld as not theirs, but for that of the unit now in charge."""
    of = {one["id"]: one for one in case.decisions}
    found = set()
    for one in back:
        if one["reason"] != WRONG_PLACE:
            told = of.get(one["decision_id"]) or {"unit": one["unit"], **_first(case)}
            found.add(_unit(told, city)[0])
    return tuple(sorted(found - ({_unit(row, city)[0], row["function"]} if row else set()) - {""}))


def _first(case: CaseFile) -> Mapping[str, Any]:
    """What was dispatched without a decision."""
    return {name: case.routings[-1][name] or "" for name in ("function", "level")}


def _unit(row: Mapping[str, Any], city: City) -> tuple[str, str]:
    """Function and level of the unit itself, as the directory has it; else as it was decided.

    A street's office that stands in for 城管 is 属地政府, as in every other source.
    """
    known = units(city).get(row["unit"] or "")
    return (known[0].function, known[0].level) if known else (row["function"], row["level"])


def _row(case: CaseFile, label: _Label, text: str, city: City) -> WorkedRow:
    row, back = label.row, label.back
    return WorkedRow(
        id=f"work-d{row['id']}-{case.case_id}" if row else f"work-r{back['id'] if back else 0}-{case.case_id}",
        city=_city_name(case.city, city),
        date=case.day.isoformat(),
        text=text,
        **(_labels(label, row, city) if row else {}),
        refused=label.refused,
        weight=WEIGHTS[label.signal],
        provenance=_provenance(case, label),
    )


def _city_name(said: str | None, city: City) -> str:
    """One name for the own city, however a case wrote it."""
    return city.name if not said or _slugs().get(said) == city.slug else said


@lru_cache(maxsize=1)
def _slugs() -> Mapping[str, str]:
    return city_slugs()


def _labels(label: _Label, row: Row, city: City) -> dict[str, Any]:
    function, level = _unit(row, city)
    duty = label.signal == "redispatch" or row["reason"] == WRONG_FUNCTION
    duty = duty and label.signal != "merge" and row["function"] != GOVERNMENT
    return {
        "handler_function": function,
        # What a supervisor forced against the access list is an exception to who leads at which level.
        "handler_level": None if row["forced"] else level,
        "category": row["category"],
        "function": row["function"] if duty else None,
        "level": row["level"] if duty and not row["forced"] else None,
    }


def _provenance(case: CaseFile, label: _Label) -> Provenance:
    row, back = label.row, label.back
    rules = {name: case.routings[-1][name] for name in _RULES if case.routings[-1][name]}
    return Provenance(
        case_id=case.case_id,
        signal=label.signal,
        decision=row["id"] if row else None,
        returned=back["id"] if back else None,
        reason=(row["reason"] if row else "") or (back["reason"] if back else ""),
        at=moments.read(label.at).isoformat(timespec="seconds"),
        rules=rules | ({"access_list": row["access_list"]} if row else {}),
        forced=bool(row and row["forced"]),
        proposed=bool(row and back and back["proposed_unit"] and back["proposed_unit"] == row["unit"]),
    )
