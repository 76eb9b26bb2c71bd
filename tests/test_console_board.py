from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dispatch_model.cases import Disposition
from dispatch_model.labels import LabelMaps
from serving.cases.claims import Claims
from serving.cases.desk import CaseDesk
from serving.cases_wire import Accept, Ask, Consult, Merge, Return, Review, State, Undo
from serving.console import board as board_module
from serving.console.board import Board, Filters
from serving.engine import Engine
from serving.guard.guard import LOCAL
from serving.masking import mask
from serving.routing import Router
from serving.store import erasure
from serving.store.store import Store
from tests.canned import SUGGESTION

ACCEPT = Accept(action="accept")
RETURN = Return.model_validate({"reason": "职能不符"})
UPHELD = Review.model_validate({"verdict": "upheld"})
REJECTED = Review.model_validate({"verdict": "rejected"})


class Silent:
    def decided(self, function: str, action: str) -> None: ...

    def returned(self, function: str, reason: str) -> None: ...

    def stepped(self, function: str, action: str) -> None: ...


@pytest.fixture
def desk(store: Store, ruled: Router) -> Iterator[CaseDesk]:
    engine = Engine(ruled, store, mask)
    yield CaseDesk(engine, store, Silent())
    engine.close()


@pytest.fixture
def claims(store: Store) -> Claims:
    return Claims(store)


@pytest.fixture
def board(store: Store, claims: Claims, maps: LabelMaps) -> Board:
    return Board(store, claims, maps)


def ids(board: Board, filters: Filters | None = None) -> list[str]:
    board.refresh(at_once=True)
    return [one.case_id for one in board.rows(filters or Filters())]


def due(days: int, **changes: Any) -> dict[str, Any]:
    at = datetime.now(UTC) + timedelta(days=days)
    return {"suggestions": (SUGGESTION.model_copy(update={"due_at": at}),), **changes}


def happen(desk: CaseDesk) -> dict[str, State]:
    """One thing to every case of `routed_all`; what each then waits for."""
    desk.consult("consulting", Consult(action="consult", supervisor=True), LOCAL)
    desk.ask("asked", Ask(action="ask", question="在哪里"), LOCAL)
    desk.merge("merged", Merge(action="merge", into="routed"), LOCAL)
    for case_id in ("decided", "returned", "upheld", "rejected", "again"):
        desk.decide(case_id, ACCEPT, LOCAL)
    for case_id in ("returned", "upheld", "rejected", "again"):
        desk.send_back(case_id, RETURN, LOCAL)
    desk.review("upheld", UPHELD, LOCAL)
    desk.review("rejected", REJECTED, LOCAL)
    desk.review("again", UPHELD, LOCAL)
    desk.decide("again", ACCEPT.model_copy(update={"note": "重派"}), LOCAL)
    taken_back = desk.decide("undone", ACCEPT, LOCAL)
    desk.undo("undone", Undo(action="undo", event="decision", id=taken_back.id), LOCAL)
    return {
        "routed": State.ROUTED,
        "undone": State.ROUTED,
        "consulting": State.CONSULTING,
        "asked": State.ASKED,
        "returned": State.RETURNED,
        "upheld": State.REDISPATCH,
    }


@pytest.fixture
def routed_all(routed: Callable[..., None]) -> None:
    for case_id in ("routed", "decided", "undone", "consulting", "asked", "merged", "returned", "upheld", "rejected"):
        routed(case_id)
    routed("again")
    routed("auto", answer={"disposition": Disposition.AUTO})


@pytest.mark.usefixtures("routed_all")
def test_following_and_loading_come_to_the_same(
    board: Board, desk: CaseDesk, store: Store, claims: Claims, maps: LabelMaps
) -> None:
    assert len(ids(board)) == 10
    waits = happen(desk)
    board.refresh(at_once=True)
    fresh = Board(store, claims, maps)
    fresh.refresh()
    for one in (board, fresh):
        assert {case_id: line.state for case_id in waits if (line := one.find(case_id))} == waits
        counts = one.counts()
        assert (counts["all"], counts["consulting"], counts["asked"], counts["returned"]) == (3, 1, 1, 1)
        assert sum(counts[state] for state in State) == len(waits)
    assert sorted(board.rows(), key=str) == sorted(fresh.rows(), key=str)


def test_the_revision_moves_only_with_what_is_seen(
    board: Board, desk: CaseDesk, claims: Claims, routed: Callable[..., None]
) -> None:
    routed("1")
    first = board.refresh(at_once=True)
    assert board.refresh(at_once=True) == first
    routed("2", answer={"disposition": Disposition.AUTO})
    assert board.refresh(at_once=True) == first
    claims.take("1", "li")
    second = board.refresh(at_once=True)
    assert second > first
    claims.renew("1", "li")
    assert board.refresh(at_once=True) == second
    desk.decide("1", ACCEPT, LOCAL)
    assert board.refresh(at_once=True) > second
    assert (board.rows(), board.find("1")) == ([], None)


def test_between_two_looks_half_a_second_passes(board: Board, routed: Callable[..., None]) -> None:
    board.refresh()
    routed("1")
    board.refresh()
    assert board.find("1") is None
    board.refresh(at_once=True)
    assert board.find("1")


def test_the_most_pressing_comes_first(board: Board, routed: Callable[..., None]) -> None:
    routed("later", answer=due(9))
    routed("soon", answer=due(1))
    routed("late", answer=due(-2))
    routed("urgent", answer=due(5, disposition=Disposition.EMERGENCY))
    assert ids(board) == ["urgent", "late", "soon", "later"]
    assert ids(board, Filters(disposition="emergency")) == ["urgent"]
    counts = board.counts()
    assert (counts["all"], counts["urgent"], counts["overdue"], counts["suggest"]) == (4, 1, 1, 3)
    assert (board.districts(), board.functions()) == (["龙华区"], ["城管"])


def test_who_works_on_a_case_is_told(board: Board, claims: Claims, routed: Callable[..., None]) -> None:
    routed("1")
    claims.take("1", "li")
    board.refresh(at_once=True)
    found = board.find("1")
    assert found
    assert found.claim
    assert found.claim.operator == "li"
    assert board.rows() == [found]


def test_next_goes_down_the_list_and_starts_again(
    board: Board, desk: CaseDesk, claims: Claims, routed: Callable[..., None]
) -> None:
    for days in (1, 2, 3, 4):
        routed(str(days), answer=due(days))
    assert ids(board) == ["1", "2", "3", "4"]
    claims.take("3", "zhou")
    desk.decide("2", ACCEPT, LOCAL)
    board.refresh(at_once=True)
    assert board.next_after("2", "li") == "4"
    assert board.next_after("2", "zhou") == "3"
    assert board.next_after("4", "li") == "1"
    assert board.next_after("unknown", "li") == "1"
    assert board.next_after("1", "li", Filters(text="1")) is None


def test_danger_goes_before_the_list_but_can_be_left(board: Board, routed: Callable[..., None]) -> None:
    routed("1", answer=due(1))
    routed("2", answer=due(2))
    for number in "ab":
        routed(number, answer={"disposition": Disposition.EMERGENCY})
    board.refresh(at_once=True)
    path = ["1"]
    for _ in range(4):
        path.append(board.next_after(path[-1], "li") or "")
    assert path == ["1", "a", "b", "1", "2"]
    assert board.next_after("1", "zhou") == "a"


def test_beyond_the_most_the_newest_are_kept_and_the_rest_comes_up(
    board: Board, desk: CaseDesk, routed: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board_module, "MOST", 2)
    for number in "123":
        routed(number)
    assert sorted(ids(board)) == ["2", "3"]
    assert board.cut
    desk.decide("2", ACCEPT, LOCAL)
    assert ids(board) == ["3"]
    desk.decide("3", ACCEPT, LOCAL)
    assert ids(board) == ["1"]
    assert not board.cut


def test_after_a_flood_the_queue_is_read_anew(
    board: Board, desk: CaseDesk, routed: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(board_module, "_FOLLOWED", 2)
    routed("0")
    board.refresh(at_once=True)
    for number in "1234":
        routed(number)
    desk.decide("0", ACCEPT, LOCAL)
    assert sorted(ids(board)) == ["1", "2", "3", "4"]


def test_what_was_erased_is_erased_here_too(board: Board, store: Store, routed: Callable[..., None]) -> None:
    routed("1")
    board.refresh(at_once=True)
    store.write(lambda connection: erasure.erase(connection, ["1"], actor="admin"))
    board.refresh(at_once=True)
    found = board.find("1")
    assert found
    assert found.summary == ""
