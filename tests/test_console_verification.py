from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from dispatch_model.errors import DispatchError, ErrorKind
from serving.console.verification import Verifier
from serving.store.connection import Connection
from serving.store.store import Store


def test_a_whole_chain_is_found_whole_and_remembered(store: Store, routed: Callable[..., None]) -> None:
    routed("1")
    verifier = Verifier(store)
    assert verifier.last is None
    found = verifier.run("console:wang")
    assert (found.by, found.flawed) == ("console:wang", 0)
    assert found.lines[-1].startswith("链头 1:")
    assert verifier.last == found


def test_a_chain_that_was_edited_is_found_out(store: Store, routed: Callable[..., None]) -> None:
    routed("1")
    store.write(lambda connection: connection.run("UPDATE cases SET city = '别处'"))
    found = Verifier(store).run("console:wang")
    assert found.flawed == 1
    assert "cases 的工单 1 被改动" in found.lines[0]


def test_only_one_check_runs_at_a_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    verifier, reading, refused = Verifier(store), store.reading, list[ErrorKind]()

    @contextmanager
    def second() -> Iterator[Connection]:
        assert verifier.running
        with pytest.raises(DispatchError) as caught:
            verifier.run("console:admin")
        refused.append(caught.value.kind)
        with reading() as connection:
            yield connection

    monkeypatch.setattr(store, "reading", second)
    verifier.run("console:wang")
    assert refused == [ErrorKind.OVERLOADED]
    assert not verifier.running
