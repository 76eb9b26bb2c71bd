"""Erasing what a caller said: texts go, numbers, labels and the chain of the audit log stay.

Of an erased case there remain its number, moments, category, units, deadlines, rule ids and who decided what; gone are
transcript, address, every text that quotes or tells of them, notes, and the pseudonym that tied it to other cases.
Backups, and pages a database has freed but not yet overwritten, are for whoever runs it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BindParameter, Update, bindparam, null, select, update

from dispatch_model.errors import DispatchError, ErrorKind
from serving.store import events, moments
from serving.store.connection import Connection
from serving.store.schema import cases, decisions, desk_steps, return_reviews, returns, routings

BLANK = json.dumps("")  # a transcript is JSON in the store
BLANK_CASE = {"transcript": BLANK, "address": None, "digests": None, "caller": None}
# Their texts come from the rule tables; those of the others may quote what was said.
_OF_RULES = frozenset({"access_list", "catalogue"})

_CASE_ID: BindParameter[str] = bindparam("its_case")
_STATE = select(cases.c.erased_at).where(cases.c.case_id == _CASE_ID)
_OF_CALLER = select(cases.c.case_id).where(cases.c.caller == bindparam("its_caller")).order_by(cases.c.stored_at)
_ERASE = (
    update(cases)
    .where(cases.c.case_id == _CASE_ID)
    .values(transcript=BLANK, address=null(), digests=null(), caller=null(), erased_at=bindparam("at"))
)
_ANSWERS = select(routings.c.id, routings.c.answer).where(routings.c.case_id == _CASE_ID)
_ANSWER = update(routings).where(routings.c.id == bindparam("its_id")).values(answer=bindparam("blanked"))
_RETURNS = select(returns.c.id).where(returns.c.case_id == _CASE_ID)
_NOTES: tuple[Update, ...] = (
    update(decisions).where(decisions.c.case_id == _CASE_ID).values(note=""),
    update(desk_steps).where(desk_steps.c.case_id == _CASE_ID).values(note="", question=""),
    update(returns).where(returns.c.case_id == _CASE_ID).values(note="", clause=""),
    update(return_reviews).where(return_reviews.c.return_id.in_(_RETURNS)).values(note=""),
)


@dataclass(frozen=True)
class Erasure:
    """What was done.

    :param before: case_ids that had been erased earlier and were left alone.
    """

    erased: tuple[str, ...]
    before: tuple[str, ...] = ()


def cases_of(connection: Connection, caller: str) -> list[str]:
    """The case_ids of a caller, the oldest first; none of those already erased.

    :param caller: the pseudonym, as `Seal` makes it.
    """
    return [case_id for (case_id,) in connection.execute(_OF_CALLER, {"its_caller": caller})]


def erase(connection: Connection, case_ids: Sequence[str], *, actor: str) -> Erasure:
    """A job of the writer: blank the texts of these cases, all or none; the audit log tells of each.

    :raises DispatchError: NOT_FOUND for a case that is not stored.
    """
    events.take_turns(connection)
    states = {case_id: _state(connection, case_id) for case_id in dict.fromkeys(case_ids)}
    fresh = tuple(case_id for case_id, erased_at in states.items() if erased_at is None)
    for case_id in fresh:
        _erase(connection, case_id)
        events.record(
            connection, "erase", case_id, {"blanked": ["transcript", "address", "answer", "notes"]}, actor=actor
        )
    return Erasure(fresh, tuple(case_id for case_id in states if case_id not in fresh))


def scrub(connection: Connection) -> bool:
    """Write the log of SQLite into its file and empty it, as it still holds what was blanked.

    :param connection: to SQLite, outside a transaction; freed places in the file are overwritten as they are freed.
    :returns: False when another process was reading; then a later checkpoint does it.
    """
    row = connection.run("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return row is not None and not row[0]


def blanked(answer: str) -> str:
    """A stored answer without what was said: ids, labels, probabilities, deadlines and the words of rules stay."""
    told: dict[str, Any] = json.loads(answer)
    told |= {
        "transcript": "",
        "disposition_reason": "",
        "missing": [],
        "repeat_of": [],
        "reasons": [_plain(reason) for reason in told["reasons"]],
        "suggestions": [
            {**one, "reasons": [_plain(reason) for reason in one["reasons"]]} for one in told["suggestions"]
        ],
    }
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def is_blank(column: str, content: Any) -> bool:
    """Whether an erasable column of routings, decisions, steps, returns or reviews holds what erasure leaves there."""
    if column != "answer":
        return bool(content == "")
    try:
        return bool(blanked(content) == content)
    except (ValueError, KeyError, TypeError):
        return False


def _plain(reason: dict[str, Any]) -> dict[str, Any]:
    return {**reason, "text": reason["text"] if reason["source"] in _OF_RULES else "", "spans": []}


def _state(connection: Connection, case_id: str) -> str | None:
    """When the case was erased; None: it was not."""
    row = connection.execute(_STATE, {"its_case": case_id}).fetchone()
    if row is None:
        told = f"没有工单 {case_id}；请核对工单号，此次未抹除任何内容。"
        raise DispatchError(ErrorKind.NOT_FOUND, told, field="case_id", value=case_id)
    erased_at: str | None = row[0]
    return erased_at


def _erase(connection: Connection, case_id: str) -> None:
    values = {"its_case": case_id}
    connection.execute(_ERASE, {**values, "at": moments.now()})
    for number, answer in connection.execute(_ANSWERS, values).fetchall():
        connection.execute(_ANSWER, {"its_id": number, "blanked": blanked(answer)})
    for statement in _NOTES:
        connection.execute(statement, values)
