import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from fastapi.testclient import TestClient
from pydantic import BaseModel
from sqlalchemy import select

from dispatch_model.cases import Routing
from dispatch_model.labels import LabelMaps
from serving.app import create_app
from serving.cases_wire import CaseView, DecisionEntry, Event, ReturnEntry, ReviewEntry, StepEntry
from serving.hooks import hooks
from serving.routing import Router
from serving.settings import Settings
from serving.store.schema import outbox
from serving.store.store import Store
from serving.web.openapi import ANSWERS, PROBLEM, ROUTING, WEBHOOK
from serving.web.problems import Problem
from serving.web.wire import EXAMPLE, BatchReply

MODELS: dict[str, type[BaseModel]] = {
    "/route": Routing,
    "/route/batch": BatchReply,
    "/cases/{case_id}": CaseView,
    "/cases/{case_id}/decision": DecisionEntry,
    "/cases/{case_id}/step": StepEntry,
    "/cases/{case_id}/return": ReturnEntry,
    "/cases/{case_id}/return/review": ReviewEntry,
}


@pytest.fixture
def client(tmp_path: Path, router: Router) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(data_dir=tmp_path), router)) as client:
        yield client


@pytest.fixture
def schema(client: TestClient) -> dict[str, Any]:
    client.get("/openapi.json")  # twice: what is added once must not be added again
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def test_it_is_openapi_3_1_with_a_group_and_a_chinese_summary_for_everything(schema: dict[str, Any]) -> None:
    assert schema["openapi"].startswith("3.1")
    groups = [tag["name"] for tag in schema["tags"]]
    assert groups[:2] == ["派单", "工单"]
    assert len(groups) == len(set(groups))
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            assert set(operation.get("tags", ["?"])) <= set(groups), path
            assert any("\u4e00" <= character <= "\u9fff" for character in operation["summary"]), path


@pytest.mark.parametrize(("method", "path"), ANSWERS)
def test_every_example_of_an_answer_is_one(schema: dict[str, Any], method: str, path: str) -> None:
    content = schema["paths"][path][method]["responses"]["200"]["content"]["application/json"]
    assert MODELS[path].model_validate(content["example"]).model_dump(mode="json") == content["example"]


def test_the_example_of_an_error_is_one(schema: dict[str, Any]) -> None:
    assert Problem.model_validate(schema["components"]["schemas"]["Problem"]["example"]).model_dump() == PROBLEM


def test_the_example_answers_the_example_that_is_asked(maps: LabelMaps) -> None:
    routing = Routing.model_validate(ROUTING)
    assert routing.case_id == EXAMPLE["case_id"]
    span = routing.suggestions[0].reasons[0].spans[0]
    assert routing.transcript[span.start : span.end] in routing.suggestions[0].reasons[0].text
    category = routing.suggestions[0].category
    assert category.path == maps.path(category.code)


def test_every_event_is_a_webhook(schema: dict[str, Any]) -> None:
    assert list(schema["webhooks"]) == list(get_args(Event))


def test_the_example_of_a_webhook_is_what_is_sent(client: TestClient, tmp_path: Path) -> None:
    store = Store.of(Settings(data_dir=tmp_path))
    store.write(lambda connection: hooks.add(connection, "crm", "https://hooks.example.gov.cn/in"))
    client.post("/route", json=EXAMPLE)
    with store.reading() as connection:
        (row,) = connection.rows(select(outbox))
    store.close()
    payload = json.loads(row["payload"])
    assert payload.keys() == WEBHOOK.keys()
    assert payload["unit"].keys() == WEBHOOK["unit"].keys()
    assert EXAMPLE["transcript"] not in row["payload"]


def test_wrong_queries_of_open311_are_400(schema: dict[str, Any]) -> None:
    assert "422" not in schema["paths"]["/open311/v2/requests.json"]["get"]["responses"]
