import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from dispatch_model.cases import Routing
from serving.app import create_app
from serving.guard.guard import STATUSES
from serving.routing import Router
from serving.settings import Settings
from serving.store.record import Content
from serving.web.problems import MEDIA_TYPE

CASE = {"case_id": "1", "transcript": "路灯不亮", "received_at": "2018-05-03"}


@pytest.fixture
def client(tmp_path: Path, router: Router) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(data_dir=tmp_path, batch_limit=8), router)) as client:
        yield client


def send(client: TestClient, body: bytes, content_type: str = "application/json") -> tuple[int, dict[str, Any]]:
    response = client.post("/route", content=body, headers={"Content-Type": content_type})
    assert response.headers["Content-Type"] == MEDIA_TYPE
    problem: dict[str, Any] = response.json()
    assert problem["status"] == response.status_code
    return response.status_code, problem


def test_a_case_is_answered_with_its_routing(client: TestClient) -> None:
    response = client.post("/route", json=CASE)
    assert response.status_code == 200
    routing = Routing.model_validate_json(response.text)
    assert routing.suggestions[0].unit.function == "城管"
    assert routing.timing_ms.infer == 2.5
    assert routing.timing_ms.store > 0
    assert not routing.replayed


def test_the_answer_is_on_disk_before_the_reply(client: TestClient, tmp_path: Path) -> None:
    client.post("/route", json=CASE)
    connection = sqlite3.connect(tmp_path / "dispatch.db")
    rows = connection.execute("SELECT case_id, transcript, bundle, answer FROM routings JOIN cases USING (case_id)")
    ((case_id, transcript, bundle, answer),) = rows.fetchall()
    connection.close()
    assert (case_id, json.loads(transcript), bundle) == ("1", "路灯不亮", "bundle-1")
    assert json.loads(answer)["suggestions"][0]["probability"] == 0.9


def test_personal_data_never_reach_the_disk(client: TestClient, tmp_path: Path) -> None:
    phone = "13812345678"
    client.post("/route", json={**CASE, "transcript": f"路灯不亮，我的手机是{phone}", "address": f"联系{phone}"})
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert "路灯不亮，我的手机是[电话]".encode() in written
    assert phone.encode() not in written


def test_personal_data_written_oddly_never_reach_the_disk(client: TestClient, tmp_path: Path) -> None:
    said = "路灯不亮，手机１３８１２３４５６７８，备用138\u200b1234\u200b5679，聯繫人李蕉，请回电"
    for number, transcript in enumerate([said, [{"speaker": "citizen", "text": said}]]):
        body = {"case_id": f"x{number}", "transcript": transcript, "address": said, "city": "海口13812345670"}
        assert client.post("/route", json=body).status_code == 200
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert "手机[电话]".encode() in written
    for raw in ("１３８１２３４５６７８", "13812345678", "1234\u200b5679", "13812345679", "李蕉", "13812345670"):
        assert raw.encode() not in written
        assert json.dumps(raw)[1:-1].encode() not in written


@pytest.mark.parametrize(
    "fields",
    [{"transcript": 13812345678}, {"address": [{"detail": "１３８１２３４５６７８"}]}],
)
def test_an_error_quotes_no_personal_data(client: TestClient, fields: dict[str, Any]) -> None:
    _, problem = send(client, json.dumps({**CASE, **fields}).encode())
    assert "12345678" not in str(problem)
    assert "１３８" not in str(problem)


def test_the_same_case_again_is_replayed(client: TestClient) -> None:
    first, second = (Routing.model_validate_json(client.post("/route", json=CASE).text) for _ in range(2))
    assert second.replayed
    assert second.suggestions == first.suggestions


def test_other_content_under_the_same_case_id_is_a_conflict(client: TestClient) -> None:
    client.post("/route", json=CASE)
    status, problem = send(client, json.dumps({**CASE, "transcript": "井盖丢了", "city": "海口市"}).encode())
    assert (status, problem["kind"], problem["value"]) == (409, "case_conflict", "1")
    assert "city、transcript" in problem["message"]


@pytest.mark.parametrize(
    ("fields", "kind", "field"),
    [
        ({"transcript": " "}, "transcript_empty", "transcript"),
        ({"transcript": 3}, "invalid_case", "transcript"),
        ({"case_id": "\ud83d"}, "invalid_case", "case_id"),
        ({"received_at": "昨天"}, "invalid_case", "received_at"),
        ({"adress": "龙华区"}, "invalid_case", "adress"),
        ({"\ud83d": 1}, "invalid_case", "case"),
    ],
)
def test_a_wrong_case_names_the_field(client: TestClient, fields: dict[str, Any], kind: str, field: str) -> None:
    status, problem = send(client, json.dumps({**CASE, **fields}).encode())
    assert (status, problem["kind"], problem["field"]) == (422, kind, field)


@pytest.mark.parametrize(
    ("body", "content_type", "said"),
    [
        (b"{", "application/json", "不是合法的 JSON（第 1 个字符处）"),
        (b"", "application/json", "为空"),
        ('{"case_id":"路灯"}'.encode("gbk"), "application/json", "不是 UTF-8"),
        (b'{"a":' * 100_000, "application/json", "不是 UTF-8 编码的 JSON"),
        (b'{"case_id":"1"}', "text/plain", "Content-Type 应为 application/json"),
    ],
)
def test_an_unreadable_body_is_named(client: TestClient, body: bytes, content_type: str, said: str) -> None:
    status, problem = send(client, body, content_type)
    assert (status, problem["kind"], problem["field"]) == (400, "invalid_body", "body")
    assert said in problem["message"]


def test_whatever_breaks_inside_is_a_500_that_quotes_no_transcript(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    status, problem = send(client, json.dumps({**CASE, "transcript": "崩溃"}).encode())
    assert (status, problem["kind"]) == (500, "internal")
    assert "RuntimeError" in caplog.text
    assert "崩溃" not in caplog.text


def test_a_fault_outside_the_router_is_a_500_that_quotes_nothing(
    client: TestClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("路灯不亮")

    monkeypatch.setattr(Content, "of", broken)
    status, problem = send(client, json.dumps(CASE).encode())
    assert (status, problem["kind"]) == (500, "internal")
    assert "RuntimeError" in caplog.text
    assert "路灯" not in caplog.text + str(problem)


def test_a_batch_answers_each_case_in_order(client: TestClient) -> None:
    client.post("/route", json=CASE)
    bodies: list[Any] = [
        {**CASE, "case_id": "2"},
        {**CASE, "case_id": "3", "transcript": ""},
        7,
        CASE,
        {**CASE, "case_id": "4", "received_at": "昨天"},
        {**CASE, "case_id": "2", "transcript": "井盖丢了"},
        {**CASE, "case_id": "2"},
        {**CASE, "case_id": "5", "transcript": "崩溃"},
    ]
    response = client.post("/route/batch", json={"cases": bodies})
    assert response.status_code == 200
    seen = [
        (part["case_id"], part["error"]["kind"] if "error" in part else part["replayed"])
        for part in response.json()["routings"]
    ]
    assert seen == [
        ("2", False),
        ("3", "transcript_empty"),
        (None, "invalid_case"),
        ("1", True),
        ("4", "invalid_case"),
        ("2", "case_conflict"),
        ("2", True),
        ("5", "internal"),
    ]
    assert response.json()["routings"][4]["error"]["field"] == "cases.4.received_at"


def test_an_empty_batch_is_an_empty_answer(client: TestClient) -> None:
    assert client.post("/route/batch", json={"cases": []}).json() == {"routings": []}


def test_a_batch_has_a_limit(client: TestClient) -> None:
    response = client.post("/route/batch", json={"cases": [CASE] * 9})
    assert (response.status_code, response.json()["kind"], response.json()["value"]) == (413, "batch_too_large", "9")


def test_an_unavailable_store_is_a_503_to_try_again(client: TestClient, tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "dispatch.db")
    connection.execute("DROP TABLE routings")
    connection.close()
    for response in (client.post("/route", json=CASE), client.get("/readyz")):
        assert (response.status_code, response.json()["kind"]) == (503, "store_unavailable")
        assert response.headers["Retry-After"] == "1"


def test_the_probes(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ok"}
    assert client.get("/version").json()["versions"]["access_list"] == "list-1"


def test_a_service_that_has_not_started_is_alive_but_not_ready(tmp_path: Path, router: Router) -> None:
    client = TestClient(create_app(Settings(data_dir=tmp_path), router))
    assert client.get("/healthz").status_code == 200
    assert (client.get("/readyz").status_code, client.get("/readyz").json()["kind"]) == (503, "not_ready")
    assert client.post("/route", json=CASE).status_code == 503


def test_a_full_service_refuses_with_retry_after_and_stays_ready(client: TestClient) -> None:
    admission = client.app.state.admission  # type: ignore[attr-defined]
    admission.enter(17)
    for path, body in (("/route", CASE), ("/route/batch", {"cases": [CASE]})):
        response = client.post(path, json=body)
        assert (response.status_code, response.json()["kind"]) == (429, "overloaded")
        assert int(response.headers["Retry-After"]) >= 1
    assert client.get("/readyz").status_code == 200
    admission.leave(17)
    assert client.post("/route", json=CASE).status_code == 200


def test_an_answer_that_takes_too_long_is_a_504(tmp_path: Path, router: Router) -> None:
    with TestClient(create_app(Settings(data_dir=tmp_path, deadline=1e-6), router)) as client:
        response = client.post("/route", json=CASE)
        assert (response.status_code, response.json()["kind"]) == (504, "deadline_exceeded")
        assert client.app.state.admission.inside == 0  # type: ignore[attr-defined]


def test_a_service_that_is_leaving_is_not_ready_but_answers(client: TestClient) -> None:
    client.app.state.admission.announce_leaving()  # type: ignore[attr-defined]
    assert (client.get("/readyz").status_code, client.get("/readyz").json()["kind"]) == (503, "not_ready")
    assert client.get("/healthz").status_code == 200
    assert client.post("/route", json=CASE).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [("GET", "/nowhere", 404, "not_found"), ("GET", "/route", 405, "method_not_allowed")],
)
def test_unknown_paths_and_methods_are_problems_too(
    client: TestClient, method: str, path: str, status: int, kind: str
) -> None:
    response = client.request(method, path)
    assert (response.status_code, response.json()["kind"]) == (status, kind)


def test_the_openapi_page_has_chinese_texts_examples_and_every_error(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()
    route = schema["paths"]["/route"]["post"]
    assert route["summary"] == "一件工单的派单建议"
    assert set(route["requestBody"]["content"]["application/json"]["examples"]) == {"一段文字", "对话"}
    own = {"200", "400", "409", "422", "429", "500", "503", "504"}
    assert set(route["responses"]) == own | {str(status) for status in STATUSES}
    assert route["responses"]["409"]["content"][MEDIA_TYPE]["schema"] == {"$ref": "#/components/schemas/Problem"}
    assert schema["paths"]["/readyz"]["get"]["responses"]["503"]["description"].startswith("`not_ready`")


def test_the_examples_of_the_openapi_page_are_answered(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()
    for path in ("/route", "/route/batch"):
        examples = schema["paths"][path]["post"]["requestBody"]["content"]["application/json"]["examples"]
        for example in examples.values():
            response = client.post(path, json=example["value"])
            assert response.status_code == 200
            assert "error" not in response.text
