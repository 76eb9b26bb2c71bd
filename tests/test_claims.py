import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import select

from dispatch_model.errors import DispatchError, ErrorKind
from serving.cases import claims as module
from serving.cases.claims import LEASE, Claims
from serving.store.audit import verify
from serving.store.schema import audit_events
from serving.store.schema import claims as table
from serving.store.seal import Seal
from serving.store.store import Store


@pytest.fixture
def claims(store: Store) -> Claims:
    return Claims(store)


def test_a_case_is_taken_by_one(claims: Claims) -> None:
    claim = claims.take("1", "zhang")
    assert (claim.case_id, claim.operator, claim.until - claim.since) == ("1", "zhang", LEASE)
    with pytest.raises(DispatchError, match="正由 zhang 办理") as caught:
        claims.take("1", "li")
    assert (caught.value.kind, caught.value.value) == (ErrorKind.CASE_TAKEN, "zhang")
    assert claim.since.strftime("%H:%M:%S") in caught.value.message
    assert claims.take("2", "li").operator == "li"
    assert {name: one.operator for name, one in claims.all().items()} == {"1": "zhang", "2": "li"}


def test_taken_again_it_is_renewed_and_ours_since_before(claims: Claims) -> None:
    first, again = claims.take("1", "zhang"), claims.take("1", "zhang")
    assert again.since == first.since
    assert again.until > first.until


def test_a_lease_ends_by_itself(store: Store) -> None:
    claims = Claims(store, timedelta(0))
    claims.take("1", "zhang")
    assert claims.all() == {}
    assert not claims.renew("1", "zhang")
    claim = Claims(store).take("1", "li")
    assert (claim.operator, Claims(store).all()) == ("li", {"1": claim})


def test_only_the_holder_renews_and_releases(claims: Claims) -> None:
    first = claims.take("1", "zhang")
    assert (claims.renew("1", "zhang"), claims.renew("1", "li"), claims.renew("2", "zhang")) == (True, False, False)
    assert claims.all()["1"].until > first.until
    claims.release("1", "li")
    assert claims.all()["1"].operator == "zhang"
    claims.release("1", "zhang")
    assert claims.all() == {}
    assert claims.take("1", "li").operator == "li"


def test_who_takes_over_is_audited(store: Store, claims: Claims) -> None:
    claims.take("1", "zhang", over=True)
    claims.take("1", "zhang", over=True)
    taken = claims.take("1", "li", over=True)
    assert claims.all() == {"1": taken}
    assert not claims.renew("1", "zhang")
    with store.reading() as connection:
        (event,) = connection.rows(select(audit_events))
        assert verify(connection).flaws == []
    assert (event["action"], event["subject"], event["actor"]) == ("takeover", "1", "console:li")
    details = json.loads(event["details"])
    assert (details["from"], details["to"]) == ("zhang", "li")


def test_what_ended_long_ago_is_forgotten(store: Store, claims: Claims, monkeypatch: pytest.MonkeyPatch) -> None:
    Claims(store, timedelta(0)).take("1", "zhang")
    claims.take("2", "li")
    monkeypatch.setattr(module, "_KEPT", timedelta(0))
    claims.take("3", "li")
    with store.reading() as connection:
        assert connection.rows(select(table.c.case_id).order_by(table.c.case_id)) == [
            {"case_id": "2"},
            {"case_id": "3"},
        ]


def test_of_many_that_race_one_wins(database_url: Path | str) -> None:
    """On two instances of the service, each with its own writer."""
    seal = Seal.of("a key for tests, of some length")
    stores = [Store.open(database_url, seal=seal, migrate="always") for _ in range(2)]
    ready = Barrier(8)

    def take(number: int) -> str:
        ready.wait(10)
        won = []
        for case in range(5):
            try:
                won.append(Claims(stores[number % 2]).take(str(case), f"operator-{number}").operator)
            except DispatchError as error:
                won.append("" if error.kind is ErrorKind.CASE_TAKEN else error.message)
        return ",".join(won)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(take, range(8)))
    held = Claims(stores[0]).all()
    for store in stores:
        store.close()
    for case in range(5):
        winners = [one.split(",")[case] for one in found]
        assert [name for name in winners if name] == [held[str(case)].operator]


def test_a_lease_taken_by_a_clock_that_was_put_back_holds_nobody_up(store: Store) -> None:
    Claims(store, 10 * LEASE).take("1", "zhang")  # ends as late as if it were taken some minutes from now
    claims = Claims(store)
    assert claims.all() == {}
    assert not claims.renew("1", "zhang")
    assert claims.take("1", "li").operator == "li"
