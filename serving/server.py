"""Start the service: check everything that could stop it, then hand over to uvicorn."""

import logging
import os
from typing import Any

import uvicorn
from fastapi import FastAPI

from serving.app import create_app
from serving.routing import open_router
from serving.settings import Settings, variable, warn_unknown_variables
from serving.store import Store

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
# Answers carry their timings; a line per request in the log would cost more than it tells.
_UVICORN: dict[str, Any] = {"log_config": None, "access_log": False}


def build() -> FastAPI:
    """The application of one worker process; its settings come from the environment."""
    settings = Settings.load()
    logging.basicConfig(level=settings.log_level.upper(), format=LOG_FORMAT)
    return create_app(settings, open_router(settings.bundle, settings.city))


def serve(settings: Settings) -> None:
    """Serve until stopped.

    :raises DispatchError: when rules, bundle or database are not in order; nothing listens then.
    """
    logging.basicConfig(level=settings.log_level.upper(), format=LOG_FORMAT)
    warn_unknown_variables()
    Store.open(settings.database, timeout=settings.store_timeout).close()
    router = open_router(settings.bundle, settings.city)
    if settings.workers == 1:
        uvicorn.run(create_app(settings, router), host=settings.host, port=settings.port, **_UVICORN)
        return
    # Worker processes start afresh: the environment is what they inherit.
    os.environ.update({variable(key): "" if value is None else str(value) for key, value in settings})
    uvicorn.run(
        "serving.server:build",
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        **_UVICORN,
    )
