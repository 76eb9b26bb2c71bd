import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import cast

import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI

from dispatch_model.errors import DispatchError, ErrorKind
from serving.cases.claims import Claims
from serving.console.board import Board
from serving.console.ledger import Ledger
from serving.console.room import Room, Seat
from serving.console.verification import Verifier
from serving.guard import operators
from serving.guard.passwords import Hash
from serving.guard.roles import Role
from serving.guard.sessions import Sessions
from serving.settings import Settings
from serving.store.seal import Seal
from serving.store.store import Store

GOOD = "three blue doors"
WEAK = Hash(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(GOOD))


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    monkeypatch.setattr("serving.guard.passwords.renewed", lambda *_: None)
    store = Store.open(tmp_path / "dispatch.db", seal=Seal.of("a key for tests, of some length"))
    store.write(partial(operators.add, login="zhang", password=WEAK, name="张三", role=Role.OPERATOR, actor="cli:t"))
    yield Room(FastAPI(), Settings(), Sessions(store), Claims(store), cast(Board, None), Ledger(store), Verifier(store))
    store.close()


def test_an_open_page_of_who_was_signed_out_shows_and_does_nothing_more_but_lets_go(room: Room) -> None:
    token = room.sessions.open("zhang", GOOD, address="::1")
    done: list[str] = []

    async def page() -> None:
        seat = await Seat.of(room, token)
        assert seat is not None
        for ask in (seat.read, seat.act, seat.give_back):
            await ask(done.append, "done")
        assert len(done) == 3
        room.sessions.close(token)
        for ask in (seat.read, seat.act):
            with pytest.raises(DispatchError) as caught:
                await ask(done.append, "done")
            assert caught.value.kind is ErrorKind.UNAUTHORIZED
        assert len(done) == 3
        await seat.give_back(done.append, "done")
        assert len(done) == 4

    asyncio.run(page())
