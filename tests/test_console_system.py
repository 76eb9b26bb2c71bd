from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from dispatch_model.errors import DispatchError, ErrorKind
from serving.app import create_app
from serving.console.room import Room
from serving.console.system_forms import perform
from serving.console.system_steps import Steps
from serving.console.system_view import Drift, drift, everybody, health, versions
from serving.guard import operators
from serving.guard.operators import Operator
from serving.guard.passwords import matches
from serving.guard.roles import Role
from serving.hooks import outbox
from serving.settings import Settings
from serving.store.schema import outbox as messages
from tests.canned import CannedRouter

PASSWORD = "a long enough one"
FIRST = {"step": "add", "login": "admin", "name": "陈工", "role": "admin", "password": PASSWORD}


@pytest.fixture
def room(tmp_path: Path, bundles: Path, ruled: CannedRouter) -> Iterator[Room]:
    """A running application with two bundles to load."""
    settings = Settings(data_dir=tmp_path, bundles_dir=bundles)
    app: FastAPI = create_app(settings, ruled)
    with TestClient(app):
        yield Room.of(app, settings)


def steps(room: Room, role: Role = Role.ADMIN) -> Steps:
    """Those of an invented operator of that role, who signed in as `boss`."""
    return Steps(room, Operator("boss", "王芳", role, None))  # type: ignore[arg-type]


def test_before_any_change_it_says_what_the_service_was_started_with(room: Room) -> None:
    found = versions(room)
    titles = [one.title for one in found.rows]
    assert titles == ["模型包", "准入清单", "派单目录", "触发词"]
    assert all((one.since, one.author, one.before) == (None, "", "") for one in found.rows)
    assert found.rows[0].version == "bundle-1"
    assert [one.name for one in found.available] == ["one", "two"]
    assert (found.problem, found.shadow, list(found.revisions)) == ("", None, [])


def test_a_bundle_is_tried_then_put_in_force_then_rolled_back(room: Room) -> None:
    form = {"step": "load", "bundle": "two", "note": " 试点 ", "replaces": "bundle-1"}
    told = perform(steps(room), {**form, "dry_run": "1"})
    assert "没有生效" in told
    assert versions(room).rows[0].version == "bundle-1"
    version = next(one.version for one in versions(room).available if one.name == "two")
    assert perform(steps(room), form) == f"模型包 {version} 已生效，替换 bundle-1。"
    row = versions(room).rows[0]
    assert (row.version, row.author, row.action, row.note, row.before) == (
        version,
        "console:boss",
        "载入",
        "试点",
        "bundle-1",
    )
    with pytest.raises(DispatchError) as caught:
        perform(steps(room), {**form, "bundle": "one"})
    assert caught.value.kind is ErrorKind.BUNDLE_CONFLICT, "the page showed another one in force"


def test_going_back_names_what_is_gone(room: Room) -> None:
    perform(steps(room), {"step": "load", "bundle": "two"})
    perform(steps(room), {"step": "load", "bundle": "one"})
    two = versions(room).rows[0].before
    assert perform(steps(room), {"step": "roll_back", "version": two, "note": "误派增多"}).startswith(
        f"模型包 {two} 已生效"
    )
    with pytest.raises(DispatchError) as caught:
        perform(steps(room), {"step": "roll_back", "version": "bundle-1"})
    assert caught.value.kind is ErrorKind.INVALID_BUNDLE


def test_a_shadow_is_begun_and_ended(room: Room) -> None:
    told = perform(steps(room), {"step": "begin_shadow", "bundle": "two", "percent": "25", "note": ""})
    assert "取 25% 的工单" in told
    order = versions(room).shadow
    assert order
    assert (order.share, order.author) == (0.25, "console:boss")
    perform(steps(room), {"step": "end_shadow"})
    assert versions(room).shadow is None


@pytest.mark.parametrize("percent", ["", "0", "101", "-1", "1e2", "全部"])
def test_a_share_that_cannot_be_is_refused(room: Room, percent: str) -> None:
    with pytest.raises(DispatchError) as caught:
        perform(steps(room), {"step": "begin_shadow", "bundle": "two", "percent": percent})
    assert (caught.value.kind, caught.value.field) == (ErrorKind.INVALID_PARAMETER, "share")


def test_operators_are_added_disabled_enabled_and_given_a_password(room: Room) -> None:
    assert "管理员 陈工（admin）" in perform(steps(room), FIRST)
    perform(steps(room), {**FIRST, "login": " li ", "name": "李明", "role": "operator"})
    assert [(one.login, one.role) for one in everybody(room)] == [("admin", Role.ADMIN), ("li", Role.OPERATOR)]
    perform(steps(room), {"step": "disable", "login": "admin"})
    assert [one.login for one in everybody(room)] == ["li", "admin"], "who may not sign in comes last"
    perform(steps(room), {"step": "enable", "login": "admin"})
    assert everybody(room)[0].disabled_at is None
    perform(steps(room), {"step": "set_password", "login": "li", "password": "another long one"})
    with room.store.reading() as connection:
        kept = operators.password_of(connection, "li")
        told = connection.run("SELECT actor FROM audit_events WHERE action = 'operator'").fetchall()
    assert matches(kept, "another long one")
    assert told == [("console:boss",)] * 5


def test_nobody_disables_themselves(room: Room) -> None:
    with pytest.raises(DispatchError) as caught:
        perform(steps(room), {"step": "disable", "login": "boss"})
    assert caught.value.kind is ErrorKind.FORBIDDEN


@pytest.mark.parametrize(
    "form",
    [
        {"step": "load", "bundle": "two"},
        {"step": "roll_back"},
        {"step": "begin_shadow", "bundle": "two", "percent": "100"},
        {"step": "end_shadow"},
        FIRST,
        {"step": "disable", "login": "li"},
        {"step": "enable", "login": "li"},
        {"step": "set_password", "login": "li", "password": PASSWORD},
    ],
)
def test_a_supervisor_changes_nothing(room: Room, form: dict[str, str]) -> None:
    with pytest.raises(DispatchError) as caught:
        perform(steps(room, Role.SUPERVISOR), form)
    assert caught.value.kind is ErrorKind.FORBIDDEN
    assert "找管理员" in caught.value.message


@pytest.mark.parametrize(
    "form", [{}, {"step": "drop"}, {"step": "load"}, {**FIRST, "role": "king"}, {**FIRST, "password": "short"}]
)
def test_a_form_that_is_not_of_the_page_is_refused(room: Room, form: dict[str, str]) -> None:
    with pytest.raises(DispatchError) as caught:
        perform(steps(room), form)
    assert caught.value.kind is ErrorKind.INVALID_PARAMETER


def test_health_is_read_from_what_runs(room: Room) -> None:
    found = health(room)
    assert found.ready
    assert found.ping is not None
    assert (found.waiting, found.inside, found.refused, found.dropped) == (0, 0, 0, 0)
    assert list(found.drift) == [], "a canned router has no reference"
    room.app.state.admission.announce_leaving()
    assert not health(room).ready
    room.app.state.admission.enter()
    assert health(room).inside == 1


def test_messages_that_wait_or_were_given_up_are_counted(room: Room) -> None:
    plain = {"hook": "oa", "event": "dispatch", "case_id": "1", "payload": "{}", "created_at": "2999-01-01 00:00:00"}
    for state in (outbox.PENDING, outbox.DEAD, outbox.DEAD, outbox.DELIVERED):
        row = {**plain, "state": state, "next_at": "2999-01-01 00:00:00"}
        room.store.write(lambda connection, row=row: connection.add(messages, row))  # type: ignore[misc]
    found = health(room)
    assert (found.pending, found.dead) == (1, 2)


def test_a_store_that_does_not_answer_is_told_and_not_raised(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> None:
        raise DispatchError(ErrorKind.STORE_UNAVAILABLE, "数据库不可用。")

    monkeypatch.setattr(room.store, "ping", gone)
    found = health(room)
    assert (found.ready, found.ping, found.problem) == (False, None, "数据库不可用。")


def test_drift_is_told_in_words(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    text = b'# TYPE dispatch_drift_psi gauge\ndispatch_drift_psi{distribution="level"} 0.3\n'
    monkeypatch.setattr(
        room.app.state.metrics, "render", lambda _: text + b'dispatch_drift_psi{distribution="kind"} NaN\n'
    )
    assert list(drift(room)) == [Drift("诉求类型", None), Drift("层级", 0.3)]
    assert [Drift("", psi).told for psi in (None, 0.05, 0.2, 0.3)] == ["答复尚少", "相同", "留意", "已不同"]
