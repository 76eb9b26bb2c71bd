from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.fuzz import afterwards, exchange, fuzz, make_key
from bench.nonsense import Nonsense, Sent, dumped
from bench.service import Service


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """With canned answers."""
    with Service({"data_dir": tmp_path, "rate_limit": 0}) as service:
        yield service


def test_nonsense_is_refused_and_breaks_nothing(service: Service) -> None:
    service.start()
    found = fuzz(service, 300, seed=3)
    assert found.wrong == {}
    assert sum(found.statuses.values()) == pytest.approx(300, rel=0.2)
    assert {200, 400, 404, 422} <= set(found.statuses)
    assert afterwards(service) == []


def test_so_it_is_where_a_key_is_asked_for(service: Service) -> None:
    key = make_key(service.settings)
    service.start()
    found = fuzz(service, 150, seed=4, key=key)
    assert found.wrong == {}
    assert {200, 401, 422} <= set(found.statuses)


def test_a_fault_would_be_seen(service: Service) -> None:
    service.start()
    answer = exchange(service.port, Sent(b"POST", b"/route", dumped({"case_id": "1", "transcript": "崩溃"})))
    assert answer.startswith(b"HTTP/1.1 500 ")


def test_the_same_seed_makes_the_same_requests() -> None:
    first, second = ([made.next() for _ in range(200)] for made in (Nonsense(1), Nonsense(1)))
    assert first == second
    assert len({sent.path for sent in first}) > 20
