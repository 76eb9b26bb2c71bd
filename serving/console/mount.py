"""Puts the console into an application: login, static files, pages, and the room they work in."""

import os
from asyncio import to_thread
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response
from nicegui import app as console
from nicegui import ui
from starlette.staticfiles import StaticFiles

from serving.console.frame import MOUNT, PRODUCT, told
from serving.console.gate import Gate
from serving.console.login import login_routes
from serving.console.origin import Origin
from serving.console.pages import add_pages
from serving.console.room import Room
from serving.settings import Settings

_STATIC = Path(__file__).parent / "static"


class _Static(StaticFiles):
    """Files that browsers keep, and ask about each time: after an update the old look does not meet the new page."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """A file, or 304."""
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


async def _missing(_request: Request, _error: Exception) -> Response:
    """In place of NiceGUI's page, which is English."""
    return told("没有这个页面：请核对网址，或从工作台进入。", 404)


def mount(app: FastAPI, settings: Settings) -> None:
    """Serve the console of `app` below /console; once a process, as NiceGUI keeps its pages in one place.

    :param app: from `serving.app.create_app`, not yet started.
    """
    os.environ.setdefault("PYPINYIN_NO_PHRASES", "true")  # 45 MB that nobody asks: characters are read one by one
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(started: FastAPI) -> AsyncIterator[None]:
        async with inner(started):
            console.state.room = room = Room.of(started, settings)
            started.state.sessions = room.sessions
            await to_thread(room.board.refresh)  # the first page need not wait for it
            yield
            del console.state.room

    app.router.lifespan_context = lifespan
    app.include_router(login_routes())
    app.mount(f"{MOUNT}/static", _Static(directory=_STATIC))
    app.add_api_route(MOUNT, lambda: RedirectResponse(f"{MOUNT}/"), include_in_schema=False)
    app.add_middleware(Gate)
    app.add_middleware(Origin)  # around the gate: its headers are for every answer
    add_pages()
    console.add_exception_handler(404, _missing)
    ui.run_with(
        app,
        mount_path=MOUNT,
        title=PRODUCT,
        language="zh-CN",
        dark=None,
        tailwind=False,
        reconnect_timeout=30.0,
        binding_refresh_interval=None,
        show_welcome_message=False,
    )
