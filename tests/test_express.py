"""The short way of `POST /route` answers as the long one does, or leaves it to it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from dispatch_model.cases import Case
from serving import express
from serving.app import create_app
from serving.routing import Router
from serving.settings import Settings

BODY = '{"case_id":"%s","transcript":"路灯不亮","received_at":"2018-05-03"}'
LONG_WAY = {"Content-Type": "application/json; charset=utf-8"}
SHORT_WAY = {"Content-Type": "application/json"}


@pytest.fixture
def client(tmp_path: Path, router: Router) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(data_dir=tmp_path), router)) as client:
        yield client


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[Case | None]:
    """What became of each body that went the short way."""
    found: list[Case | None] = []
    plain = express._case

    def noted(messages: Sequence[Any]) -> Case | None:
        found.append(plain(messages))
        return found[-1]

    monkeypatch.setattr(express, "_case", noted)
    return found


def told(response: Any) -> tuple[int, list[str], Any]:
    body = response.json()
    body.pop("timing_ms", None)
    return response.status_code, sorted(response.headers), body


def test_both_ways_give_the_same_answer(client: TestClient, taken: list[Case | None]) -> None:
    short = told(client.post("/route", content=(BODY % "1").encode(), headers=SHORT_WAY))
    assert [case.case_id for case in taken if case] == ["1"]
    long = told(client.post("/route", content=(BODY % "2").encode(), headers=LONG_WAY))
    assert len(taken) == 1
    assert (short[2].pop("case_id"), long[2].pop("case_id")) == ("1", "2")
    assert short == long


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe{}",
        b"[" * 5000,
        b'{"case_id":"1"}',
        b'{"case_id":1,"transcript":"x"}',
        b'{"case_id":"1","transcript":"x","more":1}',
        b'{"case_id":"1","transcript":"  "}',
        b'{"case_id":"1","transcript":"' + b"x" * 20_001 + b'"}',
    ],
)
def test_both_ways_refuse_alike(client: TestClient, body: bytes) -> None:
    short, long = (told(client.post("/route", content=body, headers=way)) for way in (SHORT_WAY, LONG_WAY))
    assert short == long
    assert short[0] in (400, 422)


def test_what_is_not_plain_goes_the_long_way(client: TestClient, taken: list[Case | None]) -> None:
    parts = iter([(BODY % "1")[:30].encode(), (BODY % "1")[30:].encode()])
    assert client.post("/route", content=parts, headers=SHORT_WAY).status_code == 200  # length not declared
    assert client.post("/route", content=b"x", headers={"Content-Type": "text/plain"}).status_code == 400
    assert client.get("/route").status_code == 405
    assert taken == []


def test_an_answer_counts_for_its_route(client: TestClient) -> None:
    client.post("/route", content=(BODY % "1").encode(), headers=SHORT_WAY)
    client.post("/route", content=(BODY % "1").replace("路灯", "下水道").encode(), headers=SHORT_WAY)
    metrics = client.get("/metrics").text
    assert 'dispatch_requests_total{route="/route",status="200"} 1.0' in metrics
    assert 'dispatch_requests_total{route="/route",status="409"} 1.0' in metrics
    assert 'dispatch_errors_total{kind="case_conflict"} 1.0' in metrics
