from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from dispatch_model.labels import LabelMaps
from serving.app import create_app
from serving.open311.api import PREFIX
from serving.open311.view import Service, ServiceRequest
from serving.routing import Router
from serving.settings import Settings

CASE = {"case_id": "1", "transcript": "路灯不亮", "address": {"district": "龙华区", "detail": "某某路口"}}


@pytest.fixture
def client(tmp_path: Path, ruled: Router) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(data_dir=tmp_path), ruled)) as client:
        yield client


def requests(client: TestClient, **query: Any) -> list[str]:
    response = client.get(f"{PREFIX}/requests.json", params=query)
    assert response.status_code == 200
    return [request["service_request_id"] for request in response.json()]


def refused(client: TestClient, path: str, status: int) -> list[dict[str, Any]]:
    response = client.get(f"{PREFIX}/{path}")
    errors: list[dict[str, Any]] = response.json()
    assert response.status_code == status
    assert {error["code"] for error in errors} == {status}
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    return errors


def test_services_are_listed(client: TestClient, maps: LabelMaps) -> None:
    response = client.get(f"{PREFIX}/services.json", params={"jurisdiction_id": "haikou.gov.cn"})
    found = [Service.model_validate(service) for service in response.json()]
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert [service.service_code for service in found] == list(maps.leaves)


def test_no_service_asks_for_more(client: TestClient, maps: LabelMaps) -> None:
    assert client.get(f"{PREFIX}/services/{maps.leaves[0]}.json").json() == {
        "service_code": maps.leaves[0],
        "attributes": [],
    }
    (error,) = refused(client, "services/99.json", 404)
    assert "99" in error["description"]


def test_a_case_can_be_read_as_a_request(client: TestClient) -> None:
    client.post("/route", json=CASE)
    client.post("/cases/1/decision", json={"action": "accept"})
    (listed,) = client.get(f"{PREFIX}/requests.json").json()
    found = ServiceRequest.model_validate(listed)
    assert (found.service_request_id, found.status, found.status_notes) == ("1", "open", "已派单")
    assert (found.service_code, found.agency_responsible) == ("030703", "龙华区城市管理局")
    assert (found.address, found.lat) == ("龙华区", None)
    assert "路灯" not in found.description
    assert client.get(f"{PREFIX}/requests/1.json").json() == [listed]


def test_texts_are_shown_where_the_setting_says_so(tmp_path: Path, router: Router) -> None:
    settings = Settings(data_dir=tmp_path, open311_texts=True)
    with TestClient(create_app(settings, router)) as client:
        client.post("/route", json=CASE)
        (found,) = client.get(f"{PREFIX}/requests/1.json").json()
    assert (found["description"], found["address"]) == ("路灯不亮", "龙华区某某路口")


@pytest.mark.parametrize("case_id", ["HK/2026/1", "a.b.json", "a,b", "工单 1"])
def test_any_number_can_be_asked_for(client: TestClient, case_id: str) -> None:
    client.post("/route", json={**CASE, "case_id": case_id})
    (found,) = client.get(f"{PREFIX}/requests/{case_id}.json").json()
    assert found["service_request_id"] == case_id


def test_requests_are_chosen_by_the_query(client: TestClient) -> None:
    for case_id, moment in (("new", "2026-05-03T10:00:00+08:00"), ("old", "2018-05-03")):
        client.post("/route", json={**CASE, "case_id": case_id, "received_at": moment})
    assert requests(client, start_date="2026-05-01T00:00:00+08:00") == ["new"]
    assert requests(client, service_request_id="old,nobody") == ["old"]
    assert requests(client, start_date="2018-05-01", service_code=["0307", "08"], page="", api_key="x") == ["old"]
    assert requests(client, start_date="2018-05-01", service_code="08") == []


def test_wrong_queries_are_told_in_the_standards_form(client: TestClient) -> None:
    (first, second) = refused(client, "requests.json?start_date=昨天&page=0", 400)
    assert "start_date" in first["description"]
    assert "page" in second["description"]
    (long,) = refused(client, "requests.json?start_date=2018-01-01&end_date=2019-01-01", 400)
    assert "90" in long["description"]


def test_a_case_that_is_not_there_is_404(client: TestClient) -> None:
    (error,) = refused(client, "requests/nobody.json", 404)
    assert "nobody" in error["description"]


def test_it_is_read_only(client: TestClient) -> None:
    assert client.post(f"{PREFIX}/requests.json", data={"service_code": "030703"}).status_code == 405


def test_a_service_that_has_not_started_says_so(tmp_path: Path, router: Router) -> None:
    client = TestClient(create_app(Settings(data_dir=tmp_path), router))
    response = client.get(f"{PREFIX}/services.json")
    assert (response.status_code, response.json()[0]["code"]) == (503, 503)
    assert response.headers["Retry-After"] == "1"


def test_its_errors_stand_in_the_openapi_page_as_they_are(client: TestClient) -> None:
    responses = client.get("/openapi.json").json()["paths"][f"{PREFIX}/requests.json"]["get"]["responses"]
    (schema,) = [content["schema"] for content in responses["400"]["content"].values()]
    assert schema["items"] == {"$ref": "#/components/schemas/Open311Error"}
