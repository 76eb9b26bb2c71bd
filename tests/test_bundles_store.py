from pathlib import Path

import pytest

from dispatch_model.bundle import BundleRef
from dispatch_model.errors import DispatchError, ErrorKind
from serving.bundles.store import Action, BundleStore, Draft
from serving.store.audit import verify
from serving.store.store import Store


def ref(name: str) -> BundleRef:
    return BundleRef(f"{name}+0", Path("/bundles") / name, name * 64)


def put(store: BundleStore, name: str, action: Action = Action.LOAD) -> None:
    store.add([Draft(ref(name), action, "admin")], store.head(), "before")


def test_what_came_into_force_is_kept_with_who_and_why(store: Store) -> None:
    bundles = BundleStore(store)
    assert (bundles.head(), bundles.current(), bundles.previous()) == (0, None, None)
    drafts = [Draft(ref("a"), Action.SHIPPED), Draft(ref("b"), Action.LOAD, "admin", "更准")]
    stored = bundles.add(drafts, 0, "a+0")
    assert stored == bundles.current()
    assert (stored.id, stored.bundle, stored.version) == (bundles.head(), ref("b"), "b+0")
    assert (stored.author, stored.note, stored.action) == ("admin", "更准", Action.LOAD)
    assert [one.version for one in bundles.history()] == ["b+0", "a+0"]


def test_going_back_twice_goes_back_two_steps(store: Store) -> None:
    bundles = BundleStore(store)
    for name in "abc":
        put(bundles, name)
    for expected in ("b+0", "a+0"):
        previous = bundles.previous()
        assert previous is not None
        assert previous.version == expected
        put(bundles, expected[0], Action.ROLLBACK)
    assert bundles.previous() is None
    (newest, *_) = bundles.history()
    assert bundles.origin(newest).id < newest.id
    put(bundles, "a")  # loaded anew, so that the one before it is what a rollback had put in force
    newest = bundles.history()[0]
    assert bundles.origin(newest) == newest


def test_what_was_made_against_another_bundle_is_a_conflict(store: Store) -> None:
    bundles = BundleStore(store)
    put(bundles, "a")
    with pytest.raises(DispatchError) as caught:
        bundles.add([Draft(ref("b"), Action.LOAD)], 0, "")
    assert caught.value.kind is ErrorKind.BUNDLE_CONFLICT
    assert [one.version for one in bundles.history()] == ["a+0"]


def test_the_audit_vouches_for_every_revision(store: Store) -> None:
    bundles = BundleStore(store)
    put(bundles, "a")
    put(bundles, "b")
    with store.reading() as connection:
        report = verify(connection)
        ((actor, subject),) = connection.run("SELECT actor, subject FROM audit_events WHERE id = 2").fetchall()
    assert (list(report.flaws), report.events) == ([], 2)
    assert (actor, subject) == ("admin", "b+0")
