import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from dispatch_model.cases import CHINA_TIME, Case
from dispatch_model.errors import DispatchError, ErrorKind
from serving.bundles import shadow_desk
from serving.bundles.folder import BundleFolder
from serving.bundles.shadow_desk import ShadowDesk
from serving.bundles.shadow_store import ShadowStore
from serving.engine import Engine
from serving.monitoring.metrics import Metrics
from serving.routing import Router
from serving.store.store import Store


@contextmanager
def opened(folder: Path, router: Router, bundles: Path) -> Iterator[tuple[ShadowDesk, Engine]]:
    """A desk on the database of `folder`."""
    store = Store.open(folder / "dispatch.db")
    engine = Engine(router, store, str)
    desk = ShadowDesk(engine, ShadowStore(store), BundleFolder(bundles), Metrics())
    yield desk, engine
    engine.close()
    desk.close()
    store.close()


def test_what_is_answered_is_answered_in_the_shadow_too(tmp_path: Path, ruled: Router, bundles: Path) -> None:
    with opened(tmp_path, ruled, bundles) as (desk, engine):
        order = desk.begin("two", author="admin", note="试")
        assert desk.order == order
        for case_id in ("1", "2", "2"):
            reply = asyncio.run(engine.answer(Case(case_id=case_id, transcript="路灯不亮")))
            assert '"bundle":"bundle-1"' in reply
        for _ in range(500):
            report = desk.report()
            if report.functions and report.functions[0]["cases"] == 2:
                break
            asyncio.run(asyncio.sleep(0.01))
        (only,) = report.functions
        assert (report.bundle, report.since, only["cases"], only["function"]) == (
            order.bundle.version,
            order.since,
            2,
            2,
        )
        desk.end(author="admin")
        assert [desk.order, engine.shadow] == [None, None]
        assert desk.report(order.bundle.version).functions == report.functions, "what is stored stays"
        late = datetime.now(CHINA_TIME) + timedelta(hours=1)
        assert desk.report(order.bundle.version, late).functions == []


def test_other_workers_begin_and_end_with_it(tmp_path: Path, ruled: Router, bundles: Path) -> None:
    with opened(tmp_path, ruled, bundles) as (mine, _), opened(tmp_path, ruled, bundles) as (other, engine):
        assert not other.follow()
        order = mine.begin("two", share=0.5, author="admin")
        assert not mine.follow()
        assert other.follow()
        assert other.order == order
        assert engine.shadow is not None
        assert not other.follow()
        mine.end(author="admin")
        assert other.follow()
        assert [other.order, engine.shadow] == [None, None]


def test_what_cannot_be_followed_is_tried_again(
    tmp_path: Path, ruled: Router, bundles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path, ruled, bundles) as (mine, _), opened(tmp_path, ruled, bundles) as (other, _):
        order = mine.begin("two", author="admin")
        (bundles / "two").rename(bundles / "away")
        monkeypatch.setattr(shadow_desk, "RETRY_SECONDS", -1.0)
        with pytest.raises(DispatchError) as caught:
            other.follow()
        assert caught.value.kind is ErrorKind.INVALID_BUNDLE
        assert other.order is None
        (bundles / "away").rename(bundles / "two")
        assert other.follow()
        assert other.order == order


def test_what_makes_no_sense_is_refused(tmp_path: Path, ruled: Router, bundles: Path) -> None:
    with opened(tmp_path, ruled, bundles) as (desk, engine):
        for call in (lambda: desk.end(author="admin"), desk.report):
            with pytest.raises(DispatchError, match="没有模型包在影子中运行") as caught:
                call()
            assert caught.value.kind is ErrorKind.NOT_FOUND
        engine.router = engine.router.with_bundle(bundles / "two")
        with pytest.raises(DispatchError, match="就是现行模型包") as caught:
            desk.begin("two", author="admin")
        assert caught.value.kind is ErrorKind.BUNDLE_CONFLICT
