"""The HTTP face: `POST /route`, `POST /route/batch` and what operators probe."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import Body, FastAPI, Request, Response

from dispatch_model.cases import Case, Routing
from dispatch_model.errors import DispatchError, ErrorKind
from serving.bundles.api import bundle_routes
from serving.bundles.caution import Caution
from serving.bundles.desk import BundleDesk
from serving.bundles.shadow_desk import ShadowDesk
from serving.bundles.shadow_store import ShadowStore
from serving.bundles.store import BundleStore
from serving.cases.api import case_routes
from serving.cases.desk import CaseDesk
from serving.cases.repeats import with_repeats
from serving.engine import Engine
from serving.express import Express
from serving.guard import keys
from serving.guard.guard import Guard, charge
from serving.guard.keyring import Keyring, is_public
from serving.guard.page import guarded
from serving.hooks.webhooks import Deliveries
from serving.masking import mask
from serving.monitoring.telemetry import NO_NATIVE_SIGNALS, Telemetry
from serving.open311.api import open311_routes
from serving.routing import Router
from serving.rules.api import admin_routes, rule_routes
from serving.rules.desk import RuleDesk
from serving.rules.follow import Follower, keep_following
from serving.rules.store import RuleStore
from serving.settings import Settings
from serving.store.store import Store
from serving.web import wire
from serving.web.admission import Admission
from serving.web.door import Door
from serving.web.handlers import add_handlers
from serving.web.limits import RateLimit
from serving.web.openapi import complete
from serving.web.problems import read_case

DISTRIBUTION = "hotline-dispatch"
TOGETHER = 4  # more gain nothing, and the first waits longer for the last
CASE_PROBLEMS = wire.problems(
    ErrorKind.INVALID_BODY,
    ErrorKind.INVALID_CASE,
    ErrorKind.TRANSCRIPT_EMPTY,
    ErrorKind.TRANSCRIPT_TOO_LONG,
    ErrorKind.CASE_CONFLICT,
    ErrorKind.OVERLOADED,
    ErrorKind.INTERNAL,
    ErrorKind.STORE_UNAVAILABLE,
    ErrorKind.NOT_READY,
    ErrorKind.DEADLINE_EXCEEDED,
)
BATCH_PROBLEMS = wire.problems(
    ErrorKind.INVALID_BODY,
    ErrorKind.INVALID_CASE,
    ErrorKind.BATCH_TOO_LARGE,
    ErrorKind.OVERLOADED,
    ErrorKind.STORE_UNAVAILABLE,
    ErrorKind.NOT_READY,
)
READY_PROBLEMS = wire.problems(ErrorKind.NOT_READY, ErrorKind.STORE_UNAVAILABLE)

logger = logging.getLogger(__name__)


def create_app(settings: Settings, router: Router) -> FastAPI:
    """The application around an open `router`; the store opens when the application starts."""
    telemetry = Telemetry(settings)
    admission = Admission(queue_limit=settings.queue_limit, threads=settings.infer_threads)
    app = FastAPI(
        title="12345 热线智能派单",
        version=version(DISTRIBUTION),
        description=wire.DESCRIPTION,
        lifespan=_lifespan(settings, router, telemetry),
        telemetry=NO_NATIVE_SIGNALS,
    )
    app.state.admission = admission
    app.add_middleware(Express, routes=app.router.routes)
    app.add_middleware(Door, admission=admission, routes=app.router.routes)
    _add_guard(app, settings)
    add_handlers(app)
    _add_routes(app, settings)
    _add_probes(app, settings, router)
    app.include_router(case_routes())
    app.include_router(rule_routes())
    app.include_router(open311_routes(texts=settings.open311_texts))
    app.include_router(admin_routes())
    app.include_router(bundle_routes())
    telemetry.attach(app)  # last: it has to see what the other middlewares refuse
    plain = app.openapi
    app.openapi = lambda: complete(guarded(wire.problem_media_type(plain())))  # type: ignore[method-assign]
    return app


def _add_guard(app: FastAPI, settings: Settings) -> None:
    app.state.ring = Keyring(public=is_public(settings.host))
    app.state.rate = RateLimit(settings.rate_limit, settings.rate_burst)
    app.add_middleware(
        Guard,
        ring=app.state.ring,
        rate=app.state.rate,
        body_limit=settings.body_limit,
        open_metrics=settings.open_metrics,
    )


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
        charge(request, len(batch.cases))
        return _json(await _answer_batch(_engine(request), batch.cases))


def _add_probes(app: FastAPI, settings: Settings, router: Router) -> None:
    @app.get("/healthz", summary="进程是否存活")
    async def healthz() -> wire.Health:
        return wire.Health(status="ok")

    @app.get("/readyz", summary="能否受理：模型已载入，存储可用", responses=READY_PROBLEMS)
    async def readyz(request: Request) -> wire.Health:
        if request.app.state.admission.leaving:
            raise DispatchError(ErrorKind.NOT_READY, "服务正在停止，不再受理新工单；请改发其他实例。")
        await _engine(request).ping()
        return wire.Health(status="ok")

    @app.get("/version", summary="服务、模型包与规则的版本", name="version")
    async def versions(request: Request) -> wire.Version:
        engine: Engine | None = getattr(request.app.state, "engine", None)
        now = engine.router if engine else router
        return wire.Version(service=app.version, city=settings.city, versions=now.versions)


def _lifespan(
    settings: Settings, router: Router, telemetry: Telemetry
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        store = Store.of(settings)
        app.state.ring.start(partial(keys.of_store, store))
        engine = Engine(
            router,
            store,
            mask,
            threads=settings.infer_threads,
            together=TOGETHER,
            admission=app.state.admission,
            deadline=settings.deadline,
            batch_deadline=settings.batch_deadline,
            repeats=partial(with_repeats, store),
        )
        engine.caution = Caution(settings.drift_window, allowed=settings.auto_dispatch)
        bundles, desk = BundleDesk(engine, BundleStore(store), settings.bundles_dir), RuleDesk(engine, RuleStore(store))
        bundles.start(stored=settings.stored_bundle)
        desk.start(stored=settings.stored_rules)
        shadow, stop = ShadowDesk(engine, ShadowStore(store), bundles.folder, telemetry.metrics), asyncio.Event()
        followers: dict[str, Follower] = {"rules": desk, "bundle": bundles, "shadow": shadow}
        following = [asyncio.create_task(keep_following(one, stop, what=what)) for what, one in followers.items()]
        deliveries = Deliveries.of(store, settings)
        deliveries.start()
        app.state.engine, app.state.desk, app.state.store = engine, desk, store
        app.state.bundles, app.state.shadow = bundles, shadow
        app.state.cases = CaseDesk(engine, store, telemetry.metrics)
        telemetry.start(engine)
        now = engine.router.versions
        logger.info("ready: city %s, bundle %s, database %s", settings.city, now.bundle, store.name)
        yield
        del app.state.engine, app.state.desk, app.state.cases, app.state.bundles, app.state.shadow
        stop.set()
        await asyncio.gather(*following)
        engine.close()
        shadow.close()
        deliveries.close()
        telemetry.close()
        app.state.ring.close()
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
