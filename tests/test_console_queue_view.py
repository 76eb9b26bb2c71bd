from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from dispatch_model.cases import CHINA_TIME, Disposition
from dispatch_model.labels import LabelMaps
from serving.cases.claims import Claims
from serving.console.board import Board, Filters
from serving.console.queue_view import case_path, drawn, due_words, look, queue_view
from serving.store.store import Store

NOW = datetime(2026, 5, 10, 9, tzinfo=CHINA_TIME)


@pytest.fixture
def board(store: Store, maps: LabelMaps) -> Board:
    return Board(store, Claims(store), maps)


@pytest.mark.parametrize(
    ("late", "told"),
    [
        (timedelta(days=2, hours=3), ("已超期 2 天", "bad")),
        (timedelta(hours=5), ("已超期 5 小时", "bad")),
        (timedelta(minutes=5), ("已超期 不足 1 小时", "bad")),
        (timedelta(hours=-9), ("今天 18:00 到期", "warn")),
        (timedelta(hours=-33), ("明天 18:00 到期", "warn")),
        (timedelta(days=-3), ("5月13日（3 天后）", "")),
    ],
)
def test_a_deadline_in_words(late: timedelta, told: tuple[str, str]) -> None:
    assert due_words(NOW - late, NOW.astimezone(UTC)) == told


def test_no_deadline_is_said() -> None:
    assert due_words(None, NOW) == ("无时限", "")


def test_a_number_with_a_slash_stays_one_part_of_the_path() -> None:
    assert case_path("a/b?c", Filters(text="灯").query) == "/case/a%2Fb%3Fc?text=%E7%81%AF"
    assert case_path("1", "") == "/case/1"


def test_the_view_tells_who_has_what(board: Board, store: Store, routed: Callable[..., None]) -> None:
    for number in "123":
        routed(number)
    claims = Claims(store)
    claims.take("1", "li")
    claims.take("2", "zhou")
    board.refresh()
    view = queue_view(board, Filters(), {"li": "李明"}, "li", NOW)
    assert [(line.case.case_id, line.holder, line.mine) for line in view.lines] == [
        ("1", "李明", True),
        ("2", "zhou", False),
        ("3", "", False),
    ]
    assert (view.tabs, view.dispositions, view.total, view.more) == ((3, 0, 0, 0), (("建议", 3),), 3, 0)
    html = drawn(view).table
    assert html.count("data-case=") == 3
    assert "李明" not in html.split("</tr>")[2]
    assert "本人办理中" in html
    assert "zhou</bdi> 办理中" in html


def test_only_so_many_lines_are_drawn(board: Board, routed: Callable[..., None]) -> None:
    for number in "123":
        routed(number, answer={"disposition": Disposition.EMERGENCY})
    board.refresh()
    view = queue_view(board, Filters(), {}, "li", NOW, 2)
    assert (len(view.lines), view.total, view.more, view.urgent) == (2, 3, 1, frozenset("123"))


def test_nothing_stored_becomes_markup(board: Board, store: Store, routed: Callable[..., None]) -> None:
    routed("<i>1</i>", answer={"transcript": '<script>alert("x")</script>\u202e翻转'})
    html = look(board, store, Filters(text="<script>"), "li").table
    assert "&lt;script&gt;" in html
    assert "<script" not in html
    assert "\u202e" not in html
    assert "<i>" not in html


def test_an_empty_queue_says_so(board: Board, store: Store) -> None:
    shown = look(board, store, Filters(), "li")
    assert 'data-test="empty"' in shown.table
    assert 'data-test="count-all">0<' in shown.head


def test_more_cases_than_are_kept_is_said(board: Board) -> None:
    view = queue_view(board, Filters(), {}, "li", NOW)
    assert 'data-test="cut"' not in drawn(view).table
    assert 'data-test="cut"' in drawn(replace(view, cut=True)).table
