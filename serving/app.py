"""The HTTP face: `POST /route`, `POST /route/batch` and what operators probe."""

import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import Body, FastAPI, Request, Response

from dispatch_model.cases import Case, Routing
from dispatch_model.errors import DispatchError, ErrorKind
from serving import wire
from serving.engine import Engine
from serving.handlers import add_handlers
from serving.masking import mask
from serving.problems import read_case
from serving.routing import Router
from serving.settings import Settings
from serving.store import Store

DISTRIBUTION = "hotline-dispatch"
CASE_PROBLEMS = wire.problems(
    ErrorKind.INVALID_BODY,
    ErrorKind.INVALID_CASE,
    ErrorKind.TRANSCRIPT_EMPTY,
    ErrorKind.TRANSCRIPT_TOO_LONG,
    ErrorKind.CASE_CONFLICT,
    ErrorKind.INTERNAL,
    ErrorKind.STORE_UNAVAILABLE,
)
BATCH_PROBLEMS = wire.problems(
    ErrorKind.INVALID_BODY, ErrorKind.INVALID_CASE, ErrorKind.BATCH_TOO_LARGE, ErrorKind.STORE_UNAVAILABLE
)
READY_PROBLEMS = wire.problems(ErrorKind.NOT_READY, ErrorKind.STORE_UNAVAILABLE)

logger = logging.getLogger(__name__)


def create_app(settings: Settings, router: Router) -> FastAPI:
    """The application around an open `router`; the store opens when the application starts."""
    app = FastAPI(
        title="12345 热线智能派单",
        version=version(DISTRIBUTION),
        description=wire.DESCRIPTION,
        lifespan=_lifespan(settings, router),
    )
    add_handlers(app)
    _add_routes(app, settings)
    _add_probes(app, settings, router)
    plain = app.openapi
    app.openapi = lambda: wire.problem_media_type(plain())  # type: ignore[method-assign]
    return app


def _add_routes(app: FastAPI, settings: Settings) -> None:
    @app.post("/route", summary="一件工单的派单建议", response_model=Routing, responses=CASE_PROBLEMS)
    async def route(
        request: Request,
        case: Annotated[Case, Body(openapi_examples=wire.examples(一段文字=wire.EXAMPLE, 对话=wire.DIALOGUE))],
    ) -> Response:
        return _json(await _engine(request).answer(case))

    @app.post("/route/batch", summary="一批工单的派单建议", response_model=wire.BatchReply, responses=BATCH_PROBLEMS)
    async def route_batch(
        request: Request,
        batch: Annotated[
            wire.Batch, Body(openapi_examples=wire.examples(两件={"cases": [wire.EXAMPLE, wire.DIALOGUE]}))
        ],
    ) -> Response:
        if len(batch.cases) > settings.batch_limit:
            raise DispatchError(
                ErrorKind.BATCH_TOO_LARGE,
                f"cases 有 {len(batch.cases)} 件，至多 {settings.batch_limit} 件；请分批提交。",
                field="cases",
                value=len(batch.cases),
            )
        return _json(await _answer_batch(_engine(request), batch.cases))


def _add_probes(app: FastAPI, settings: Settings, router: Router) -> None:
    @app.get("/healthz", summary="进程是否存活")
    async def healthz() -> wire.Health:
        return wire.Health(status="ok")

    @app.get("/readyz", summary="能否受理：模型已载入，存储可用", responses=READY_PROBLEMS)
    async def readyz(request: Request) -> wire.Health:
        await _engine(request).ping()
        return wire.Health(status="ok")

    @app.get("/version", summary="服务、模型包与规则的版本", name="version")
    async def versions() -> wire.Version:
        return wire.Version(service=app.version, city=settings.city, versions=router.versions)


def _lifespan(settings: Settings, router: Router) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        store = Store.open(settings.database, timeout=settings.store_timeout)
        engine = Engine(router, store, mask, threads=settings.infer_threads)
        app.state.engine = engine
        logger.info("ready: city %s, bundle %s, database %s", settings.city, router.versions.bundle, settings.database)
        yield
        del app.state.engine
        engine.close()
        store.close()

    return lifespan


async def _answer_batch(engine: Engine, bodies: list[Any]) -> str:
    """One reply or `{"case_id", "error"}` per body, in order."""
    outcomes = [_case(body, f"cases.{index}.") for index, body in enumerate(bodies)]
    replies = iter(await engine.answer_each([outcome for outcome in outcomes if isinstance(outcome, Case)]))
    parts = []
    for body, outcome in zip(bodies, outcomes, strict=True):
        reply = next(replies) if isinstance(outcome, Case) else outcome
        parts.append(reply if isinstance(reply, str) else _failed(body, reply))
    return f'{{"routings":[{",".join(parts)}]}}'


def _case(body: Any, prefix: str) -> Case | DispatchError:
    try:
        return read_case(body, prefix)
    except DispatchError as error:
        return error


def _failed(body: Any, error: DispatchError) -> str:
    case_id = body.get("case_id") if isinstance(body, dict) else None
    known = case_id if isinstance(case_id, str) else None
    return json.dumps({"case_id": known, "error": error.as_dict()}, ensure_ascii=False)


def _engine(request: Request) -> Engine:
    engine: Engine | None = getattr(request.app.state, "engine", None)
    if engine is None:
        raise DispatchError(ErrorKind.NOT_READY, "服务正在启动或停止；请稍后重试。")
    return engine


def _json(text: str) -> Response:
    # A case_id that was refused may hold half an emoji, which has no UTF-8 form.
    return Response(text.encode("utf-8", "replace"), media_type="application/json")
