"""Cases over HTTP after they were routed: `/cases/{case_id}` and what is decided on them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from dispatch_model.errors import DispatchError, ErrorKind
from serving.cases.desk import CaseDesk
from serving.cases_wire import (
    Accept,
    Ask,
    CaseView,
    Consult,
    DecisionEntry,
    Merge,
    Override,
    Return,
    ReturnEntry,
    Review,
    ReviewEntry,
    StepEntry,
    Undo,
)
from serving.guard.guard import Actor, acting
from serving.masking import quote
from serving.web import wire
from serving.web.problems import describe, invalid_body

_READ_PROBLEMS = (ErrorKind.NOT_FOUND, ErrorKind.STORE_UNAVAILABLE, ErrorKind.NOT_READY)
_WRITE_PROBLEMS = (*_READ_PROBLEMS, ErrorKind.INVALID_BODY, ErrorKind.INVALID_DECISION, ErrorKind.CASE_STATE)
_DECIDE_PROBLEMS = (*_WRITE_PROBLEMS, ErrorKind.NOT_ADMITTED, ErrorKind.FORBIDDEN)
_MOST_DETAILS = 20
_ACCEPT = {"action": "accept", "rank": 1, "operator": "A017"}
_OVERRIDE = {
    "action": "override",
    "unit": "海口市龙华区金贸街道办事处",
    "category": "030703",
    "level": "镇街",
    "reason_code": "层级不符",
    "note": "街道已有执法队，可就近处置。",
    "operator": "A017",
}
_RETURN = {
    "reason": "职能不符",
    "clause": "《示例办法》第十二条",
    "proposed_unit": "海口市公安局交通警察支队",
    "note": "属机动车乱停放，不在本局职责内。",
    "operator": "B203",
}
_CONSULT = {
    "action": "consult",
    "units": ["海口市公安局交通警察支队"],
    "supervisor": True,
    "note": "路口归谁管，请明确。",
    "operator": "A017",
}
_ASK = {"action": "ask", "question": "请来电人说明是哪个路口。", "operator": "A017"}
_MERGE = {"action": "merge", "into": "HK20250503-000101", "note": "同一件事。", "operator": "A017"}
_UNDO = {"action": "undo", "event": "consult", "id": 7, "operator": "A017"}
_STEPS = wire.examples(会商=_CONSULT, 待补充=_ASK, 并案=_MERGE, 撤销=_UNDO)
_BRANCHES = frozenset({"body", "accept", "override", "consult", "ask", "merge", "undo"})
_REVIEW = {"verdict": "upheld", "note": "情况属实，改派交警。", "operator": "S001"}


class _Route(APIRoute):
    """A wrong body here is a wrong decision, not a wrong case."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        """FastAPI's own, but for the error."""
        handle = super().get_route_handler()

        async def told(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                raise invalid_body(error.errors()) or invalid_decision(error.errors()) from None

        return told


def case_routes() -> APIRouter:
    """The endpoints; a case_id may contain slashes, so that it takes all of the path up to the last words."""
    router = APIRouter(prefix="/cases/{case_id:path}", tags=["工单"], route_class=_Route)

    @router.post(
        "/decision", summary="决定：采纳建议或改派；退单成立后即重派", responses=wire.problems(*_DECIDE_PROBLEMS)
    )
    def decide(
        request: Request,
        case_id: str,
        decision: Annotated[
            Accept | Override,
            Body(discriminator="action", openapi_examples=wire.examples(采纳=_ACCEPT, 改派=_OVERRIDE)),
        ],
        actor: Annotated[Actor, Depends(acting)],
    ) -> DecisionEntry:
        return _desk(request).decide(case_id, decision, actor)

    @router.post(
        "/step",
        summary="会商、待补充、并案、撤销",
        responses=wire.problems(*_WRITE_PROBLEMS, ErrorKind.FORBIDDEN),
    )
    def step(
        request: Request,
        case_id: str,
        step: Annotated[Consult | Ask | Merge | Undo, Body(discriminator="action", openapi_examples=_STEPS)],
        actor: Annotated[Actor, Depends(acting)],
    ) -> StepEntry:
        return _desk(request).step(case_id, step, actor)

    @router.post("/return", summary="退单：承办单位提出异议", responses=wire.problems(*_WRITE_PROBLEMS))
    def send_back(
        request: Request,
        case_id: str,
        objection: Annotated[Return, Body(openapi_examples=wire.examples(职能不符=_RETURN))],
        actor: Annotated[Actor, Depends(acting)],
    ) -> ReturnEntry:
        return _desk(request).send_back(case_id, objection, actor)

    @router.post("/return/review", summary="退单审核：成立或驳回", responses=wire.problems(*_WRITE_PROBLEMS))
    def review(
        request: Request,
        case_id: str,
        review: Annotated[Review, Body(openapi_examples=wire.examples(成立=_REVIEW))],
        actor: Annotated[Actor, Depends(acting)],
    ) -> ReviewEntry:
        return _desk(request).review(case_id, review, actor)

    # Last: its path takes every other.
    @router.get("", summary="已存的派单结果、现状与历程", responses=wire.problems(*_READ_PROBLEMS))
    def show(request: Request, case_id: str, _: Annotated[Actor, Depends(acting)]) -> CaseView:
        return _desk(request).view(case_id)

    return router


def invalid_decision(items: Sequence[Any]) -> DispatchError:
    """All that is wrong with the body of a decision, return or review, as pydantic found it."""
    sentences = [f"{_field(item)} {describe(item)}" for item in items[: _MOST_DETAILS + 1]]
    first = items[0]
    return DispatchError(
        ErrorKind.INVALID_DECISION,
        f"决定或退单有误：{sentences[0]}。",
        field=_field(first),
        value=None if first["type"] == "missing" else quote(first["input"]),
        details=sentences[1:],
    )


def _field(item: Any) -> str:
    """The dotted name of a field, without the branch of the union that pydantic names."""
    parts = [str(part) for part in item["loc"] if part not in _BRANCHES]
    return ".".join(parts) or "请求体"


def _desk(request: Request) -> CaseDesk:
    desk: CaseDesk | None = getattr(request.app.state, "cases", None)
    if desk is None:
        raise DispatchError(ErrorKind.NOT_READY, "服务正在启动或停止；请稍后重试。")
    return desk
