"""Who works on which case just now: a lease, so that two operators never work on one case.

It ends by itself when its holder goes away, and holds nobody back who calls without it: of two decisions that race,
`serving.cases.decisions` refuses the second anyway.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import and_, bindparam, delete, select, update
from sqlalchemy.dialects import postgresql

from dispatch_model.errors import DispatchError, ErrorKind
from serving.cases.entries import Row
from serving.guard.keys import CONSOLE
from serving.store import events, moments
from serving.store.connection import Connection
from serving.store.schema import claims
from serving.store.store import Store

LEASE = timedelta(seconds=90)
_KEPT = timedelta(days=1)  # a lease that ended longer ago is forgotten

_OF = claims.c.case_id == bindparam("its_case")
_MINE = claims.c.operator == bindparam("its_operator")
# A lease that ends later than any could was taken by a clock that was put back since.
_RUNS = and_(claims.c.until > bindparam("now"), claims.c.until < bindparam("latest"))
_new = postgresql.insert(claims)
# SQLite's and PostgreSQL's words for it are the same.
_PUT = _new.on_conflict_do_update(
    index_elements=[claims.c.case_id],
    set_={name: _new.excluded[name] for name in ("operator", "since", "until")},
)
_HELD = select(claims).where(_OF, _RUNS)
_RENEW = update(claims).where(_OF, _MINE, _RUNS).values(until=bindparam("later")).returning(claims.c.case_id)
_RELEASE = delete(claims).where(_OF, _MINE)
_ALL = select(claims).where(_RUNS).order_by(claims.c.since, claims.c.case_id)
_FORGET = delete(claims).where(claims.c.until < bindparam("before"))


@dataclass(frozen=True)
class Claim:
    """That an operator works on a case.

    :param operator: login.
    :param since: in China time, like `until`.
    """

    case_id: str
    operator: str
    since: datetime
    until: datetime


class Claims:
    """The leases of all instances on one database. Methods block: call them from a worker thread.

    :param lease: how long a claim runs without being renewed.
    """

    def __init__(self, store: Store, lease: timedelta = LEASE) -> None:
        self._store = store
        self._lease = lease

    def take(self, case_id: str, operator: str, *, over: bool = False) -> Claim:
        """From now on the case is this operator's; one that is theirs already is renewed.

        :param over: take it from who has it, which the audit log tells.
        :raises DispatchError: CASE_TAKEN, naming who has it and since when.
        """
        now = datetime.now(UTC)
        wanted = Claim(case_id, operator, now, now + self._lease)
        return self._store.write(lambda connection: _take(connection, wanted, over=over))

    def renew(self, case_id: str, operator: str) -> bool:
        """Let the lease run on; False when it has ended, or is another's by now."""
        now = datetime.now(UTC)
        values = {**_running(now, self._lease), "later": moments.stored(now + self._lease)}

        def job(connection: Connection) -> bool:
            events.take_turns(connection)
            cursor = connection.execute(_RENEW, {"its_case": case_id, "its_operator": operator, **values})
            return cursor.fetchone() is not None

        return self._store.write(job)

    def release(self, case_id: str, operator: str) -> None:
        """Give the case back, if it is this operator's."""

        def job(connection: Connection) -> None:
            events.take_turns(connection)
            connection.execute(_RELEASE, {"its_case": case_id, "its_operator": operator})

        self._store.write(job)

    def all(self) -> Mapping[str, Claim]:
        """The leases that run, by case_id."""
        with self._store.reading() as connection:
            found = connection.rows(_ALL, _running(datetime.now(UTC), self._lease))
        return {row["case_id"]: _claim(row) for row in found}


def _take(connection: Connection, wanted: Claim, *, over: bool) -> Claim:
    """A job of the writer; of many that race, one at a time is in here."""
    events.take_turns(connection)
    now = moments.stored(wanted.since)
    running = _running(wanted.since, wanted.until - wanted.since)
    found = connection.rows(_HELD, {"its_case": wanted.case_id, **running})
    holder = found[0] if found else None
    own = holder is not None and holder["operator"] == wanted.operator
    if holder and not own:
        if not over:
            raise _taken(holder)
        told = {"from": holder["operator"], "to": wanted.operator, "since": holder["since"]}
        events.record(connection, "takeover", wanted.case_id, told, actor=f"{CONSOLE}{wanted.operator}")
    since = holder["since"] if holder and own else now
    row = {"case_id": wanted.case_id, "operator": wanted.operator, "since": since}
    row["until"] = moments.stored(wanted.until)
    connection.execute(_PUT, row)
    connection.execute(_FORGET, {"before": moments.stored(wanted.since - _KEPT)})
    return _claim(row)


def _running(now: datetime, lease: timedelta) -> dict[str, str]:
    """What `_RUNS` asks for."""
    return {"now": moments.stored(now), "latest": moments.stored(now + 2 * lease)}


def _taken(holder: Row) -> DispatchError:
    since = moments.read(holder["since"])
    told = f"工单 {holder['case_id']} 正由 {holder['operator']} 办理（{since:%H:%M:%S} 起）；请办其他工单，或接手办理。"
    return DispatchError(ErrorKind.CASE_TAKEN, told, field="case_id", value=holder["operator"])


def _claim(row: Row) -> Claim:
    since, until = (moments.read(row[name]) for name in ("since", "until"))
    return Claim(row["case_id"], row["operator"], since, until)
