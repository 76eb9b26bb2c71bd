from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from dispatch_model.cases import Case
from serving.app import create_app
from serving.bundles.shadow_store import ShadowStore
from serving.console.quality_html import shown_of
from serving.console.room import Room
from serving.settings import Settings
from serving.store.record import Content, Record
from tests.canned import CannedRouter
from tests.test_console_ledger import decide, undo
from tests.test_console_returned import send_back
from tests.test_shadow_store import row

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def room(tmp_path: Path, ruled: CannedRouter) -> Iterator[Room]:
    """A running application with eight cases."""
    settings = Settings(data_dir=tmp_path)
    app: FastAPI = create_app(settings, ruled)
    with TestClient(app):
        room = Room.of(app, settings)
        cases = [Case(case_id=str(number), transcript="路灯不亮") for number in range(8)]
        contents = (Content.of(case, str, room.store.seal) for case in cases)
        room.store.save([Record.of(*both) for both in zip(contents, ruled.route(cases), strict=True)])
        yield room


def html(room: Room) -> str:
    """The figures of a week."""
    return shown_of(room, 7).html


def test_nothing_decided_is_said_in_words(room: Room) -> None:
    told = html(room)
    assert told.count("此期间还没有决定") == 2
    assert "此期间没有退单" in told
    assert "没有模型包在影子中答复" in told
    assert "<svg" not in told


def test_all_figures_are_shown(room: Room) -> None:
    override: dict[str, Any] = {"action": "override", "rank": None, "function": "公安"}
    for number in range(5):
        decide(room.store, str(number))
    decide(room.store, "5", **override)
    undo(room.store, "6", decide(room.store, "6", **override))
    send_back(room.store, "0", "upheld")
    ShadowStore(room.store).save([row("5", function="公安"), row("1")])
    told = html(room)
    assert '<dd data-test="top-1">83.3%</dd>' in told
    assert "城管 → 公安：1 件" in told
    assert "退单 1 件：成立 1，驳回 0，待审核 0。" in told
    assert "bundle-1</bdi>，6 件" in told
    assert "派往影子所建议的 <strong>1</strong> 件（100.0%）" in told


def test_what_was_typed_is_shown_and_not_run(room: Room) -> None:
    decide(room.store, "0", operator=SCRIPT, function=SCRIPT, action="override", rank=None)
    told = html(room)
    assert SCRIPT not in told
    assert told.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 3
