import asyncio
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from dispatch_model.bundle import MANIFEST
from dispatch_model.cases import Case
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.rules import RuleKind
from serving.bundles import desk as bundle_desk
from serving.bundles.desk import BundleDesk
from serving.bundles.load import load
from serving.bundles.store import Action, BundleStore
from serving.engine import Engine
from serving.routing import Router
from serving.rules.desk import RuleDesk
from serving.rules.store import RuleStore
from serving.store.store import Store


@contextmanager
def opened(folder: Path, router: Router, bundles: Path | None) -> Iterator[tuple[BundleDesk, Engine, Store]]:
    """A started desk on the database of `folder`."""
    store = Store.open(folder / "dispatch.db")
    engine = Engine(router, store, str)
    desk = BundleDesk(engine, BundleStore(store), bundles)
    desk.start()
    yield desk, engine, store
    engine.close()
    store.close()


def test_a_loaded_bundle_answers_at_once(tmp_path: Path, ruled: Router, bundles: Path) -> None:
    with opened(tmp_path, ruled, bundles) as (desk, engine, _):
        swap = desk.load("two", author="admin", note="更准")
        assert engine.router.bundle == swap.bundle
        assert swap.bundle.version.startswith("two+")
        assert (swap.replaced, swap.revision) == ("bundle-1", desk.revision)
        assert engine.router.rule_sets == ruled.rule_sets
        assert len(getattr(engine.router, "days", ())) == 1, "masks are built before"
        reply = asyncio.run(engine.answer(Case(case_id="1", transcript="路灯不亮")))
        assert f'"bundle":"{swap.bundle.version}"' in reply
        assert [one.action for one in desk.history()] == [Action.LOAD, Action.SHIPPED]


def test_a_dry_run_and_the_bundle_in_force_change_nothing(tmp_path: Path, ruled: Router, bundles: Path) -> None:
    with opened(tmp_path, ruled, bundles) as (desk, engine, _):
        trial = desk.load("two", author="admin", dry_run=True)
        assert (trial.revision, trial.bundle.version[:4]) == (None, "two+")
        assert (engine.router, desk.history()) == (ruled, ())
        desk.load("two", author="admin")
        assert desk.load("two", author="admin").revision is None
        assert len(desk.history()) == 2


def test_what_cannot_be_loaded_or_stored_changes_nothing(
    tmp_path: Path, ruled: Router, bundles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise DispatchError(ErrorKind.STORE_UNAVAILABLE, "磁盘已满")

    (bundles / "one" / MANIFEST).write_text("{", encoding="utf-8")
    with opened(tmp_path, ruled, bundles) as (desk, engine, _):
        with pytest.raises(DispatchError) as caught:
            desk.load("one", author="admin")
        assert caught.value.kind is ErrorKind.INVALID_BUNDLE
        with pytest.raises(DispatchError) as caught:
            desk.load("two", author="admin", replaces="bundle-0")
        assert caught.value.kind is ErrorKind.BUNDLE_CONFLICT
        monkeypatch.setattr(BundleStore, "add", full)
        with pytest.raises(DispatchError, match="磁盘已满"):
            desk.load("two", author="admin")
        assert (engine.router, desk.revision, desk.history()) == (ruled, None, ())


def test_one_call_goes_back(tmp_path: Path, ruled: Router, bundles: Path) -> None:
    with opened(tmp_path, ruled, bundles) as (desk, engine, _):
        with pytest.raises(DispatchError, match="没有更早的模型包") as caught:
            desk.rollback(author="admin")
        assert caught.value.kind is ErrorKind.BUNDLE_CONFLICT
        one = desk.load("one", author="admin").bundle
        two = desk.load("two", author="admin").bundle
        assert desk.rollback(author="admin", note="有误").bundle == one == engine.router.bundle
        assert desk.rollback(two.version, author="admin").bundle == two == engine.router.bundle
        assert desk.rollback(two.version, author="admin").revision is None
        with pytest.raises(DispatchError, match=re.escape(one.version)) as caught:
            desk.rollback(one.version[:-1], author="admin")
        assert caught.value.kind is ErrorKind.NOT_FOUND


def test_a_rollback_to_a_folder_that_is_gone_changes_nothing(tmp_path: Path, ruled: Router, bundles: Path) -> None:
    with opened(tmp_path, ruled, bundles) as (desk, engine, _):
        desk.load("one", author="admin")
        two = desk.load("two", author="admin").bundle
        shutil.rmtree(bundles / "one")
        with pytest.raises(DispatchError) as caught:
            desk.rollback(author="admin")
        assert caught.value.kind is ErrorKind.INVALID_BUNDLE
        assert engine.router.bundle == two


def test_another_worker_follows_and_a_new_start_takes_over(tmp_path: Path, ruled: Router, bundles: Path) -> None:
    with opened(tmp_path, ruled, bundles) as (mine, *_), opened(tmp_path, ruled, None) as (other, engine, _):
        two = mine.load("two", author="admin").bundle
        assert other.follow()
        assert not other.follow()
        assert (engine.router.bundle, other.revision) == (two, mine.revision)
    with opened(tmp_path, ruled, bundles) as (desk, engine, _):
        assert engine.router.bundle == two
        assert desk.revision == mine.revision


def test_what_cannot_be_followed_is_tried_again_and_can_be_replaced(
    tmp_path: Path, ruled: Router, bundles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(tmp_path, ruled, bundles) as (mine, *_), opened(tmp_path, ruled, bundles) as (other, engine, _):
        two = mine.load("two", author="admin").bundle
        away = tmp_path / "away"
        (bundles / "two").rename(away)
        with pytest.raises(DispatchError):
            other.follow()
        assert not other.follow(), "not again at once"
        monkeypatch.setattr(bundle_desk, "RETRY_SECONDS", -1.0)
        one = other.load("one", author="admin").bundle
        assert engine.router.bundle == one
        away.rename(bundles / "two")
        assert mine.follow()
        assert mine.rollback(author="admin").bundle == two
        assert other.follow()
        assert engine.router.bundle == two


def test_rules_changed_while_a_bundle_loads_stay_in_force(
    tmp_path: Path,
    ruled: Router,
    bundles: Path,
    rule_files: Mapping[RuleKind, bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = load
    with opened(tmp_path, ruled, bundles) as (desk, engine, store):
        rules = RuleDesk(engine, RuleStore(store))
        changed = rule_files[RuleKind.CATALOGUE].replace(b"10", b"9")
        versions = []

        def slow(router: Router, folder: Path) -> Router:
            loaded = plain(router, folder)
            versions.append(rules.upload(RuleKind.CATALOGUE, changed, author="admin").version)
            return loaded

        monkeypatch.setattr(bundle_desk, "load", slow)
        two = desk.load("two", author="admin").bundle
        assert (engine.router.bundle, [engine.router.versions.catalogue]) == (two, versions)
        assert len(getattr(engine.router, "days", ())) == 1


def test_a_while_after_a_swap_memory_goes_back_once(
    tmp_path: Path, ruled: Router, bundles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[bool] = []
    monkeypatch.setattr(bundle_desk, "give_back", lambda: calls.append(True))
    with opened(tmp_path, ruled, bundles) as (desk, *_):
        desk.load("two", author="admin")
        desk.follow()
        assert calls == []
        monkeypatch.setattr(bundle_desk, "SETTLED_SECONDS", -1.0)
        desk.load("one", author="admin")
        desk.follow()
        desk.follow()
        assert calls == [True]
