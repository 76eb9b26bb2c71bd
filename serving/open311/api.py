"""A read-only Open311 GeoReport v2 face: `/open311/v2/services.json` and `/open311/v2/requests.json`.

Civic tools read cases here without knowing ours; see `serving.open311.view` for what becomes what. Errors inside have
the standard's own form, a list of code and description; what is refused before (no key, too many requests) is
problem+json as everywhere.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field

from dispatch_model.errors import DispatchError, ErrorKind, near
from serving.open311.query import RequestQuery, find
from serving.open311.view import Service, ServiceRequest, service_request, services
from serving.routing import Router
from serving.store.store import Store
from serving.web.exchange import note_error
from serving.web.problems import STATUS, invalid_parameter

PREFIX = "/open311/v2"
JSON = "application/json; charset=utf-8"
# The standard knows no 422.
_STATUS = {ErrorKind.INVALID_PARAMETER: 400}
_RETRY_AFTER = {503: {"Retry-After": "1"}}


class Open311Error(BaseModel):
    """Open311 的错误应答是这样的对象的数组."""

    code: int = Field(description="HTTP 状态")
    description: str = Field(description="哪里不对、应当怎样")


class _Route(APIRoute):
    """Tells errors as the standard does."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        """FastAPI's own, but for the error."""
        handle = super().get_route_handler()

        async def told(request: Request) -> Response:
            try:
                return await handle(request)
            except RequestValidationError as error:
                return _failed(invalid_parameter(error.errors()))
            except DispatchError as error:
                return _failed(error)

        return told


def open311_routes(*, texts: bool) -> APIRouter:
    """The endpoints.

    :param texts: whether masked transcripts and addresses are shown.
    """
    router = APIRouter(prefix=PREFIX, tags=["Open311"], route_class=_Route, default_response_class=_Json)
    _add_services(router)
    _add_requests(router, texts=texts)
    return router


def _add_services(router: APIRouter) -> None:
    @router.get("/services.json", summary="Open311：末级诉求类别", response_model=list[Service], responses=_errors(503))
    def list_services(request: Request) -> list[Service]:
        return services(_router(request).maps)

    @router.get("/services/{service_code}.json", summary="Open311：一个类别的附加表单", responses=_errors(404, 503))
    def definition(request: Request, service_code: str) -> dict[str, Any]:
        maps = _router(request).maps
        if service_code not in maps.leaves:
            told = f"没有末级类别 {service_code}；{near(service_code, maps.leaves) or '代码见 services.json'}。"
            raise DispatchError(ErrorKind.NOT_FOUND, told, field="service_code", value=service_code)
        return {"service_code": service_code, "attributes": []}


def _add_requests(router: APIRouter, *, texts: bool) -> None:
    reading = _errors(400, 503)

    @router.get("/requests.json", summary="Open311：工单", response_model=list[ServiceRequest], responses=reading)
    def list_requests(request: Request, query: Annotated[RequestQuery, Query()]) -> list[ServiceRequest]:
        return _requests(request, query, texts=texts)

    @router.get(
        "/requests/{service_request_id:path}.json",
        summary="Open311：一件工单",
        response_model=list[ServiceRequest],
        responses=_errors(404, 503),
    )
    def one_request(request: Request, service_request_id: str) -> list[ServiceRequest]:
        found = _requests(request, RequestQuery.of(service_request_id), texts=texts)
        if not found:
            told = f"没有工单 {service_request_id}；请核对工单号。"
            raise DispatchError(ErrorKind.NOT_FOUND, told, field="service_request_id", value=service_request_id)
        return found


class _Json(JSONResponse):
    """The standard wants the encoding named."""

    media_type = JSON


def _requests(request: Request, query: RequestQuery, *, texts: bool) -> list[ServiceRequest]:
    maps = _router(request).maps
    store: Store = request.app.state.store
    with store.reading() as connection:
        found = find(connection, query)
    return [service_request(dossier, maps, texts=texts) for dossier in found]


def _router(request: Request) -> Router:
    engine = getattr(request.app.state, "engine", None)
    if engine is None:
        raise DispatchError(ErrorKind.NOT_READY, "服务正在启动或停止；请稍后重试。")
    router: Router = engine.router
    return router


def _failed(error: DispatchError) -> Response:
    note_error(error.kind)
    status = _STATUS.get(error.kind, STATUS[error.kind])
    body = [{"code": status, "description": sentence} for sentence in (error.message, *error.details)]
    return _Json(body, status, _RETRY_AFTER.get(status))


def _errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    told = {400: "查询参数有误", 404: "没有找到", 503: "存储不可用，或服务未就绪"}
    return {status: {"model": list[Open311Error], "description": told[status]} for status in statuses}
