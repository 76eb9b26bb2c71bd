"""Operators at work in a browser: the queue, a case, every step by key, and two who want the same case."""

from typing import TYPE_CHECKING

from tests.console_browser import Console, see, see_case

if TYPE_CHECKING:
    from playwright.sync_api import Page

BARBECUE = "龙华区金贸街道的烧烤店夜里十二点还在门口摆桌子，油烟大、吵得人睡不着，请城管来管一管。"
LAMPS = "美兰区海甸街道的路灯连着十几盏不亮，晚上走路很怕，请派人检修。"
FORBIDDEN = "海口市龙华区金贸街道办事处"


def decisions(console: Console, case_id: str) -> list[str]:
    """The units a case was sent to, by `operator`."""
    history = console.state(case_id).history
    return [f"{one.operator} {one.unit.name}" for one in history if one.event in ("decision", "redispatch")]


def at_case(console: Console, login: str, case_id: str) -> "Page":
    page = console.sign_in(login, f"/case/{case_id}")
    see_case(page, case_id)
    return page


def wait_state(page: "Page", state: str) -> None:
    page.locator(f'[data-test=case][data-state="{state}"]').wait_for()


def test_two_keys_lead_from_the_queue_to_a_decision_and_on_to_the_next_case(console: Console) -> None:
    page = console.sign_in("li")
    page.wait_for_function("document.activeElement.dataset.case")
    case_id = page.evaluate("document.activeElement.dataset.case")
    page.keyboard.press("Enter")
    see_case(page, case_id)
    page.wait_for_function("window.socket?.connected")
    page.keyboard.press("1")
    page.locator(f'[data-test=case]:not([data-case="{case_id}"])').wait_for()
    first = console.state(case_id).routing.suggestions[0]
    assert decisions(console, case_id) == [f"li {first.unit.name}"]
    assert case_id in see(page, "undo-bar").inner_text()
    shown = str(page.locator("[data-test=case]").get_attribute("data-case"))
    assert shown in page.url
    assert shown in page.title()


def test_the_queue_moves_by_key_keeps_its_filters_and_says_who_works_on_what(console: Console) -> None:
    case_id = console.case(LAMPS)
    page = console.sign_in("zhou")
    page.wait_for_function("document.activeElement.dataset.case")
    first = page.evaluate("document.activeElement.dataset.case")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.dataset.case") != first
    page.keyboard.press("k")
    assert page.evaluate("document.activeElement.dataset.case") == first
    page.keyboard.press("/")
    page.keyboard.type(case_id)
    page.wait_for_function("document.querySelectorAll('#queue tbody tr').length === 1")
    assert f"text={case_id}" in page.url
    at_case(console, "li", case_id)
    page.locator("#queue tr.taken", has_text="李明").wait_for()


def test_z_takes_back_what_was_just_done(console: Console) -> None:
    case_id = console.case(BARBECUE)
    page = at_case(console, "li", case_id)
    page.keyboard.press("1")
    see(page, "undo-bar", case_id)
    assert len(decisions(console, case_id)) == 1
    page.keyboard.press("z")
    see_case(page, case_id)
    wait_state(page, "routed")
    view = console.state(case_id)
    assert view.decision is None
    assert view.state == "routed"
    see(page, "history", "已撤销")
    page.keyboard.press("z")
    page.get_by_text("没有可撤销的").first.wait_for()


def test_a_unit_is_found_as_operators_type_it(console: Console) -> None:
    page = at_case(console, "li", console.case(BARBECUE))
    page.keyboard.press("/")
    for typed in ("lhcg", "longhuacg", "龙华城管", "龙华cg"):
        see(page, "unit-text").fill("")
        page.locator("#found [data-code]").first.wait_for(state="detached")
        see(page, "unit-text").fill(typed)
        page.locator("#found [aria-selected=true]", has_text="海口市龙华区综合行政执法局").wait_for()
        see(page, "standing", "可派")


def test_an_override_by_keyboard(console: Console) -> None:
    case_id = console.case(BARBECUE)
    page = at_case(console, "li", case_id)
    page.keyboard.press("/")
    see(page, "unit-text")
    page.keyboard.type("hkzhxz")
    page.keyboard.press("Enter")
    see(page, "form-override", "海口市综合行政执法局")
    page.keyboard.press("Enter")
    see(page, "undo-bar", "海口市综合行政执法局")
    assert decisions(console, case_id) == ["li 海口市综合行政执法局"]


def test_a_forbidden_unit_is_refused_with_the_row_and_its_link_leads_to_the_row(console: Console) -> None:
    case_id = console.case(BARBECUE)
    page = at_case(console, "li", case_id)
    page.keyboard.press("/")
    see(page, "unit-text").fill("jmjd")
    row = see(page, "forbidding-row").inner_text()
    page.keyboard.press("Enter")
    see(page, "form-override", FORBIDDEN)
    assert page.get_by_test_id("force").count() == 0
    page.keyboard.press("Enter")
    said = see(page, "alert", row).inner_text()
    assert "收回" in said
    assert decisions(console, case_id) == []
    with page.context.expect_page() as opened:
        page.get_by_test_id("forbidding-row").click()
    rules = opened.value
    see(rules, "rules-card", row)
    rules.locator("tr.marked", has_text=row).wait_for()


def test_a_supervisor_forces_it_with_a_reason(console: Console) -> None:
    case_id = console.case(BARBECUE)
    page = at_case(console, "wang", case_id)
    page.keyboard.press("/")
    see(page, "unit-text").fill("jmjd")
    see(page, "forbidding-row")
    page.keyboard.press("Enter")
    see(page, "force").check()
    page.keyboard.press("Control+Enter")
    see(page, "alert", "理由")
    page.get_by_test_id("note").fill("区局来函委托街道办理")
    page.keyboard.press("Control+Enter")
    see(page, "undo-bar", "强制")
    entry = console.state(case_id).decision
    assert entry.forced
    assert entry.unit.name == FORBIDDEN


def test_consulting_and_asking_by_key(console: Console) -> None:
    case_id = console.case(BARBECUE)
    page = at_case(console, "li", case_id)
    page.keyboard.press("c")
    see(page, "form-consult")
    page.keyboard.press("Control+Enter")
    see(page, "undo-bar", "会商")
    view = console.state(case_id)
    assert view.state == "consulting"
    assert len(view.history[-1].units) == 2
    console.open(page, f"/case/{case_id}")
    page.keyboard.press("n")
    see(page, "question").fill("是哪一家店")
    page.keyboard.press("Control+Enter")
    see(page, "undo-bar", "待补充")
    view = console.state(case_id)
    assert view.state == "asked"
    assert view.history[-1].question.endswith("是哪一家店")


def test_m_merges_into_what_the_caller_said_before(console: Console) -> None:
    before = console.case(LAMPS, caller="caller-of-lamps")
    case_id = console.case(f"{LAMPS}前天打过电话了。", caller="caller-of-lamps")
    page = at_case(console, "li", case_id)
    see(page, "repeats", before)
    page.keyboard.press("m")
    see(page, "undo-bar", f"已并入工单 {before}")
    assert console.state(case_id).merged_into == before


def test_a_return_is_entered_reviewed_and_decided_anew_by_key(console: Console) -> None:
    case_id = console.case(BARBECUE)
    console.api(lambda client: client.decide(case_id, {"action": "accept", "rank": 1, "operator": "zhou"}))
    page = at_case(console, "li", case_id)
    page.keyboard.press("r")
    see(page, "form-return")
    page.keyboard.press("Control+Enter")
    wait_state(page, "returned")
    page.locator("#step:not([open])").wait_for(state="attached")
    page.keyboard.press("r")
    see(page, "form-review")
    page.keyboard.press("Space")
    page.keyboard.press("Control+Enter")
    wait_state(page, "redispatch")
    page.locator("#step:not([open])").wait_for(state="attached")
    page.keyboard.press("2")
    see(page, "undo-bar", "已重派往")
    assert [one.event for one in console.state(case_id).history] == [
        "dispatch",
        "decision",
        "return",
        "review",
        "redispatch",
    ]


def test_s_skips_and_b_leads_back(console: Console) -> None:
    case_id = console.case(BARBECUE)
    page = at_case(console, "li", case_id)
    page.keyboard.press("s")
    page.locator(f'[data-test=case]:not([data-case="{case_id}"])').wait_for()
    page.keyboard.press("b")
    see(page, "queue")
    assert decisions(console, case_id) == []


def test_the_second_operator_sees_who_has_the_case_and_decides_nothing(console: Console) -> None:
    case_id = console.case(BARBECUE)
    first = at_case(console, "li", case_id)
    second = at_case(console, "zhou", case_id)
    see(second, "held", "李明")
    assert second.get_by_test_id("accept-1").count() == 0
    second.keyboard.press("1")
    second.get_by_text("正由李明办理").nth(1).wait_for()
    assert decisions(console, case_id) == []
    first.keyboard.press("1")
    see(first, "undo-bar", case_id)
    assert [one.split()[0] for one in decisions(console, case_id)] == ["li"]


def test_of_two_who_decide_at_once_one_does(console: Console) -> None:
    case_id = console.case(BARBECUE)
    first = at_case(console, "li", case_id)
    supervisor = at_case(console, "wang", case_id)
    see(supervisor, "take_over").click()
    supervisor.locator("[data-test=held]").wait_for(state="detached")
    # The first has not heard yet that the case was taken over.
    first.keyboard.press("1")
    supervisor.keyboard.press("2")
    see(supervisor, "undo-bar", case_id)
    first.locator(".q-notification").first.wait_for()
    assert [one.split()[0] for one in decisions(console, case_id)] == ["wang"]
