import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.requests import Request

from serving.web.admission import Admission
from serving.web.door import Door
from serving.web.problems import MEDIA_TYPE


class House:
    """A small application behind a door, with what its requests came to."""

    def __init__(self, *, queue_limit: int = 0) -> None:
        self.admission = Admission(queue_limit=queue_limit)
        self.bodies: list[bytes] = []
        app = FastAPI()

        @app.post("/route")
        async def route(request: Request) -> str:
            self.bodies.append(await request.body())
            return "routed"

        @app.get("/readyz")
        async def readyz() -> str:
            return "ok"

        app.add_middleware(Door, admission=self.admission, routes=app.router.routes)
        self.client = TestClient(app)


def test_a_full_house_refuses_before_the_body_is_read() -> None:
    house = House()
    house.admission.enter()
    response = house.client.post("/route", content=b"case")
    assert (response.status_code, response.headers["Content-Type"]) == (429, MEDIA_TYPE)
    assert response.headers["Retry-After"] == "1"
    assert response.json()["kind"] == "overloaded"
    assert house.bodies == []
    assert house.admission.refused == 1


def test_with_room_the_request_goes_on() -> None:
    house = House(queue_limit=1)
    house.admission.enter()
    assert house.client.post("/route", content=b"case").json() == "routed"
    assert house.bodies == [b"case"]


def test_what_needs_no_model_is_never_refused() -> None:
    house = House()
    house.admission.enter()
    assert house.client.get("/readyz").status_code == 200
    assert house.client.get("/route").status_code == 405


@pytest.mark.parametrize("path", ["/route", "/readyz"])
def test_while_leaving_every_response_asks_for_another_connection(path: str) -> None:
    house = House()
    method = "POST" if path == "/route" else "GET"
    assert "Connection" not in house.client.request(method, path).headers
    house.admission.announce_leaving()
    response = house.client.request(method, path)
    assert (response.status_code, response.headers["Connection"]) == (200, "close")


def test_after_closing_work_is_refused_as_not_ready() -> None:
    house = House(queue_limit=9)
    house.admission.close()
    response = house.client.post("/route", content=b"case")
    assert (response.status_code, response.json()["kind"]) == (503, "not_ready")
    assert house.bodies == []
