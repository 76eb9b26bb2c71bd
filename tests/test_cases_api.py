from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from serving.app import create_app
from serving.cases.api import case_routes
from serving.cases.desk import CaseDesk
from serving.cases_wire import CaseView, DecisionEntry, ReturnEntry, ReviewEntry, StepEntry
from serving.engine import Engine
from serving.guard.guard import Actor, Scope, acting
from serving.masking import mask
from serving.routing import Router
from serving.settings import Settings
from serving.store.store import Store
from serving.web.handlers import add_handlers
from serving.web.problems import MEDIA_TYPE

STREET = {"action": "override", "unit": "金贸街道办", "category": "030705", "reason_code": "层级不符"}
ACCEPT = {"action": "accept"}


class Uncounted:
    def decided(self, function: str, action: str) -> None:
        pass

    def returned(self, function: str, reason: str) -> None:
        pass

    def stepped(self, function: str, action: str) -> None:
        pass


@pytest.fixture
def app(store: Store, ruled: Router) -> FastAPI:
    app = FastAPI()
    add_handlers(app)
    app.include_router(case_routes())
    app.state.cases = CaseDesk(Engine(ruled, store, mask), store, Uncounted())
    return app


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


def refused(client: TestClient, path: str, body: Any) -> dict[str, Any]:
    response = client.post(path, json=body)
    assert response.headers["Content-Type"] == MEDIA_TYPE
    problem: dict[str, Any] = response.json()
    assert problem["status"] == response.status_code
    return problem


def test_decision_return_review_and_the_case_itself(client: TestClient, routed: Callable[..., None]) -> None:
    routed("1")
    decided = DecisionEntry.model_validate(client.post("/cases/1/decision", json=ACCEPT).json())
    returned = ReturnEntry.model_validate(client.post("/cases/1/return", json={"reason": "属地不符"}).json())
    reviewed = ReviewEntry.model_validate(client.post("/cases/1/return/review", json={"verdict": "upheld"}).json())
    view = CaseView.model_validate(client.get("/cases/1").json())
    assert view.history[1:] == [decided, returned, reviewed]
    assert (view.state, view.decision) == ("redispatch", None)


def test_consult_ask_merge_and_undo(app: FastAPI, client: TestClient, routed: Callable[..., None]) -> None:
    routed("1")
    routed("2")

    def step(**body: Any) -> StepEntry:
        return StepEntry.model_validate(client.post("/cases/1/step", json=body).json())

    consulted = step(action="consult", units=["市交警支队"], supervisor=True, operator="A017")
    assert (consulted.event, consulted.operator, consulted.supervisor) == ("consult", "A017", True)
    step(action="ask", question="哪个路口？")
    merged = step(action="merge", into="2")
    view = CaseView.model_validate(client.get("/cases/1").json())
    assert (view.state, view.merged_into) == ("merged", "2")
    problem = refused(client, "/cases/1/decision", ACCEPT)
    assert (problem["status"], problem["value"], "已并入工单 2" in problem["message"]) == (409, "merged", True)
    undo = {"action": "undo", "event": "merge", "id": merged.id}
    app.dependency_overrides[acting] = lambda: Actor("another", frozenset({Scope.OPERATOR}))
    assert refused(client, "/cases/1/step", undo)["status"] == 403
    app.dependency_overrides.clear()
    undone = step(**undo)
    assert undone.undoes is not None
    assert (undone.undoes.event, undone.undoes.id) == ("merge", merged.id)
    view = CaseView.model_validate(client.get("/cases/1").json())
    assert view.state == "asked"
    assert [(one.event, one.undone) for one in view.history[1:]] == [
        ("consult", False),
        ("ask", False),
        ("merge", True),
        ("undo", False),
    ]


@pytest.mark.parametrize("case_id", ["HK/2026/1", "工单 1", "a?b#c", "1/decision", "1/step"])
def test_any_case_id_fits_in_the_path(client: TestClient, routed: Callable[..., None], case_id: str) -> None:
    routed(case_id)
    path = f"/cases/{quote(case_id, safe='')}"
    assert client.post(f"{path}/decision", json=ACCEPT).status_code == 200
    assert client.get(path).json()["case_id"] == case_id


def test_a_case_that_is_not_there_is_404(client: TestClient) -> None:
    assert client.get("/cases/7").status_code == 404
    assert refused(client, "/cases/7/decision", ACCEPT)["kind"] == "not_found"


@pytest.mark.parametrize(
    ("path", "body", "field", "said"),
    [
        ("decision", {}, "请求体", "缺少 'action'"),
        ("decision", {"action": "send"}, "请求体", "'accept', 'override'"),
        ("decision", {"action": "accept", "rank": "一"}, "rank", "应为整数"),
        ("decision", {"action": "accept", "unit": "某局"}, "unit", "不是可用的字段"),
        ("decision", {**STREET, "reason_code": "不想办"}, "reason_code", "应为"),
        ("decision", {**STREET, "reason_code": "其他"}, "请求体", "必须写 note"),
        ("decision", {**STREET, "unit": "李蕉13812345678"}, "unit", "不在海口市单位目录中"),
        ("step", {}, "请求体", "缺少 'action'"),
        ("step", {"action": "accept"}, "请求体", "'consult', 'ask', 'merge', 'undo'"),
        ("step", {"action": "consult"}, "请求体", "units"),
        ("step", {"action": "consult", "units": ["某局"] * 6}, "units", "5"),
        ("step", {"action": "consult", "units": ["某局"]}, "units.0", "不在海口市单位目录中"),
        ("step", {"action": "ask", "question": " "}, "question", "不能短于 1"),
        ("step", {"action": "merge", "into": "1"}, "into", "不能并入自身"),
        ("step", {"action": "undo", "event": "return", "id": 1}, "event", "应为"),
        ("step", {"action": "undo", "event": "ask", "id": 2**63}, "id", "不能大于"),
        ("step", {"action": "undo", "event": "ask", "id": 1}, "id", "没有第 1 号待补充"),
        ("return", {"reason": "不想办"}, "reason", "应为"),
        ("return", {}, "reason", "必填"),
        ("return/review", {"verdict": "也许"}, "verdict", "应为"),
        ("return/review", [], "请求体", "应为 JSON 对象"),
    ],
)
def test_a_wrong_body_is_told(
    client: TestClient, routed: Callable[..., None], path: str, body: Any, field: str, said: str
) -> None:
    routed("1")
    problem = refused(client, f"/cases/1/{path}", body)
    assert (problem["status"], problem["kind"], problem["field"]) == (422, "invalid_decision", field)
    assert said in problem["message"]
    assert "13812345678" not in str(problem)


def test_what_is_no_json_is_an_invalid_body(client: TestClient) -> None:
    response = client.post("/cases/1/decision", content=b"{", headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["kind"]) == (400, "invalid_body")


def test_what_the_list_forbids_names_the_row(app: FastAPI, client: TestClient, routed: Callable[..., None]) -> None:
    routed("1", address={"street": "金贸街道"}, received_at="2026-06-01")
    problem = refused(client, "/cases/1/decision", STREET)
    assert (problem["status"], problem["kind"], problem["value"]) == (422, "not_admitted", "J-2")
    for word in ("J-2", "露天烧烤", "收回"):
        assert word in problem["message"]
    app.dependency_overrides[acting] = lambda: Actor("agent", frozenset({Scope.OPERATOR}))
    forced = {**STREET, "force": True, "note": "应急"}
    assert refused(client, "/cases/1/decision", forced)["status"] == 403
    app.dependency_overrides[acting] = lambda: Actor("chief", frozenset(Scope))
    entry = client.post("/cases/1/decision", json=forced).json()
    assert (entry["forced"], entry["rule_id"], entry["actor"]) == (True, "J-2", "chief")


def test_what_does_not_fit_where_the_case_stands_is_409(client: TestClient, routed: Callable[..., None]) -> None:
    routed("1")
    problem = refused(client, "/cases/1/return", {"reason": "权属不清"})
    assert (problem["status"], problem["kind"], problem["value"]) == (409, "case_state", "routed")
    client.post("/cases/1/decision", json=ACCEPT)
    assert refused(client, "/cases/1/decision", STREET)["status"] in (409, 422)
    assert refused(client, "/cases/1/return/review", {"verdict": "upheld"})["status"] == 409


def test_before_the_start_it_is_not_ready(app: FastAPI, client: TestClient) -> None:
    del app.state.cases
    assert refused(client, "/cases/1/decision", ACCEPT)["kind"] == "not_ready"
    assert client.get("/cases/1").status_code == 503


def test_the_service_has_these_endpoints(tmp_path: Path, ruled: Router) -> None:
    with TestClient(create_app(Settings(data_dir=tmp_path), ruled)) as client:
        client.post("/route", json={"case_id": "1", "transcript": "路灯不亮"})
        entry = client.post("/cases/1/decision", json=ACCEPT).json()
        view = client.get("/cases/1").json()
        assert (entry["actor"], view["decision"]["id"], view["state"]) == ("local", entry["id"], "dispatched")
        undo = {"action": "undo", "event": "decision", "id": entry["id"]}
        assert client.post("/cases/1/step", json=undo).json()["undoes"] == {"event": "decision", "id": entry["id"]}
        assert client.get("/cases/1").json()["state"] == "routed"
        assert 'dispatch_steps_total{action="undo_accept",function="城管"} 1.0' in client.get("/metrics").text
        assert 'dispatch_decisions_total{action="accept",function="城管"} 1.0' in client.get("/metrics").text
