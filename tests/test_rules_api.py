import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import openpyxl
import pytest
from fastapi.testclient import TestClient

from dispatch_model.rules import RuleKind
from serving.app import create_app
from serving.routing import Router
from serving.rules import api as rules_api
from serving.settings import Settings
from serving.web.problems import MEDIA_TYPE

LIST = {"kind": "access_list"}
CASE = {"case_id": "1", "transcript": "路灯不亮"}
Files = Mapping[RuleKind, bytes]


@pytest.fixture
def client(tmp_path: Path, ruled: Router) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(data_dir=tmp_path), ruled)) as client:
        yield client


def changed(files: Files) -> bytes:
    return files[RuleKind.ACCESS_LIST].replace("游商劝导".encode(), "游商引导".encode())


def upload(client: TestClient, content: bytes, **query: Any) -> dict[str, Any]:
    response = client.post("/admin/rules", params={**LIST, **query}, content=content)
    assert response.status_code == 200, response.text
    reply: dict[str, Any] = response.json()
    return reply


def refused(client: TestClient, method: str, path: str, **request: Any) -> tuple[int, dict[str, Any]]:
    response = client.request(method, path, **request)
    assert response.headers["Content-Type"] == MEDIA_TYPE
    problem: dict[str, Any] = response.json()
    assert problem["status"] == response.status_code
    return response.status_code, problem


def test_the_rules_in_force_are_listed(client: TestClient, ruled: Router, rule_files: Files) -> None:
    shown = {one["kind"]: one for one in client.get("/rules").json()["rule_sets"]}
    assert list(shown) == ["access_list", "catalogue", "triggers"]
    before = ruled.rule_sets[RuleKind.ACCESS_LIST].version
    assert shown["access_list"] == {
        "kind": "access_list",
        "title": "准入清单",
        "version": before,
        "rows": 3,
        "revision": None,
    }
    reply = upload(client, changed(rule_files), note="改一个词")
    (now, *_) = client.get("/rules").json()["rule_sets"]
    assert now["version"] == reply["version"] != before
    assert now["revision"] == reply["revision"]
    assert (now["revision"]["author"], now["revision"]["note"], now["revision"]["action"]) == (
        "local",
        "改一个词",
        "upload",
    )


def test_each_answer_carries_the_version_that_decided_it(client: TestClient, rule_files: Files) -> None:
    first = client.post("/route", json=CASE).json()["versions"]
    version = upload(client, changed(rule_files))["version"]
    assert client.post("/route", json={**CASE, "case_id": "2"}).json()["versions"]["access_list"] == version
    assert client.get("/version").json()["versions"]["access_list"] == version
    again = client.post("/route", json=CASE).json()
    assert (again["replayed"], again["versions"]) == (True, first)


def test_rows_are_filtered_and_paged(client: TestClient) -> None:
    page = client.get("/rules/access_list", params={"category": "0307", "limit": 1, "offset": 1}).json()
    assert (page["total"], page["limit"], page["offset"], len(page["rows"])) == (2, 1, 1, 1)
    (row,) = page["rows"]
    assert (row["id"], row["row"], row["cells"]["region"]) == ("J-2", 3, "460106003")
    assert client.get("/rules/triggers", params={"q": "演习"}).json()["rows"][0]["cells"]["pattern"] == "冒烟了"


@pytest.mark.parametrize("path", ["/rules/access_list/J-1", "/rules/J-1"])
def test_a_row_is_shown_with_its_history(client: TestClient, rule_files: Files, path: str) -> None:
    card = client.get(path).json()
    assert (card["kind"], card["rule"]["cells"]["matter"], card["history"]) == ("access_list", "游商劝导", [])
    upload(client, changed(rule_files))
    header, _, *others = rule_files[RuleKind.ACCESS_LIST].decode().splitlines()
    upload(client, "\n".join([header, *others]).encode())
    card = client.get(path).json()
    assert card["rule"] is None
    said = [one["cells"] and one["cells"]["matter"] for one in card["history"]]
    assert said == [None, "游商引导", "游商劝导"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/rules/J-11", "是否想写：J-1"),
        ("/rules/acces_list", "是否想写：access_list"),
        ("/rules/catalogue/J-1", "没有叫 J-1"),
        ("/rules/lists/J-1", "可用：access_list、catalogue、triggers"),
        ("/rules/lists.csv", "可用：access_list"),
        ("/rules/access_list.csv?version=7", "没有存过版本 7"),
    ],
)
def test_what_there_is_not_is_told(client: TestClient, path: str, said: str) -> None:
    status, problem = refused(client, "GET", path)
    assert (status, problem["kind"]) == (404, "not_found")
    assert said in problem["message"]


def test_a_rule_set_is_downloaded_and_sent_back_unchanged(client: TestClient, ruled: Router) -> None:
    version = ruled.rule_sets[RuleKind.ACCESS_LIST].version
    for suffix in ("csv", "xlsx"):
        response = client.get(f"/rules/access_list.{suffix}")
        assert response.headers["ETag"] == f'"{version}"'
        assert unquote(response.headers["Content-Disposition"]).endswith(f"准入清单-{version}.{suffix}")
        assert upload(client, response.content)["version"] == version
    assert "准入清单" in openpyxl.load_workbook(io.BytesIO(response.content)).sheetnames


def test_an_older_version_is_downloaded(client: TestClient, ruled: Router, rule_files: Files) -> None:
    version = ruled.rule_sets[RuleKind.ACCESS_LIST].version
    upload(client, changed(rule_files))
    assert "游商引导" in client.get("/rules/access_list.csv").text
    assert "游商劝导" in client.get("/rules/access_list.csv", params={"version": version}).text


def test_a_dry_run_says_what_would_change(client: TestClient, rule_files: Files) -> None:
    reply = upload(client, changed(rule_files), dry_run="true")
    assert (reply["edited"], reply["added"], reply["removed"], reply["revision"]) == (1, 0, 0, None)
    assert reply["version"] != reply["replaced"]
    assert client.get("/rules").json()["rule_sets"][0]["version"] == reply["replaced"]


def test_what_should_be_looked_at_again_is_told(client: TestClient, rule_files: Files) -> None:
    ended = rule_files[RuleKind.ACCESS_LIST].replace(b"2026-05-01,2026-10-31", b"2016-05-01,2016-10-31")
    reply = upload(client, ended)
    findings = reply["findings"]
    assert reply["warnings"] == len(findings)
    assert {"warning"} == {finding["severity"] for finding in findings}
    assert "J-2" in {finding["id"] for finding in findings}


def test_a_wrong_file_is_refused_whole_with_every_error(client: TestClient, rule_files: Files) -> None:
    wrong = changed(rule_files).replace(b"030705", b"939393").replace("履职".encode(), b"?")
    status, problem = refused(client, "POST", "/admin/rules", params=LIST, content=wrong)
    assert (status, problem["kind"], len(problem["details"])) == (422, "invalid_rules", 2)
    assert "第 3 行 category 列" in problem["details"][0]
    assert client.get("/rules").json()["rule_sets"][0]["revision"] is None


def test_one_call_rolls_back_and_history_tells_it(client: TestClient, ruled: Router, rule_files: Files) -> None:
    upload(client, changed(rule_files))
    back = client.post("/admin/rules/rollback", params={**LIST, "note": "有误"}).json()
    assert back["version"] == ruled.rule_sets[RuleKind.ACCESS_LIST].version
    assert client.get("/version").json()["versions"]["access_list"] == back["version"]
    revisions = client.get("/admin/rules/history", params=LIST).json()["revisions"]
    assert [one["action"] for one in revisions] == ["rollback", "upload", "shipped"]
    status, problem = refused(client, "POST", "/admin/rules/rollback", params=LIST)
    assert (status, problem["kind"]) == (409, "rules_conflict")


def test_a_file_made_from_an_older_version_is_a_conflict(client: TestClient, ruled: Router, rule_files: Files) -> None:
    mine = ruled.rule_sets[RuleKind.ACCESS_LIST].version
    upload(client, changed(rule_files), replaces=mine)
    query = {**LIST, "replaces": mine}
    other = changed(rule_files).replace(b"J-2", b"J-3")
    status, problem = refused(client, "POST", "/admin/rules", params=query, content=other)
    assert (status, problem["kind"]) == (409, "rules_conflict")


@pytest.mark.parametrize(
    ("query", "field", "said"),
    [
        ({}, "kind", "kind 必填"),
        ({"kind": "lists"}, "kind", "应为 'access_list'、'catalogue'、'triggers' 之一"),
        ({**LIST, "dryrun": "true"}, "dryrun", "不是可用的字段"),
        ({**LIST, "dry_run": "ja"}, "dry_run", "应为 true 或 false"),
    ],
)
def test_a_slip_in_the_query_changes_nothing(
    client: TestClient, rule_files: Files, query: dict[str, str], field: str, said: str
) -> None:
    status, problem = refused(client, "POST", "/admin/rules", params=query, content=changed(rule_files))
    assert (status, problem["kind"], problem["field"]) == (422, "invalid_parameter", field)
    assert said in problem["message"]
    assert client.get("/rules").json()["rule_sets"][0]["revision"] is None


def test_a_query_that_cannot_be_met_is_told(client: TestClient) -> None:
    status, problem = refused(client, "GET", "/rules/access_list", params={"day": "五一", "limit": 0})
    assert (status, problem["kind"], problem["field"]) == (422, "invalid_parameter", "day")
    assert "应为日期，如 2026-05-01" in problem["message"]
    assert problem["details"] == ["limit 不能小于 1"]


def test_a_body_must_be_a_file_of_bounded_size(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules_api, "UPLOAD_BYTES", 1000)
    sent: list[tuple[dict[str, Any], int, str]] = [
        ({"content": b""}, 400, "invalid_body"),
        ({"files": {"file": b"id"}}, 400, "invalid_body"),
        ({"content": b"x" * 1001}, 413, "upload_too_large"),
        ({"content": (b"x" * 600 for _ in range(2))}, 413, "upload_too_large"),
        ({"content": b"x" * 1000}, 422, "invalid_rules"),
    ]
    for body, status, kind in sent:
        told, problem = refused(client, "POST", "/admin/rules", params=LIST, **body)
        assert (told, problem["kind"]) == (status, kind)


def test_before_the_start_there_are_no_rules(tmp_path: Path, ruled: Router) -> None:
    client = TestClient(create_app(Settings(data_dir=tmp_path), ruled))
    assert refused(client, "GET", "/rules")[1]["kind"] == "not_ready"
