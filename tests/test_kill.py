from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.clients import CASES, DECISIONS, Seen
from bench.kill import faults, rounds
from dispatch_model.cases import Case
from serving.settings import Settings
from serving.store.record import Content, Record
from serving.store.store import Store
from tests.canned import CannedRouter


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest) -> str:
    """As settings name it."""
    return str(request.getfixturevalue("postgres_url")) if request.param == "postgres" else ""


def test_what_was_acknowledged_outlives_a_kill(database: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = list(rounds(2, database, most=0.4))
    assert found == [0, 0], capsys.readouterr().out


@pytest.fixture
def written(tmp_path: Path) -> Iterator[tuple[Settings, Store]]:
    """A database with one case in it."""
    settings = Settings(data_dir=tmp_path)
    store = Store.of(settings)
    case = Case(case_id="1", transcript="路灯不亮")
    (routing,) = CannedRouter().route([case])
    store.save([Record.of(Content.of(case, str, store.seal), routing)])
    yield settings, store
    store.close()


def test_all_is_well_when_everything_is_there(written: tuple[Settings, Store]) -> None:
    seen = Seen()
    seen.acknowledged[CASES].add("1")
    assert faults(written[0], seen) == []


def test_what_is_lost_is_told(written: tuple[Settings, Store]) -> None:
    seen = Seen()
    seen.acknowledged[CASES] |= {"1", "2"}
    seen.acknowledged[DECISIONS].add(1)
    assert faults(written[0], seen) == [
        "cases: 1 acknowledged and lost, such as 2",
        "decisions: 1 acknowledged and lost, such as 1",
    ]


def test_half_a_case_is_told(written: tuple[Settings, Store]) -> None:
    settings, store = written
    store.write(lambda connection: connection.run("DELETE FROM routings").rowcount)
    assert [fault.split("（")[0] for fault in faults(settings, Seen())] == [
        "1 件无派单结果的工单",
        "routings 第 1 行缺失",
    ]
