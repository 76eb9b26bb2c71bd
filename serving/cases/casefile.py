"""A case as the store has it: answer, decisions, returns, reviews and steps, and where it stands by them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import BindParameter, bindparam, select

from dispatch_model.cases import CHINA_TIME, Address, Disposition, Routing, Timing
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LabelMaps
from serving.cases.entries import Row, decision_entry, dispatch_entry, return_entry, review_entry, step_entry
from serving.cases.history import in_order
from serving.cases_wire import CaseView, State, Step
from serving.store import moments
from serving.store.connection import Connection
from serving.store.schema import cases, decisions, desk_steps, return_reviews, returns, routings

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
_STEPS = select(desk_steps).where(desk_steps.c.case_id == _CASE_ID).order_by(desk_steps.c.id)
AFTER = {"consult": State.CONSULTING, "ask": State.ASKED, "merge": State.MERGED}


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
    steps: Sequence[Row] = ()

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
        queries = (_DECISIONS, _RETURNS, _REVIEWS, _STEPS)
        return cls(case_id, found, *(connection.rows(query, values) for query in queries))

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
    def undone(self) -> frozenset[tuple[str, int]]:
        """Table and number of what was taken back."""
        return frozenset((row["undoes_table"], row["undoes_id"]) for row in self.steps if row["action"] == "undo")

    @property
    def decision(self) -> Row | None:
        """The decision made last and not undone; after an upheld return it no longer holds."""
        return next(reversed(self._standing), None)

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
        answered = any(row["return_id"] == last["return_id"] for row in self._standing)
        return None if answered else next(row for row in self.returns if row["id"] == last["return_id"])

    @property
    def step(self) -> Row | None:
        """The last consultation, question or merging that was not undone, while a decision is due."""
        upheld = self.upheld_return
        if self.open_return or (self._is_dispatched and not upheld):
            return None
        due, undone = upheld["id"] if upheld else None, self.undone
        for row in reversed(self.steps):
            if row["action"] in AFTER and row["return_id"] == due and (desk_steps.name, row["id"]) not in undone:
                return row
        return None

    @property
    def merged_into(self) -> str | None:
        """The case that this one goes on as."""
        step = self.step
        return step["merged_into"] if step else None

    @property
    def state(self) -> State:
        """Where the case stands."""
        if self.open_return:
            return State.RETURNED
        if step := self.step:
            return AFTER[step["action"]]
        if self.upheld_return:
            return State.REDISPATCH
        return State.DISPATCHED if self._is_dispatched else State.ROUTED

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
        holds = None if self.upheld_return else self.decision
        return CaseView(
            case_id=self.case_id,
            state=self.state,
            merged_into=self.merged_into,
            received_at=self.received_at,
            stored_at=moments.read(self.routings[0]["came_at"]),
            routing=self.routing,
            decision=decision_entry(holds, maps) if holds else None,
            history=list(self._history(maps)),
        )

    @property
    def _standing(self) -> list[Row]:
        undone = self.undone
        return [row for row in self.decisions if (decisions.name, row["id"]) not in undone]

    @property
    def _is_dispatched(self) -> bool:
        return self.routings[-1]["disposition"] == Disposition.AUTO or bool(self._standing)

    def find(self, table: str, number: int) -> Row | None:
        """The row of `decisions` or `desk_steps` with that number."""
        rows = self.decisions if table == decisions.name else self.steps
        return next((row for row in rows if row["id"] == number), None)

    def _history(self, maps: LabelMaps) -> Iterator[Step]:
        undone = self.undone
        for row in self.routings:
            yield dispatch_entry(row)
        for table, row in in_order(self.decisions, self.returns, self.reviews, self.steps):
            gone = (table, row["id"]) in undone
            if table == decisions.name:
                yield decision_entry(row, maps, undone=gone)
            elif table == desk_steps.name:
                of = self.find(row["undoes_table"], row["undoes_id"]) if row["action"] == "undo" else None
                yield step_entry(row, of, undone=gone)
            else:
                yield return_entry(row) if table == returns.name else review_entry(row)
