"""Which cases may wait for somebody, in SQL; whether one does, and for what, is for `CaseFile` to say."""

from datetime import datetime

from sqlalchemy import bindparam, exists, func, or_, select

from dispatch_model.cases import Disposition
from serving.cases.undone import stands
from serving.store import moments
from serving.store.connection import Connection
from serving.store.schema import audit_events, cases, decisions, desk_steps, return_reviews, returns, routings

# Of what the audit log tells, what may change a line of the queue.
TOLD = frozenset({"dispatch", "decision", "redispatch", "return", "review", "consult", "ask", "merge", "undo", "erase"})

_newer = routings.alias("newer")
_suggested = exists().where(
    routings.c.case_id == cases.c.case_id,
    routings.c.disposition != Disposition.AUTO.value,
    ~exists().where(_newer.c.case_id == routings.c.case_id, _newer.c.id > routings.c.id),
)
_decided = exists().where(decisions.c.case_id == cases.c.case_id, stands(decisions))
_merged = exists().where(desk_steps.c.case_id == cases.c.case_id, desk_steps.c.action == "merge", stands(desk_steps))
_answer = decisions.alias("answer")
_reviewed = exists().where(return_reviews.c.return_id == returns.c.id)
_upheld = exists().where(return_reviews.c.return_id == returns.c.id, return_reviews.c.outcome == "upheld")
_answered = exists().where(
    _answer.c.case_id == returns.c.case_id, _answer.c.return_id == returns.c.id, stands(decisions, _answer)
)
_sent_back = exists().where(returns.c.case_id == cases.c.case_id, or_(~_reviewed, _upheld & ~_answered))
_PENDING = (
    select(cases.c.case_id)
    .where(cases.c.stored_at >= bindparam("since"), or_(_suggested & ~_decided & ~_merged, _sent_back))
    .order_by(cases.c.stored_at.desc())
    .limit(bindparam("most"))
)
_LAST = select(func.max(audit_events.c.id))
_SINCE = (
    select(audit_events.c.id, audit_events.c.action, audit_events.c.subject)
    .where(audit_events.c.id > bindparam("after"))
    .order_by(audit_events.c.id)
    .limit(bindparam("most"))
)


def pending(connection: Connection, since: datetime, most: int) -> list[str]:
    """The case_ids that came in since then and may wait, the newest first."""
    values = {"since": moments.stored(since), "most": most}
    return [case_id for (case_id,) in connection.execute(_PENDING, values)]


def last_event(connection: Connection) -> int:
    """Number of the last event of the audit log; 0: none yet."""
    ((number,),) = connection.execute(_LAST).fetchall()
    return int(number or 0)


def events_after(connection: Connection, after: int, most: int) -> list[tuple[int, str, str]]:
    """Number, kind and subject of what happened since that event, in order."""
    return [
        (int(number), kind, subject)
        for number, kind, subject in connection.execute(_SINCE, {"after": after, "most": most})
    ]
