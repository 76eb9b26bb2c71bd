"""Start the service: check everything that could stop it, then listen, in one process or in several."""

import gc
import logging
import os
import sys
import tempfile
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from uvicorn.config import STARTUP_FAILURE

from dispatch_model.cases import Case
from dispatch_model.errors import DispatchError, ErrorKind
from serving.bundles.desk import BundleDesk
from serving.bundles.start import open_in_force
from serving.bundles.store import BundleStore
from serving.engine import Engine
from serving.guard.keyring import check_exposed
from serving.guard.keys import of_store
from serving.listening import bound, listen
from serving.masking import mask
from serving.monitoring.logs import configure
from serving.routing import Router
from serving.rules.desk import RuleDesk
from serving.rules.store import RuleStore
from serving.settings import Settings, warn_unknown_variables
from serving.store.store import Store
from serving.workers import Workers

if TYPE_CHECKING:
    from fastapi import FastAPI

_METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"

logger = logging.getLogger(__name__)


def serve(settings: Settings) -> None:
    """Serve until stopped.

    :raises DispatchError: when rules, bundle, database or port are not in order; nothing listens then.
    """
    configure(settings.log_level, settings.log_format)
    warn_unknown_variables()
    if settings.workers > 1:
        _check_platform(settings)
    # First of all, as it is quickly said; nobody can connect before somebody listens.
    with bound(settings.host, settings.port) as sock:
        router = _checked(settings)
        _warm(router)
        logger.info("listening on %s:%s with %s process(es)", settings.host, settings.port, settings.workers)
        if settings.workers == 1:
            app = _app(settings, router)
            _keep()
            listen(app, settings, sock)
            return
    _serve_together(settings, router)


def serve_console(settings: Settings) -> None:
    """Serve the console from a process of its own, beside workers that have none.

    :raises DispatchError: as `serve`.
    """
    serve(settings.model_copy(update={"console": True, "workers": 1, "port": settings.console_port}))


def _serve_together(settings: Settings, router: Router) -> None:
    if settings.console:
        logger.info("no console here: with several processes it needs one of its own, dispatch console")
    # This socket listens to nobody: it keeps the port ours while workers come and go.
    with bound(settings.host, settings.port, shared=True), tempfile.TemporaryDirectory(prefix="dispatch-") as folder:
        # Read when prometheus_client is first imported.
        os.environ[_METRICS_FOLDER] = folder
        import_module("serving.app")
        _keep()
        if not Workers(settings.workers, partial(_work, settings, router, os.getpid())).run():
            sys.exit(STARTUP_FAILURE)


def _checked(settings: Settings) -> Router:
    """The router to serve with; the store is opened, brought up to date and closed again on the way."""
    store = Store.of(settings)
    try:
        check_exposed(settings.host, of_store(store))
        router = open_in_force(settings, store)
        BundleDesk(Engine(router, store, mask), BundleStore(store)).start(stored=settings.stored_bundle)
        RuleDesk(Engine(router, store, mask), RuleStore(store)).start(stored=settings.stored_rules)
    finally:
        store.close()
    return router


def _warm(router: Router) -> None:
    """Do once what the first case would have to."""
    router.route([Case(case_id="warm-up", transcript="小区门口的路灯不亮了，请派人来修。")])


def _keep() -> None:
    """What was loaded stays: no longer searched for garbage, it is not copied for a worker, and no request waits."""
    gc.collect()
    gc.freeze()


def _work(settings: Settings, router: Router, parent: int) -> None:
    """What a worker process does."""
    sock = bound(settings.host, settings.port, shared=True)
    listen(_app(settings, router), settings, sock, parent)


def _app(settings: Settings, router: Router) -> "FastAPI":
    from serving.app import create_app

    app = create_app(settings, router)
    if settings.console and settings.workers == 1:
        from serving.console.mount import mount

        mount(app, settings)
    return app


def _check_platform(settings: Settings) -> None:
    if not sys.platform.startswith("linux"):
        told = f"workers = {settings.workers}：多进程只支持 Linux；本机请设 workers = 1，或启动多个实例各用一个端口。"
        raise DispatchError(ErrorKind.INVALID_CONFIG, told, field="workers", value=settings.workers)
