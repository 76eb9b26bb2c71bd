"""Which cases an Open311 request means, and the one query that fetches them with what was decided since."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Protocol

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field
from sqlalchemy import ColumnElement, DateTime, ScalarSelect, Select, Table, and_, func, literal, or_, select

from dispatch_model.cases import CHINA_TIME, YEARS, Disposition
from dispatch_model.errors import DispatchError, ErrorKind
from serving.cases.casefile import AFTER
from serving.cases.undone import is_merged, stands
from serving.cases_wire import State
from serving.open311.view import Dossier
from serving.store import moments
from serving.store.schema import cases, decisions, desk_steps, return_reviews, returns, routings

SPAN = timedelta(days=90)
PAGE_SIZE = 1000
_MOST_IDS = 1000
_UNESCAPED_PLUS = re.compile(r"(T\S+) (\d\d:?\d\d)$")


def _or(default: int) -> BeforeValidator:
    """An empty parameter is one that was not given, says the standard."""
    return BeforeValidator(lambda value: default if isinstance(value, str) and not value.strip() else value)


def _listed(value: Any) -> Any:
    """`a,b` or several parameters of one name, or both."""
    given = [value] if isinstance(value, str) else value or []
    return [part.strip() for text in given for part in text.split(",") if part.strip()]


def _moment(value: Any) -> Any:
    """A `+` that was not escaped in the query string has become a blank."""
    return _UNESCAPED_PLUS.sub(r"\1+\2", value.strip()) if isinstance(value, str) and value.strip() else None


def _zoned(value: datetime | None) -> datetime | None:
    if value is None:
        return None
    if value.year not in YEARS:
        raise ValueError(f"年份应在 {YEARS.start} 到 {YEARS.stop - 1} 之间")
    return value.replace(tzinfo=CHINA_TIME) if value.tzinfo is None else value.astimezone(CHINA_TIME)


Listed = Annotated[list[str], BeforeValidator(_listed, json_schema_input_type=str)]
Moment = Annotated[datetime | None, BeforeValidator(_moment), AfterValidator(_zoned)]


class RequestQuery(BaseModel):
    """`GET /open311/v2/requests.json`; parameters it does not know are passed over, as tools add their own."""

    service_request_id: Listed = Field(default=[], max_length=_MOST_IDS, description="工单号，逗号分隔；给出时不看其余")
    service_code: Listed = Field(default=[], max_length=_MOST_IDS, description="类别代码，逗号分隔；上级代码含其下各类")
    start_date: Moment = Field(default=None, description="受理时间从，如 2025-05-03T00:00:00+08:00（+ 写作 %2B）")
    end_date: Moment = Field(default=None, description="受理时间到；起止至多相隔 90 天，缺省为最近 90 天")
    status: Listed = Field(default=[], description="open、closed，逗号分隔")
    page_size: Annotated[int, Field(ge=1, le=PAGE_SIZE, description="每页件数"), _or(PAGE_SIZE)] = PAGE_SIZE
    page: Annotated[int, Field(ge=1, le=1_000_000, description="第几页"), _or(1)] = 1

    @classmethod
    def of(cls, case_id: str) -> "RequestQuery":
        """That of one case, whose number may hold a comma."""
        return cls.model_construct(service_request_id=[case_id])

    def span(self, now: datetime) -> tuple[datetime, datetime]:
        """From when to when; what is not given is 90 days from what is, or from now.

        :raises DispatchError: INVALID_PARAMETER for an end before the start, or a longer span.
        """
        if self.start_date is None:
            end = self.end_date or now
            return end - SPAN, end
        end = self.end_date or self.start_date + SPAN
        if not self.start_date <= end <= self.start_date + SPAN:
            told = f"start_date 与 end_date 应先后有序，至多相隔 {SPAN.days} 天；请分段查询。"
            raise DispatchError(ErrorKind.INVALID_PARAMETER, told, field="end_date", value=str(self.end_date))
        return self.start_date, end


class Reading(Protocol):
    """The part of a connection that is used here."""

    def rows(self, statement: Select[Any]) -> list[dict[str, Any]]:
        """The rows of a statement, by column."""


def find(connection: Reading, query: RequestQuery, now: datetime | None = None) -> list[Dossier]:
    """The cases that `query` means, newest first.

    :param now: the end of the span when the query has none.
    """
    wanted = {"open", "closed"}.intersection(query.status) if query.status else {"open", "closed"}
    if not wanted:
        return []
    where = _named(query.service_request_id) if query.service_request_id else _within(query, now or datetime.now(UTC))
    if len(wanted) == 1:
        where.append(_CLOSED if "closed" in wanted else ~_CLOSED)
    statement = _DOSSIERS.where(*where).limit(query.page_size).offset((query.page - 1) * query.page_size)
    return [_dossier(row) for row in connection.rows(statement)]


def _named(case_ids: Sequence[str]) -> list[ColumnElement[bool]]:
    return [cases.c.case_id.in_(case_ids)]


def _within(query: RequestQuery, now: datetime) -> list[ColumnElement[bool]]:
    start, end = (moment.astimezone(CHINA_TIME) for moment in query.span(now))
    # Text in China time against text in China time, text in UTC against text in UTC: each in the order of time.
    told = cases.c.received_at.between(start.isoformat(), end.isoformat())
    first, last = (literal(moments.stored(moment), DateTime()) for moment in (start, end))
    unsaid = and_(cases.c.received_at.is_(None), cases.c.stored_at.between(first, last))
    where: list[ColumnElement[bool]] = [or_(told, unsaid)]
    if query.service_code:
        where.append(or_(*(_CATEGORY.startswith(code, autoescape=True) for code in query.service_code)))
    return where


_routing, _decision, _return = routings.alias("routing"), decisions.alias("decision"), returns.alias("returned")
_CATEGORY = func.coalesce(_decision.c.category, _routing.c.category)
_step = desk_steps.alias("step")
_CLOSED = is_merged(cases)


def _latest(table: Table, *which: ColumnElement[bool]) -> ScalarSelect[Any]:
    return select(func.max(table.c.id)).where(table.c.case_id == cases.c.case_id, *which).scalar_subquery()


_STEPPED_AT = select(func.max(desk_steps.c.at)).where(desk_steps.c.case_id == cases.c.case_id).scalar_subquery()

_DOSSIERS = (
    select(
        cases.c.case_id,
        cases.c.city,
        cases.c.address,
        cases.c.received_at,
        cases.c.stored_at,
        _routing.c.answer,
        _routing.c.disposition,
        _routing.c.stored_at.label("routed_at"),
        _decision.c.unit_name,
        _decision.c.category,
        _decision.c.return_id.label("answers"),
        _decision.c.at.label("decided_at"),
        _return.c.id.label("return_id"),
        _return.c.at.label("returned_at"),
        return_reviews.c.outcome,
        return_reviews.c.at.label("reviewed_at"),
        _step.c.action.label("step"),
        _step.c.return_id.label("stepped_after"),
        _step.c.merged_into,
        _STEPPED_AT.label("stepped_at"),
    )
    .select_from(cases)
    .join(_routing, _routing.c.id == _latest(routings))
    .outerjoin(_decision, _decision.c.id == _latest(decisions, stands(decisions)))
    .outerjoin(_return, _return.c.id == _latest(returns))
    .outerjoin(return_reviews, return_reviews.c.return_id == _return.c.id)
    .outerjoin(_step, _step.c.id == _latest(desk_steps, desk_steps.c.action != "undo", stands(desk_steps)))
    .order_by(cases.c.stored_at.desc(), cases.c.case_id)
)


def _dossier(row: dict[str, Any]) -> Dossier:
    steps = (row["routed_at"], row["decided_at"], row["returned_at"], row["reviewed_at"], row["stepped_at"])
    return Dossier(
        case_id=row["case_id"],
        city=row["city"],
        address=row["address"],
        received_at=row["received_at"],
        stored_at=moments.read(row["stored_at"]),
        updated_at=moments.read(max(step for step in steps if step)),
        answer=row["answer"],
        state=_state(row),
        unit=row["unit_name"],
        category=row["category"],
        merged_into=row["merged_into"],
    )


def _state(row: dict[str, Any]) -> State:
    """As `serving.cases.casefile` has it; a case has one open return at most, its last."""
    objected = row["return_id"] is not None and row["answers"] != row["return_id"]
    if objected and row["outcome"] is None:
        return State.RETURNED
    upheld = objected and row["outcome"] == "upheld"
    if not upheld and (row["unit_name"] or row["disposition"] == Disposition.AUTO):
        return State.DISPATCHED
    if row["step"] and row["stepped_after"] == (row["return_id"] if upheld else None):
        return AFTER[row["step"]]
    return State.REDISPATCH if upheld else State.ROUTED
