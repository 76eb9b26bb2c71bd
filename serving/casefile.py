"""A case as the store has it: answer, decisions, returns and reviews, and where it stands by them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import BindParameter, bindparam, select

from dispatch_model.cases import CHINA_TIME, Address, CategoryRef, Disposition, Routing, Timing, UnitRef
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LabelMaps
from serving import moments
from serving.cases_wire import CaseView, DecisionEntry, DispatchEntry, ReturnEntry, ReviewEntry, State, Step
from serving.connection import Connection
from serving.events import SERVICE
from serving.schema import cases, decisions, return_reviews, returns, routings

Row = Mapping[str, Any]

_CASE_ID: BindParameter[str] = bindparam("case_id")
_CASE = (
    select(cases.c.city, cases.c.address, cases.c.received_at, cases.c.stored_at.label("came_at"), *routings.c)
    .join_from(cases, routings)
    .where(cases.c.case_id == _CASE_ID)
    .order_by(routings.c.id)
)
_DECISIONS = select(decisions).where(decisions.c.case_id == _CASE_ID).order_by(decisions.c.id)
_RETURNS = select(returns).where(returns.c.case_id == _CASE_ID).order_by(returns.c.id)
_REVIEWS = (
    select(return_reviews)
    .join_from(return_reviews, returns)
    .where(returns.c.case_id == _CASE_ID)
    .order_by(return_reviews.c.id)
)


@dataclass(frozen=True)
class CaseFile:
    """All rows of one case, each sort in the order it was written.

    :param routings: with the columns of the case itself; at least one.
    """

    case_id: str
    routings: Sequence[Row]
    decisions: Sequence[Row]
    returns: Sequence[Row]
    reviews: Sequence[Row]

    @classmethod
    def read(cls, connection: Connection, case_id: str) -> "CaseFile":
        """What is stored under `case_id`.

        :raises DispatchError: NOT_FOUND.
        """
        values = {"case_id": case_id}
        found = connection.rows(_CASE, values)
        if not found:
            told = f"没有工单 {case_id}；请核对工单号，未派过的工单请先 POST /route。"
            raise DispatchError(ErrorKind.NOT_FOUND, told, field="case_id", value=case_id)
        return cls(case_id, found, *(connection.rows(query, values) for query in (_DECISIONS, _RETURNS, _REVIEWS)))

    @property
    def routing_id(self) -> int:
        """Number of the routing that holds."""
        return int(self.routings[-1]["id"])

    @property
    def routing(self) -> Routing:
        """The routing that holds, as it was answered."""
        answer = self.routings[-1]["answer"]
        return Routing.model_validate_json(f'{answer[:-1]},"timing_ms":{Timing().model_dump_json()},"replayed":true}}')

    @property
    def city(self) -> str | None:
        """As the case said it."""
        city: str | None = self.routings[-1]["city"]
        return city

    @property
    def address(self) -> Address | None:
        """Masked."""
        text = self.routings[-1]["address"]
        return Address.model_validate(json.loads(text)) if text else None

    @property
    def received_at(self) -> datetime | None:
        """As the case said it."""
        text = self.routings[-1]["received_at"]
        return datetime.fromisoformat(text) if text else None

    @property
    def day(self) -> date:
        """The day whose rules hold: when the case came in, in China time."""
        return (self.received_at or moments.read(self.routings[0]["came_at"])).astimezone(CHINA_TIME).date()

    @property
    def decision(self) -> Row | None:
        """The decision made last; after an upheld return it no longer holds."""
        return self.decisions[-1] if self.decisions else None

    @property
    def open_return(self) -> Row | None:
        """The return that waits for its review."""
        reviewed = {row["return_id"] for row in self.reviews}
        return next((row for row in reversed(self.returns) if row["id"] not in reviewed), None)

    @property
    def upheld_return(self) -> Row | None:
        """The return that another decision is due for."""
        last = self.reviews[-1] if self.reviews else None
        if last is None or last["outcome"] != "upheld":
            return None
        answered = any(row["return_id"] == last["return_id"] for row in self.decisions)
        return None if answered else next(row for row in self.returns if row["id"] == last["return_id"])

    @property
    def state(self) -> State:
        """Where the case stands."""
        if self.open_return:
            return State.RETURNED
        if self.upheld_return:
            return State.REDISPATCH
        auto = self.routings[-1]["disposition"] == Disposition.AUTO
        return State.DISPATCHED if auto or self.decisions else State.ROUTED

    @property
    def unit(self) -> tuple[str, str]:
        """Code and name of the unit that has the case; before any decision, that of the first suggestion."""
        if self.decision:
            return self.decision["unit"] or "", self.decision["unit_name"]
        suggestions = self.routing.suggestions
        return (suggestions[0].unit.code, suggestions[0].unit.name) if suggestions else ("", "")

    @property
    def suggested_function(self) -> str:
        """That of the first suggestion; '' when there was none."""
        return self.routings[-1]["function"] or ""

    def conflict(self, told: str) -> DispatchError:
        """The error for what does not fit where the case stands."""
        message = f"工单 {self.case_id} {told}。"
        return DispatchError(ErrorKind.CASE_STATE, message, field="case_id", value=self.state.value)

    def view(self, maps: LabelMaps) -> CaseView:
        """The case as it goes on the wire."""
        holds = self.decision if self.state is not State.REDISPATCH else None
        return CaseView(
            case_id=self.case_id,
            state=self.state,
            received_at=self.received_at,
            stored_at=moments.read(self.routings[0]["came_at"]),
            routing=self.routing,
            decision=decision_entry(holds, maps) if holds else None,
            history=list(self._steps(maps)),
        )

    def _steps(self, maps: LabelMaps) -> Iterator[Step]:
        """In order, by what refers to what: a clock may have been put back."""
        for row in self.routings:
            at = moments.read(row["stored_at"])
            yield DispatchEntry(id=row["id"], at=at, actor=SERVICE, disposition=row["disposition"])
        yield from self._returns_of(None)
        for row in self.decisions:
            yield decision_entry(row, maps)
            yield from self._returns_of(row["id"])

    def _returns_of(self, decision_id: int | None) -> Iterator[Step]:
        reviews = {row["return_id"]: row for row in self.reviews}
        for row in self.returns:
            if row["decision_id"] == decision_id:
                yield return_entry(row)
                if row["id"] in reviews:
                    yield review_entry(reviews[row["id"]])


def decision_entry(row: Row, maps: LabelMaps, *, replayed: bool = False) -> DecisionEntry:
    """A row of `decisions` as it goes on the wire."""
    names = ("function", "level", "region")
    code = row["category"]
    return DecisionEntry(
        event="redispatch" if row["return_id"] else "decision",
        action=row["action"],
        rank=row["rank"],
        unit=UnitRef(code=row["unit"] or "", name=row["unit_name"], **{name: row[name] for name in names}),
        category=CategoryRef(code=code, path=maps.path(code) if code in maps.categories else ()),
        reason_code=row["reason"],
        forced=row["forced"],
        rule_id=row["access_row"],
        access_list=row["access_list"],
        return_id=row["return_id"],
        replaces=row["replaces"],
        **_common(row, replayed),
    )


def return_entry(row: Row, *, replayed: bool = False) -> ReturnEntry:
    """A row of `returns` as it goes on the wire."""
    names = ("decision_id", "reason", "clause", "unit_name", "proposed_unit_name")
    units = {name: row[name] or "" for name in ("unit", "proposed_unit")}
    return ReturnEntry(**{name: row[name] for name in names}, **units, **_common(row, replayed))


def review_entry(row: Row, *, replayed: bool = False) -> ReviewEntry:
    """A row of `return_reviews` as it goes on the wire."""
    return ReviewEntry(return_id=row["return_id"], verdict=row["outcome"], **_common(row, replayed))


def _common(row: Row, replayed: bool) -> dict[str, Any]:
    names = ("id", "actor", "operator", "note")
    return {**{name: row[name] for name in names}, "at": moments.read(row["at"]), "replayed": replayed}
