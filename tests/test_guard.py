from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from serving.app import create_app
from serving.guard import keys
from serving.guard.guard import LOCAL, OPEN_PATHS, RULES, Actor
from serving.guard.scopes import Scope
from serving.routing import Router
from serving.settings import Settings
from serving.store.store import Store
from serving.web.problems import MEDIA_TYPE

CASE = {"case_id": "1", "transcript": "路灯不亮"}


class Made:
    """An application with one key per scope.

    :ivar held: scope → the headers that show its key.
    """

    def __init__(self, folder: Path, router: Router, **settings: float) -> None:
        store = Store.open(folder / "dispatch.db")
        self.held = {scope: {"Authorization": f"Bearer {_make(store, scope)}"} for scope in Scope}
        store.close()
        self.app = create_app(Settings.model_validate({"data_dir": folder, **settings}), router)


def _make(store: Store, scope: Scope) -> str:
    key = keys.new_key()
    store.write(lambda connection: keys.create(connection, key, f"甲-{scope}", [scope], actor="cli:t"))
    return key


@pytest.fixture
def made(tmp_path: Path, router: Router) -> Made:
    return Made(tmp_path, router)


@pytest.fixture
def client(made: Made) -> Iterator[TestClient]:
    with TestClient(made.app) as client:
        yield client


def asked(client: TestClient, method: str, path: str, held: dict[str, str]) -> tuple[int, str]:
    response = client.request(method, path, headers=held)
    problem = response.headers["Content-Type"] == MEDIA_TYPE
    return response.status_code, response.json()["kind"] if problem else ""


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/docs", "/openapi.json", "/metrics"])
def test_some_paths_ask_for_no_key(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 200


@pytest.mark.parametrize("shown", [None, "", "Bearer", "Bearer ", "Basic abc", "Bearer hd_wrong", "Bearer 密钥"])
@pytest.mark.parametrize("path", ["/route", "/cases/1", "/admin/rules", "/version", "/nowhere"])
def test_all_others_do(client: TestClient, path: str, shown: str | None) -> None:
    held = {} if shown is None else {"Authorization": shown.encode()}
    response = client.request("POST", path, headers=held)  # type: ignore[arg-type]
    assert (response.status_code, response.json()["kind"]) == (401, "unauthorized")
    assert response.headers["WWW-Authenticate"] == "Bearer"
    assert "dispatch keys create" in response.json()["message"]


@pytest.mark.parametrize(
    ("method", "path", "scopes"),
    [
        ("POST", "/route", {Scope.INTAKE}),
        ("POST", "/route/batch", {Scope.INTAKE}),
        ("GET", "/cases/1", {Scope.INTAKE, Scope.OPERATOR, Scope.DATA}),
        ("POST", "/cases/1/decision", {Scope.OPERATOR}),
        ("POST", "/cases/1/return", {Scope.OPERATOR}),
        ("GET", "/rules", set(Scope)),
        ("GET", "/rules/access_list.csv", set(Scope)),
        ("GET", "/version", set(Scope)),
        ("GET", "/open311/v2/services.json", {Scope.DATA}),
        ("POST", "/admin/rules", {Scope.ADMIN}),
        ("GET", "/admin/rules/history", {Scope.ADMIN}),
        ("POST", "/open311/v2/services.json", {Scope.ADMIN}),
        ("GET", "/routes", {Scope.ADMIN}),
        ("DELETE", "/rules", {Scope.ADMIN}),
    ],
)
def test_each_path_asks_for_its_scope(
    client: TestClient, made: Made, method: str, path: str, scopes: set[Scope]
) -> None:
    let_in = {scope for scope in Scope if asked(client, method, path, made.held[scope])[1] != "forbidden"}
    assert let_in == scopes


def test_a_refusal_names_what_the_key_has_and_what_is_asked_for(client: TestClient, made: Made) -> None:
    response = client.post("/route", json=CASE, headers=made.held[Scope.DATA])
    assert (response.status_code, response.json()["kind"]) == (403, "forbidden")
    assert "甲-data）只有 data 权限，此处需要 intake" in response.json()["message"]
    assert made.held[Scope.DATA]["Authorization"][-20:] not in response.text


def test_every_route_of_the_application_is_in_the_table(made: Made) -> None:
    paths = made.app.openapi()["paths"]
    loose = [
        (path, method)
        for path, operations in paths.items()
        if path not in OPEN_PATHS
        for method in operations
        if not any(rule.fits(path, method.upper()) for rule in RULES)
    ]
    assert loose == []
    assert {"/route", "/cases/{case_id}", "/admin/rules"} <= paths.keys()


def test_a_request_is_refused_before_its_body_is_looked_at(client: TestClient, made: Made) -> None:
    response = client.post("/route", content=b"{" * 1000, headers=made.held[Scope.DATA])
    assert response.status_code == 403


def test_metrics_can_be_kept_for_those_with_a_key(tmp_path: Path, router: Router) -> None:
    made = Made(tmp_path, router, open_metrics=False)
    with TestClient(made.app) as client:
        assert client.get("/metrics").status_code == 401
        assert client.get("/metrics", headers=made.held[Scope.INTAKE]).status_code == 403
        assert client.get("/metrics", headers=made.held[Scope.DATA]).status_code == 200


@pytest.mark.parametrize("host", ["testserver", "localhost:8000", "127.0.0.1:8000", "[::1]:8000", "127.0.0.1"])
def test_without_any_key_everybody_on_this_machine_may_do_everything(tmp_path: Path, router: Router, host: str) -> None:
    with TestClient(create_app(Settings(data_dir=tmp_path), router)) as client:
        assert client.post("/route", json=CASE, headers={"Host": host}).status_code == 200
        assert client.get("/admin/rules/history?kind=triggers", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example:8000"},
        {"Host": "dispatch.example.gov.cn"},
        {"Host": "evil.example:8000", "Origin": "http://evil.example:8000"},
    ],
)
def test_but_no_page_of_another_site_through_a_browser_there(
    tmp_path: Path, router: Router, headers: dict[str, str]
) -> None:
    with TestClient(create_app(Settings(data_dir=tmp_path), router)) as client:
        response = client.post("/admin/rules?kind=triggers", content=b"x", headers=headers)
    assert (response.status_code, response.json()["kind"]) == (403, "forbidden")


def test_on_a_public_address_nothing_is_open_even_without_keys(tmp_path: Path, router: Router) -> None:
    with TestClient(create_app(Settings(data_dir=tmp_path, host="0.0.0.0"), router)) as client:
        assert client.post("/route", json=CASE).status_code == 401


def test_a_key_has_only_so_many_requests(tmp_path: Path, router: Router) -> None:
    made = Made(tmp_path, router, rate_limit=0.5, rate_burst=2)
    with TestClient(made.app) as client:
        held = made.held[Scope.INTAKE]
        statuses = [client.get("/version", headers=held).status_code for _ in range(3)]
        refused = client.get("/version", headers=held)
        assert statuses == [200, 200, 429]
        assert (refused.json()["kind"], refused.headers["Retry-After"]) == ("rate_limited", "2")
        assert client.get("/version", headers=made.held[Scope.DATA]).status_code == 200


def test_a_batch_counts_as_its_cases(tmp_path: Path, router: Router) -> None:
    made = Made(tmp_path, router, rate_limit=0.5, rate_burst=4)
    with TestClient(made.app) as client:
        held, batch = made.held[Scope.INTAKE], {"cases": [{**CASE, "case_id": str(number)} for number in range(4)]}
        assert client.post("/route/batch", json=batch, headers=held).status_code == 200
        assert client.post("/route", json=CASE, headers=held).status_code == 429


def test_the_log_names_the_key(client: TestClient, made: Made, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    client.get("/version", headers=made.held[Scope.DATA])
    client.get("/metrics")  # hands on what was observed
    (line,) = [record for record in caplog.records if record.getMessage() == "GET /version 200"]
    assert line.fields["key"] == "甲-data"  # type: ignore[attr-defined]


def test_an_actor_may_what_its_scopes_say() -> None:
    one = Actor("甲", frozenset({Scope.OPERATOR}))
    assert [one.may(scope) for scope in Scope] == [False, True, False, False]
    assert all(LOCAL.may(scope) for scope in Scope)
