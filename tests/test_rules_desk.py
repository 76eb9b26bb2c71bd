import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from threading import Event

import pytest

from dispatch_model.access_list import AccessList
from dispatch_model.bundle import BundleRef, Reference
from dispatch_model.cases import Address, Case, Routing, Versions
from dispatch_model.catalogue import Catalogue
from dispatch_model.city import City
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LabelMaps
from dispatch_model.recheck import Violation
from dispatch_model.rules import RuleKind, RuleSet
from dispatch_model.triggers import Triggers
from serving.engine import Engine
from serving.routing import Router
from serving.rules.desk import RuleDesk
from serving.rules.store import Action, Draft, RuleStore
from serving.store.store import Store

LIST, CATALOGUE = RuleKind.ACCESS_LIST, RuleKind.CATALOGUE
Files = Mapping[RuleKind, bytes]


@contextmanager
def opened(folder: Path, router: Router, *, start: bool = True) -> Iterator[tuple[RuleDesk, Engine]]:
    store = Store.open(folder / "dispatch.db")
    engine = Engine(router, store, str, threads=2)
    desk = RuleDesk(engine, RuleStore(store))
    if start:
        desk.start()
    yield desk, engine
    engine.close()
    store.close()


def shorter(files: Files, kind: RuleKind = LIST) -> bytes:
    """The file without its second row."""
    header, first, _, *others = files[kind].decode().splitlines()
    return "\n".join([header, first, *others, ""]).encode()


def test_an_upload_is_in_force_at_once(tmp_path: Path, ruled: Router, rule_files: Files) -> None:
    with opened(tmp_path, ruled) as (desk, engine):
        change = desk.upload(LIST, shorter(rule_files), author="admin", note="删去一行")
        assert engine.router.rule_sets[LIST].version == change.version != ruled.rule_sets[LIST].version
        assert engine.router.rule_sets[CATALOGUE] is ruled.rule_sets[CATALOGUE]
        assert (change.replaced, change.rows) == (ruled.rule_sets[LIST].version, 2)
        assert ([row.id for row in change.changes.removed], change.changes.added) == (["J-2"], ())
        assert change.revision == desk.revision(LIST)
        assert change.revision is not None
        assert (change.revision.author, change.revision.note) == ("admin", "删去一行")


def test_the_masks_of_new_rules_are_built_before_they_are_in_force(
    tmp_path: Path, ruled: Router, rule_files: Files
) -> None:
    with opened(tmp_path, ruled) as (desk, engine):
        desk.upload(LIST, shorter(rule_files), author="admin")
        assert len(getattr(engine.router, "days", ())) == 1


def test_a_wrong_file_changes_nothing_and_every_error_is_told(tmp_path: Path, ruled: Router, rule_files: Files) -> None:
    wrong = rule_files[LIST].replace(b"030705", b"939393").replace("履职".encode(), b"?")
    with opened(tmp_path, ruled) as (desk, engine):
        with pytest.raises(DispatchError, match="2 处错误") as caught:
            desk.upload(LIST, wrong, author="admin")
        assert caught.value.kind is ErrorKind.INVALID_RULES
        assert len(caught.value.details) == 2
        assert engine.router is ruled
        assert desk.history(LIST) == ()


def test_what_cannot_be_stored_is_not_in_force(
    tmp_path: Path, ruled: Router, rule_files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise DispatchError(ErrorKind.STORE_UNAVAILABLE, "磁盘已满")

    with opened(tmp_path, ruled) as (desk, engine):
        with monkeypatch.context() as patch:
            patch.setattr(RuleStore, "add", full)
            with pytest.raises(DispatchError, match="磁盘已满"):
                desk.upload(LIST, shorter(rule_files), author="admin")
        assert engine.router is ruled
        assert desk.upload(LIST, shorter(rule_files), author="admin").revision is not None


def test_a_dry_run_and_the_same_content_change_nothing(tmp_path: Path, ruled: Router, rule_files: Files) -> None:
    header, *rows = rule_files[LIST].decode().splitlines()
    turned = "\n".join([header, *reversed(rows), ""]).encode()
    with opened(tmp_path, ruled) as (desk, engine):
        trial = desk.upload(LIST, shorter(rule_files), author="admin", dry_run=True)
        assert (trial.revision, len(trial.changes.removed)) == (None, 1)
        same = desk.upload(LIST, turned, author="admin")
        assert (same.revision, same.version) == (None, same.replaced)
        assert engine.router is ruled
        assert desk.history(LIST) == ()


def test_a_file_made_from_an_older_version_is_a_conflict(tmp_path: Path, ruled: Router, rule_files: Files) -> None:
    with opened(tmp_path, ruled) as (desk, _):
        mine = ruled.rule_sets[LIST].version
        desk.upload(LIST, shorter(rule_files), author="admin", replaces=mine)
        again = rule_files[LIST].replace("游商劝导".encode(), "游商引导".encode())
        for dry_run in (True, False):
            with pytest.raises(DispatchError) as caught:
                desk.upload(LIST, again, author="admin", replaces=mine, dry_run=dry_run)
            assert caught.value.kind is ErrorKind.RULES_CONFLICT


def test_one_call_goes_back_even_to_the_shipped_file(tmp_path: Path, ruled: Router, rule_files: Files) -> None:
    with opened(tmp_path, ruled) as (desk, engine):
        shipped = ruled.rule_sets[LIST].version
        with pytest.raises(DispatchError, match="没有更早的版本") as caught:
            desk.rollback(LIST, author="admin")
        assert caught.value.kind is ErrorKind.RULES_CONFLICT
        uploaded = desk.upload(LIST, shorter(rule_files), author="admin").version
        back = desk.rollback(LIST, author="admin", note="有误")
        assert (back.version, back.replaced) == (shipped, uploaded)
        assert engine.router.rule_sets[LIST].version == shipped
        assert desk.rollback(LIST, uploaded, author="admin").version == uploaded
        assert desk.rollback(LIST, uploaded, author="admin").revision is None
        actions = [one.action for one in desk.history(LIST)]
        assert actions == [Action.ROLLBACK, Action.ROLLBACK, Action.UPLOAD, Action.SHIPPED]
        assert desk.rules(LIST, shipped).version == shipped


def test_an_unknown_version_is_told_with_near_ones(tmp_path: Path, ruled: Router, rule_files: Files) -> None:
    with opened(tmp_path, ruled) as (desk, _):
        version = desk.upload(LIST, shorter(rule_files), author="admin").version
        with pytest.raises(DispatchError, match=version) as caught:
            desk.rollback(LIST, version[:-1], author="admin")
        assert caught.value.kind is ErrorKind.NOT_FOUND


def test_stored_rules_go_before_the_files_at_the_next_start(
    tmp_path: Path, ruled: Router, rule_files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    with opened(tmp_path, ruled) as (desk, _):
        version = desk.upload(LIST, shorter(rule_files), author="admin").version
    with caplog.at_level(logging.INFO), opened(tmp_path, ruled) as (desk, engine):
        assert engine.router.rule_sets[LIST].version == version
        assert f"准入清单以数据库中的版本 {version} 为准" in caplog.text
        assert desk.upload(LIST, rule_files[LIST], author="admin").replaced == version


def test_a_start_from_the_files_leaves_the_stored_rules_until_the_next_change(
    tmp_path: Path, ruled: Router, rule_files: Files
) -> None:
    with opened(tmp_path, ruled) as (desk, _):
        desk.upload(LIST, shorter(rule_files), author="admin")
    with opened(tmp_path, ruled, start=False) as (desk, engine):
        desk.start(stored=False)
        assert not desk.follow()
        assert engine.router is ruled
        changed = rule_files[LIST].replace("游商劝导".encode(), "游商引导".encode())
        assert desk.upload(LIST, changed, author="admin").replaced == ruled.rule_sets[LIST].version


def test_stored_rules_that_fit_no_more_stop_the_start(tmp_path: Path, ruled: Router, rule_files: Files) -> None:
    with opened(tmp_path, ruled) as (desk, _):
        desk.upload(LIST, shorter(rule_files), author="admin")
        content = shorter(rule_files).replace(b"030701", b"939393")
        desk._store.add([Draft(LIST, "x", Action.UPLOAD, 2, content)], desk._heads[LIST], {})
        with pytest.raises(DispatchError, match="939393"):
            desk.follow()
        assert not desk.follow()
        assert desk.upload(CATALOGUE, rule_files[CATALOGUE].replace(b"10", b"9"), author="admin").revision
    with pytest.raises(DispatchError, match="DISPATCH_STORED_RULES") as caught, opened(tmp_path, ruled):
        pass
    assert caught.value.kind is ErrorKind.INVALID_RULES


def test_another_process_follows(tmp_path: Path, ruled: Router, rule_files: Files) -> None:
    with opened(tmp_path, ruled) as (mine, _), opened(tmp_path, ruled) as (other, engine):
        assert not other.follow()
        first = mine.upload(LIST, shorter(rule_files), author="admin")
        assert other.follow()
        assert engine.router.rule_sets[LIST].version == first.version
        assert other.revision(LIST) == first.revision
        # Without having followed, a change is still made on top of what is in force.
        second = other.upload(CATALOGUE, rule_files[CATALOGUE].replace(b"10", b"9"), author="admin")
        assert mine.upload(CATALOGUE, rule_files[CATALOGUE], author="admin").replaced == second.version


def test_rows_have_the_same_numbers_in_every_process(tmp_path: Path, ruled: Router, rule_files: Files) -> None:
    header, *rows = shorter(rule_files).decode().splitlines()
    spaced = "\n".join([header, "", "", *rows, ""]).encode()
    with opened(tmp_path, ruled) as (mine, one), opened(tmp_path, ruled) as (other, two):
        mine.upload(LIST, spaced, author="admin")
        other.follow()
        numbers = [[row.row for row in engine.router.rule_sets[LIST].rows] for engine in (one, two)]
        assert numbers == [[2, 3], [2, 3]]


class SlowRouter:
    """Waits inside `route` until it may go on."""

    def __init__(self, router: Router, started: Event, released: Event) -> None:
        self._router, self._started, self._released = router, started, released

    @property
    def versions(self) -> Versions:
        return self._router.versions

    @property
    def maps(self) -> LabelMaps:
        return self._router.maps

    @property
    def city(self) -> City:
        return self._router.city

    def place(self, transcript: str, address: Address | None) -> tuple[str, ...]:
        return self._router.place(transcript, address)

    @property
    def bundle(self) -> BundleRef:
        return self._router.bundle

    def with_bundle(self, folder: Path) -> Router:
        return self._router.with_bundle(folder)

    @property
    def rule_sets(self) -> Mapping[RuleKind, RuleSet]:
        return self._router.rule_sets

    def with_rules(
        self,
        *,
        access_list: AccessList | None = None,
        catalogue: Catalogue | None = None,
        triggers: Triggers | None = None,
    ) -> Router:
        return self._router.with_rules(access_list=access_list, catalogue=catalogue, triggers=triggers)

    def compile(self, day: date) -> None:
        self._router.compile(day)

    @property
    def reference(self) -> Reference | None:
        return self._router.reference

    def recheck(self, case: Case, routing: Routing, now: datetime) -> Sequence[Violation]:
        return self._router.recheck(case, routing, now)

    def route(self, cases: Sequence[Case], *, now: datetime | None = None) -> list[Routing]:
        self._started.set()
        self._released.wait(5)
        return self._router.route(cases, now=now)


def test_what_is_under_way_ends_with_the_rules_it_began_with(tmp_path: Path, ruled: Router, rule_files: Files) -> None:
    started, released = Event(), Event()
    slow = SlowRouter(ruled, started, released)
    with opened(tmp_path, slow) as (desk, engine), ThreadPoolExecutor(1) as pool:
        first = pool.submit(asyncio.run, engine.answer(Case(case_id="1", transcript="路灯不亮")))
        assert started.wait(5)
        version = desk.upload(LIST, shorter(rule_files), author="admin").version
        second = asyncio.run(engine.answer(Case(case_id="2", transcript="路灯不亮")))
        released.set()
        one = first.result(5)
    before = Routing.model_validate_json(one).versions
    after = Routing.model_validate_json(second).versions
    assert (before.access_list, after.access_list) == (ruled.rule_sets[LIST].version, version)
