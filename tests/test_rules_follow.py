import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from time import perf_counter

import pytest

from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.rules import RuleKind
from serving.engine import Engine
from serving.routing import Router
from serving.rules.desk import RuleDesk
from serving.rules.follow import FOLLOW_SECONDS, keep_following
from serving.rules.store import RuleStore
from serving.store.store import Store


def follow_until(desk: RuleDesk, done: Callable[[], bool], seconds: float = 0.01) -> None:
    """Run the background task until something is done, at most five seconds."""

    async def run() -> None:
        stop = asyncio.Event()
        task = asyncio.create_task(keep_following(desk, stop, seconds))
        deadline = perf_counter() + 5
        while not done() and perf_counter() < deadline:
            await asyncio.sleep(0.01)
        stop.set()
        await task

    asyncio.run(run())


def test_rules_of_another_process_are_in_force_within_two_seconds(
    tmp_path: Path, ruled: Router, rule_files: Mapping[RuleKind, bytes]
) -> None:
    stores = [Store.open(tmp_path / "dispatch.db") for _ in range(2)]
    engines = [Engine(ruled, store, str) for store in stores]
    mine, other = (RuleDesk(engine, RuleStore(store)) for engine, store in zip(engines, stores, strict=True))
    changed = rule_files[RuleKind.CATALOGUE].replace(b"10", b"9")
    version = mine.upload(RuleKind.CATALOGUE, changed, author="admin").version
    started = perf_counter()
    follow_until(
        other,
        lambda: engines[1].router.rule_sets[RuleKind.CATALOGUE].version == version,
        FOLLOW_SECONDS,
    )
    assert perf_counter() - started < 2
    assert engines[1].router.versions.catalogue == version
    for store in stores:
        store.close()


def test_trouble_is_logged_once_until_it_is_over(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path, ruled: Router
) -> None:
    outcomes = ["坏了", "坏了", "", "坏了", "另一处坏了"]

    def follow(_: RuleDesk) -> bool:
        told = outcomes.pop(0) if outcomes else ""
        if told:
            raise DispatchError(ErrorKind.STORE_UNAVAILABLE, told)
        return False

    monkeypatch.setattr(RuleDesk, "follow", follow)
    store = Store.open(tmp_path / "dispatch.db")
    with caplog.at_level(logging.ERROR):
        follow_until(RuleDesk(Engine(ruled, store, str), RuleStore(store)), lambda: not outcomes)
    store.close()
    told = [record.getMessage() for record in caplog.records]
    assert told == [f"rules not followed: {what}" for what in ("坏了", "坏了", "另一处坏了")]


def test_to_stop_does_not_wait_for_the_next_look(tmp_path: Path, ruled: Router) -> None:
    store = Store.open(tmp_path / "dispatch.db")
    started = perf_counter()
    follow_until(RuleDesk(Engine(ruled, store, str), RuleStore(store)), lambda: True, 60)
    assert perf_counter() - started < 5
    store.close()
