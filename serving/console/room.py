"""What the console's pages work with: the running service behind it, and who sits before it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar

from fastapi import FastAPI
from nicegui import ui

from dispatch_model.errors import DispatchError, ErrorKind
from serving.bundles.desk import BundleDesk
from serving.bundles.shadow_desk import ShadowDesk
from serving.cases.claims import Claims
from serving.cases.desk import CaseDesk
from serving.console.board import Board
from serving.console.ledger import Ledger
from serving.console.verification import Verifier
from serving.engine import Engine
from serving.guard.guard import Actor
from serving.guard.operators import Operator
from serving.guard.sessions import Sessions
from serving.rules.desk import RuleDesk
from serving.settings import Settings
from serving.store.store import Store

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Room:
    """The service as the pages see it. Members are those of `app.state`, which live as long as the application runs.

    :param app: a started application.
    """

    app: FastAPI
    settings: Settings
    sessions: Sessions
    claims: Claims
    board: Board
    ledger: Ledger
    verifier: Verifier

    @classmethod
    def of(cls, app: FastAPI, settings: Settings) -> "Room":
        """The room of a started application."""
        store: Store = app.state.store
        claims = Claims(store)
        board = Board(store, claims, app.state.engine.router.maps)
        return cls(app, settings, Sessions(store), claims, board, Ledger(store), Verifier(store))

    @property
    def engine(self) -> Engine:
        """Model and rules in force."""
        engine: Engine = self.app.state.engine
        return engine

    @property
    def store(self) -> Store:
        """Cases and all that happened to them."""
        store: Store = self.app.state.store
        return store

    @property
    def cases(self) -> CaseDesk:
        """Decides, returns, steps."""
        cases: CaseDesk = self.app.state.cases
        return cases

    @property
    def rules(self) -> RuleDesk:
        """Access list, catalogue, triggers."""
        desk: RuleDesk = self.app.state.desk
        return desk

    @property
    def bundles(self) -> BundleDesk:
        """Model bundles."""
        bundles: BundleDesk = self.app.state.bundles
        return bundles

    @property
    def shadow(self) -> ShadowDesk:
        """The bundle that answers beside the one in force."""
        shadow: ShadowDesk = self.app.state.shadow
        return shadow


@dataclass(frozen=True)
class Seat:
    """An operator before a page that is open.

    :param token: of the session; it may end while the page is open.
    :param theme: "dark" or "light" as chosen; else as the system has it.
    """

    room: Room
    operator: Operator
    token: str
    theme: str = ""

    @classmethod
    async def of(cls, room: Room, token: str | None, *, theme: str = "") -> "Seat | None":
        """The seat of who shows `token`; None when nobody is signed in with it."""
        operator = await asyncio.to_thread(room.sessions.operator_of, token)
        return cls(room, operator, token, theme) if operator and token else None

    @property
    def actor(self) -> Actor:
        """Under whose name steps are written."""
        return self.operator.actor

    async def read(self, ask: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`ask(...)` in a thread, if the session still holds; that does not count as being there.

        What reads the store must not stop the pages of others, and a page may ask without its operator.

        :raises DispatchError: UNAUTHORIZED when the session has ended, and what `ask` raises.
        """
        return await asyncio.to_thread(self._checked, False, partial(ask, *args, **kwargs))

    async def act(self, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`step(...)`, which the operator wants, in a thread, if the session still holds.

        :raises DispatchError: UNAUTHORIZED when the session has ended, and what `step` raises.
        """
        return await asyncio.to_thread(self._checked, True, partial(step, *args, **kwargs))

    async def give_back(self, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`step(...)` in a thread, whether or not the session still holds: it lets go of what the operator had.

        :raises DispatchError: what `step` raises.
        """
        return await asyncio.to_thread(step, *args, **kwargs)

    def _checked(self, seen: bool, step: Callable[[], T]) -> T:
        operator = self.room.sessions.operator_of(self.token, seen=seen)
        if operator is None or operator.role != self.operator.role:
            told = "登录已失效或权限已变；请重新登录，刚才的操作没有执行。"
            raise DispatchError(ErrorKind.UNAUTHORIZED, told, field="session")
        return step()


def tell(error: DispatchError) -> None:
    """Show what went wrong until it is dismissed; it names what to do."""
    ui.notify(str(error), type="negative", multi_line=True, close_button="知道了", timeout=0, position="top")
