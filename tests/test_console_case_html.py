from dataclasses import replace

from serving.cases_wire import State
from serving.console.case_html import call, case_html, case_url, said_html, shown_call
from serving.console.case_work import Shown
from serving.console.filters import Filters
from serving.console.transcript_view import Segment, SpokenTurn
from serving.console.undo_bar import Doing, UndoBar
from tests.case_pages import page, repeat

EVIL = '<script>alert("x")</script>\u202e'


def test_a_case_that_waits_offers_all_its_keys() -> None:
    html = case_html(Shown(page("u1", "u2", repeats=(repeat("0"),))), is_supervisor=False)
    for name in ("accept-1", "accept-2", "override", "consult", "ask", "merge", "merge-1", "skip", "back"):
        assert f'data-test="{name}"' in html
    assert 'data-test="return"' not in html
    assert 'data-case="1"' in html


def test_one_that_another_has_can_only_be_read() -> None:
    held = Shown(page(repeats=(repeat("0"),)), holder="周岚")
    html = case_html(held, is_supervisor=False)
    assert "正由周岚办理" in html
    assert not any(f'data-test="{name}' in html for name in ("accept", "override", "merge-", "take_over"))
    assert 'data-test="take_over"' in case_html(held, is_supervisor=True)


def test_one_that_was_sent_offers_a_correction_and_a_return() -> None:
    actions = frozenset({"accept", "override", "return"})
    sent = page(state=State.DISPATCHED, state_name="已派单", actions=actions, replaces=3)
    html = case_html(Shown(sent), is_supervisor=False)
    assert "更正 <kbd>/</kbd>" in html
    assert 'data-test="return"' in html
    assert 'data-test="accept' not in html


def test_what_people_wrote_stays_text() -> None:
    turns = (SpokenTurn("citizen", "市民", (Segment(EVIL), Segment(EVIL, "cue model", EVIL))),)
    evil = page(turns=turns, summary=EVIL, address=EVIL, repeats=(replace(repeat('"><b>'), summary=EVIL),))
    html = case_html(Shown(evil), is_supervisor=False) + said_html(EVIL, EVIL)
    assert "<script" not in html
    assert "\u202e" not in html
    assert '"><b>' not in html


def test_twenty_thousand_characters_are_one_paragraph() -> None:
    turns = (SpokenTurn("", "", (Segment("长" * 20_000),)),)
    assert case_html(Shown(page(turns=turns)), is_supervisor=False).count("长") == 20_000


def test_when_none_is_left_the_page_says_so() -> None:
    html = case_html(Shown(None), is_supervisor=False)
    assert 'data-test="through"' in html
    assert 'data-case=""' in html


def test_the_bar_says_what_was_done_and_what_can_go_back() -> None:
    assert said_html("") == ""
    assert "撤销" not in said_html("工单 1 退单成立")
    both = said_html("工单 2 的决定已撤销", "工单 1 已派往路灯所")
    assert "还可撤销：工单 1 已派往路灯所" in both
    assert "还可撤销" not in said_html("工单 1 已派往路灯所", "工单 1 已派往路灯所")


def test_the_address_keeps_the_queue() -> None:
    filters = Filters(disposition="ask")
    assert case_url(replace(page(), case_id="a/b?c"), filters) == "/console/case/a%2Fb%3Fc?disposition=ask"
    assert case_url(None, Filters()) == "/console/"


def test_a_call_ends_no_script() -> None:
    assert call("alert", '</script>"') == 'caseDesk.alert("\\u003c/script>\\"")'
    bar = UndoBar(lambda: 0.0)
    bar.push(Doing("1", "ask", 1, ""))
    told = shown_call(page(), Filters(), bar)
    assert told.startswith('caseDesk.shown("/console/case/1", ')
    assert told.endswith(", 10.0)")
