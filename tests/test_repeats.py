from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from dispatch_model.cases import Case, Disposition, Routing
from serving.app import create_app
from serving.settings import Settings
from tests.canned import SUGGESTION, CannedRouter

CALLER = "13800138001"
HERE, THERE = {"street": "金贸街道"}, {"street": "海垦街道"}


class Told(CannedRouter):
    """Takes category, deadline and disposition from the transcript: `030703 2026-05-09 suggest`."""

    def route(self, cases: Any, *, now: Any = None) -> list[Routing]:
        """As told."""
        return [
            one.model_copy(update=self._told(case))
            for one, case in zip(super().route(cases, now=now), cases, strict=True)
        ]

    def _told(self, case: Case) -> dict[str, Any]:
        code, due, disposition = str(case.transcript).split()
        category = SUGGESTION.category.model_copy(update={"code": code})
        due_at = None if due == "-" else f"{due}T18:00:00+08:00"
        first = SUGGESTION.model_validate(
            {**SUGGESTION.model_dump(), "category": category.model_dump(), "due_at": due_at}
        )
        return {"suggestions": () if code == "-" else (first,), "disposition": Disposition(disposition)}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with TestClient(create_app(Settings(data_dir=tmp_path), Told())) as client:
        yield client


def ask(client: TestClient, case_id: str, said: str = "030703 2026-05-20 suggest", **told: Any) -> dict[str, Any]:
    case = {"case_id": case_id, "transcript": said, "caller": CALLER, "received_at": "2026-05-01", "address": HERE}
    response = client.post("/route", json=case | told)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def test_the_same_matter_at_the_same_place_is_merged(client: TestClient) -> None:
    first = ask(client, "1")
    assert (first["repeat_of"], first["disposition"]) == ([], "suggest")
    again = ask(client, "2", caller="+86 138 0013 8001", received_at="2026-05-03")
    assert (again["repeat_of"], again["disposition"]) == (["1"], "merge")
    assert "与工单 1 为同一来电人、同一地点、同一类别" in again["disposition_reason"]
    assert [reason["source"] for reason in again["reasons"]] == ["repeat"]
    assert again["suggestions"] == first["suggestions"]
    third = ask(client, "3", received_at="2026-05-04")
    assert third["repeat_of"] == ["2", "1"]
    assert "与工单 1 为同一来电人" in third["disposition_reason"]


def test_what_was_merged_is_nothing_to_merge_into(client: TestClient) -> None:
    ask(client, "1")
    ask(client, "2", received_at="2026-05-03")
    assert client.post("/cases/1/step", json={"action": "merge", "into": "2"}).status_code == 200
    third = ask(client, "3", received_at="2026-05-04")
    assert third["repeat_of"] == ["2", "1"]
    assert "与工单 2 为同一来电人" in third["disposition_reason"]


def test_the_answer_of_then_is_replayed(client: TestClient) -> None:
    ask(client, "1")
    again = ask(client, "2")
    ask(client, "3")
    replayed = ask(client, "2")
    assert (replayed["replayed"], replayed["repeat_of"], replayed["disposition"]) == (True, ["1"], again["disposition"])
    assert ask(client, "1")["repeat_of"] == []


@pytest.mark.parametrize(
    ("told", "repeat_of", "disposition", "reasons"),
    [
        ({"caller": "13800138002"}, [], "suggest", 0),
        ({"caller": None}, [], "suggest", 0),
        ({"caller": "匿名"}, [], "suggest", 0),
        ({"said": "030801 2026-05-20 suggest"}, [], "suggest", 0),
        ({"said": "- - ask"}, [], "ask", 0),
        ({"received_at": "2026-06-01"}, [], "suggest", 0),  # 31 days
        ({"received_at": "2026-05-31"}, ["1"], "suggest", 0),  # the deadline of the first has passed
        ({"said": "030705 2026-05-20 suggest"}, ["1"], "suggest", 0),  # another leaf of the same four digits
        ({"address": THERE}, ["1"], "suggest", 1),
        ({"address": None}, ["1"], "suggest", 1),
        ({"city": "三亚市"}, ["1"], "suggest", 1),
        ({"said": "030703 2026-05-20 emergency"}, ["1"], "emergency", 1),
        ({"said": "030703 2026-05-20 decline"}, ["1"], "decline", 1),
        ({"said": "030703 2026-05-20 ask"}, ["1"], "ask", 1),
        ({"said": "030703 2026-05-20 consult"}, ["1"], "merge", 1),
        ({"said": "030703 - auto"}, ["1"], "merge", 1),
    ],
)
def test_what_counts_as_a_repeat(
    client: TestClient, told: dict[str, Any], repeat_of: list[str], disposition: str, reasons: int
) -> None:
    ask(client, "1")
    again = ask(client, "2", **told)
    assert (again["repeat_of"], again["disposition"], len(again["reasons"])) == (repeat_of, disposition, reasons)


def test_a_case_without_a_deadline_stays_open(client: TestClient) -> None:
    ask(client, "1", "030703 - suggest")
    assert ask(client, "2", received_at="2026-05-30")["disposition"] == "merge"


def test_an_answer_names_no_more_than_ten(client: TestClient) -> None:
    for number in range(12):
        answer = ask(client, str(number))
    assert answer["repeat_of"] == [str(number) for number in range(10, 0, -1)]


def test_the_caller_is_neither_stored_nor_answered_nor_told_in_errors(client: TestClient, tmp_path: Path) -> None:
    person = "身份 张三-No.77"
    answer = ask(client, "1", caller=person)
    refused = client.post("/route", json={"case_id": "2", "transcript": "x", "caller": person * 9})
    wrong = client.post("/route/batch", json={"cases": [{"case_id": "3", "transcript": "x", "caller": [person]}]})
    assert (refused.status_code, refused.json()["field"]) == (422, "caller")
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for told in (str(answer), refused.text, wrong.text, written.decode("latin-1")):
        assert "No.77" not in told
    assert "caller" in wrong.text
