import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from threading import Event
from zlib import crc32

import pytest

from dispatch_model import rules
from dispatch_model.cases import Case, Routing
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.rules import RuleKind
from dispatch_model.table import Upload
from serving.bundles.load import load
from serving.bundles.shadow import ROWS, Shadow
from serving.engine import Engine
from serving.routing import Router
from serving.store.connection import Values
from serving.store.store import Store
from tests.canned import CannedRouter


class Books:
    """Keeps rows and counts; `full` refuses to save."""

    def __init__(self) -> None:
        self.rows: list[Values] = []
        self.writes: list[int] = []
        self.counts: dict[str, int] = {}
        self.full = False

    def save(self, rows: Sequence[Values]) -> None:
        if self.full:
            raise DispatchError(ErrorKind.STORE_UNAVAILABLE, "磁盘已满")
        self.rows += rows
        self.writes.append(len(rows))

    def shadowed(self, outcome: str, cases: int = 1) -> None:
        self.counts[outcome] = self.counts.get(outcome, 0) + cases


class Gated(CannedRouter):
    """Answers when the gate is open."""

    gate = Event()

    def route(self, cases: Sequence[Case], *, now: datetime | None = None) -> list[Routing]:
        self.gate.wait(5)
        return super().route(cases, now=now)


@pytest.fixture
def books() -> Books:
    return Books()


@pytest.fixture
def engine(tmp_path: Path, ruled: Router) -> Iterator[Engine]:
    store = Store.open(tmp_path / "dispatch.db")
    engine = Engine(ruled, store, str)
    yield engine
    engine.close()
    store.close()


def other(router: Router, bundles: Path) -> Router:
    return load(router, bundles / "two")


def said(number: int, text: str = "路灯不亮") -> Case:
    return Case(case_id=str(number), transcript=text)


def eventually(done: Callable[[], object]) -> None:
    """Wait up to five seconds until `done` says so."""
    deadline = time.perf_counter() + 5
    while not done():
        assert time.perf_counter() < deadline
        time.sleep(0.005)


def test_what_is_offered_is_answered_by_the_other_bundle(engine: Engine, books: Books, bundles: Path) -> None:
    shadow = Shadow(engine, books.save, books)
    two = other(engine.router, bundles)
    shadow.begin(two)
    assert engine.shadow == shadow.offer
    shadow.offer(said(1))
    eventually(lambda: books.rows)
    (row,) = books.rows
    assert (row["case_id"], row["bundle"], row["disposition"]) == ("1", two.bundle.version, "suggest")
    assert (row["function"], row["level"], row["unit"], row["category"]) == ("城管", "区", "u1", "030703")
    assert row["probability"] == 0.9
    assert "transcript" not in row
    shadow.close()
    assert books.counts == {"stored": 1}
    assert [engine.shadow, shadow.router] == [None, None]


def test_it_goes_by_the_rules_in_force(
    engine: Engine, books: Books, bundles: Path, rule_files: dict[RuleKind, bytes]
) -> None:
    shadow = Shadow(engine, books.save, books)
    shadow.begin(other(engine.router, bundles))
    content = rule_files[RuleKind.CATALOGUE].replace(b"10", b"9")
    catalogue = rules.load(RuleKind.CATALOGUE, Upload("派单目录", content), engine.router.maps, engine.router.city)
    engine.router = CannedRouter({**engine.router.rule_sets, RuleKind.CATALOGUE: catalogue})
    shadow.offer(said(1))
    eventually(lambda: books.rows)
    assert shadow.router is not None
    assert shadow.router.versions.catalogue == engine.router.versions.catalogue
    assert shadow.router.bundle != engine.router.bundle
    shadow.close()


def test_what_it_cannot_keep_up_with_is_dropped_and_counted(engine: Engine, books: Books, bundles: Path) -> None:
    Gated.gate.clear()
    slow = Gated(engine.router.rule_sets, other(engine.router, bundles).bundle)
    shadow = Shadow(engine, books.save, books, room=2)
    shadow.begin(slow)
    began = time.perf_counter()
    for number in range(50):
        shadow.offer(said(number))
    assert time.perf_counter() - began < 1, "who offers never waits"
    assert books.counts["dropped"] >= 50 - 2 * ROWS - 1
    assert books.counts["dropped"] > 0
    Gated.gate.set()
    eventually(lambda: books.counts.get("stored", 0) + books.counts["dropped"] == 50)
    shadow.close()


def test_it_waits_while_others_wait_for_the_model(
    engine: Engine, books: Books, bundles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Engine, "waiting", 1)
    shadow = Shadow(engine, books.save, books)
    shadow.begin(other(engine.router, bundles))
    shadow.offer(said(1))
    time.sleep(0.1)
    assert books.rows == []
    monkeypatch.setattr(Engine, "waiting", 0)
    eventually(lambda: books.rows)
    monkeypatch.setattr(Engine, "waiting", 1)
    shadow.offer(said(2))
    shadow.close()  # ends although others still wait
    assert books.counts == {"stored": 1, "dropped": 1}


def test_a_case_that_breaks_it_spoils_no_other(engine: Engine, books: Books, bundles: Path) -> None:
    shadow = Shadow(engine, books.save, books)
    shadow.begin(other(engine.router, bundles))
    shadow.offer(said(1, "崩溃"))
    shadow.offer(said(2))
    eventually(lambda: books.counts == {"failed": 1, "stored": 1})
    books.full = True
    shadow.offer(said(3))
    eventually(lambda: books.counts["failed"] == 2)
    books.full = False
    shadow.offer(said(4))
    eventually(lambda: books.counts["stored"] == 2)
    shadow.close()
    assert [row["case_id"] for row in books.rows] == ["2", "4"]


def test_a_share_is_the_same_cases_everywhere(engine: Engine, books: Books, bundles: Path) -> None:
    taken = []
    offered = sum(crc32(str(number).encode()) % 10_000 < 3000 for number in range(300))
    for _ in range(2):
        shadow = Shadow(engine, books.save, books, room=1000)
        shadow.begin(other(engine.router, bundles), 0.3)
        for number in range(300):
            shadow.offer(said(number))
        eventually(lambda: len(books.rows) == offered)
        shadow.close()
        taken.append({row["case_id"] for row in books.rows})
        books.rows.clear()
    assert taken[0] == taken[1]
    assert 60 < len(taken[0]) < 120


def test_what_is_in_force_itself_is_not_compared(engine: Engine, books: Books, bundles: Path) -> None:
    shadow = Shadow(engine, books.save, books)
    shadow.begin(other(engine.router, bundles))
    engine.router = other(engine.router, bundles)
    shadow.offer(said(1))
    shadow.close()
    assert (books.rows, books.counts) == ([], {})
