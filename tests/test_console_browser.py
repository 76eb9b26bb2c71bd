"""The console in a browser: who gets in, what others may not send it, and what is stored does no harm."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

from tests.console_browser import Console, fill_in, see, see_case

if TYPE_CHECKING:
    from playwright.sync_api import Page

BARBECUE = "龙华区金贸街道的烧烤店夜里十二点还在门口摆桌子，油烟大、吵得人睡不着。"
# What a caller's words would have to be to run as a script, if they ever reached the page as HTML.
HOSTILE = (
    "<script>window.harmed = 1</script><img src=x onerror='window.harmed = 1'>\"'><svg onload=window.harmed=1>{{7*7}}"
)
TURNED = "\u202e倒过来的字\u2066\u2067\u200f，然后接着说路灯不亮"


def test_signing_in_leads_to_the_page_that_was_wanted(console: Console) -> None:
    page = console.visit("/rules?view=try")
    assert "/console/login?next=" in page.url
    fill_in(page, "li")
    page.wait_for_url("**/console/rules?view=try")
    page.get_by_role("button", name="退出").click()
    page.wait_for_url("**/console/login")
    console.open(page, "/")
    assert "/console/login" in page.url


def test_a_wrong_password_is_refused_in_words(console: Console) -> None:
    page = console.visit("/login")
    fill_in(page, "li", "not-the-password")
    assert "登录名或密码" in page.get_by_role("alert").inner_text()
    assert page.input_value("#password") == ""
    assert [one["name"] for one in page.context.cookies()] == ["dispatch_console_form"]
    assert_only(console, "401")


def test_operators_do_not_see_what_is_for_supervisors(console: Console) -> None:
    page = console.sign_in("li")
    assert page.locator("header nav a").all_inner_texts() == ["工作台", "规则"]
    for path in ("/quality", "/labels", "/system"):
        answer = page.goto(f"{console.url}/console{path}")
        assert answer is not None
        assert answer.status == 403
        assert "主管" in page.inner_text("body")
    assert_only(console, "403")


def test_a_mistyped_address_is_told_in_chinese_with_the_way_back(console: Console) -> None:
    page = console.sign_in("li")
    answer = page.goto(f"{console.url}/console/gongdan")
    assert answer is not None
    assert answer.status == 404
    assert "没有这个页面" in page.inner_text("body")
    page.get_by_text("返回工作台").click()
    page.wait_for_url("**/console/")
    assert_only(console, "404")


def test_after_the_session_ended_a_step_is_refused_in_words(console: Console) -> None:
    page = console.visit("/login")
    fill_in(page, "zhou")
    page.wait_for_url("**/console/")
    case_id = console.case(BARBECUE)
    console.open(page, f"/case/{case_id}")
    see_case(page, case_id)
    left = page.request.post(f"{console.url}/console/logout", headers={"Origin": console.url})
    assert left.ok
    page.keyboard.press("1")
    page.get_by_text("重新登录").first.wait_for()
    assert console.state(case_id).decision is None
    console.open(page, f"/case/{case_id}")
    assert "/console/login" in page.url
    # The open page may have asked for more, and was told so.
    console.troubles[:] = [one for one in console.troubles if "status of 401" not in one]


def test_a_page_of_another_origin_can_send_nothing(console: Console) -> None:
    own = console.sign_in("admin")
    assert try_socket(own, console) == "open"
    foreign, target = own.context.new_page(), f"{console.url}/console/logout"
    # The same host on another port is the same site to SameSite: only the origin tells.
    with elsewhere() as address:
        foreign.goto(address)
        with foreign.expect_response(target) as answered:
            foreign.evaluate("url => fetch(url, {method: 'POST', mode: 'no-cors', credentials: 'include'})", target)
        assert answered.value.status == 403
        assert try_socket(foreign, console) == "error"
    console.open(own, "/system")
    assert "/console/system" in own.url


@contextmanager
def elsewhere() -> Iterator[str]:
    """The address of somebody else's page."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        server.daemon_threads = True  # a browser keeps connections open that it may need
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def try_socket(page: "Page", console: Console) -> str:
    url = f"{console.url.replace('http', 'ws')}/console/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
    told: str = page.evaluate(
        """url => new Promise((told) => {
            const socket = new WebSocket(url);
            socket.onopen = () => { socket.close(); told("open"); };
            socket.onerror = () => told("error");
        })""",
        url,
    )
    return told


def test_stored_words_never_become_part_of_the_page(console: Console) -> None:
    said = f"{HOSTILE}{TURNED}，在美兰区海甸街道，请派人检修。"
    case_id = console.case([{"speaker": "citizen", "text": said}], caller=HOSTILE[:40])
    note = {"action": "ask", "question": said, "note": said, "operator": HOSTILE[:60]}
    console.api(lambda client: client.step(case_id, note))
    page = console.sign_in("wang", f"/?state=asked&text={case_id}")
    page.locator(f'#queue a[data-case="{case_id}"]', has_text="<script>").wait_for()
    assert_harmless(page)
    console.open(page, f"/case/{case_id}")
    shown = see(page, "transcript", "<script>window.harmed = 1</script>")
    see(page, "history", "<img src=x onerror=")
    assert "{{7*7}}" in shown.inner_text()
    assert_harmless(page)
    page.keyboard.press("/")
    see(page, "unit-text").fill(HOSTILE[:60])
    see(page, "found", "没有找到")
    assert_harmless(page)
    console.open(page, "/quality")
    see(page, "acceptance")
    assert_harmless(page)


def assert_harmless(page: "Page") -> None:
    """Nothing of it ran, and nothing turns round what stands beside it."""
    page.wait_for_timeout(50)
    assert page.evaluate("window.harmed === undefined")
    assert page.locator("main script, main img, main svg[onload]").count() == 0
    assert not re.search("[\u200e\u200f\u202a-\u202e\u2066-\u2069]", page.inner_text("main"))


def test_twenty_thousand_characters_are_shown_in_place(console: Console) -> None:
    said = "一二三四五六七八九，路灯不亮。" * 1300 + "A" * 498 + "末了"
    case_id = console.case(said)
    page = console.sign_in("li", f"/case/{case_id}")
    shown = see(page, "transcript")
    assert shown.inner_text().endswith("末了")
    assert len(shown.inner_text()) == 20_000
    box = shown.bounding_box()
    assert box is not None
    assert box["height"] < 900
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.keyboard.press("s")
    page.locator(f'[data-test=case]:not([data-case="{case_id}"])').wait_for()


def test_a_number_without_a_case_is_said_on_the_page(console: Console) -> None:
    page = console.sign_in("li", "/case/%3Cb%3Enone")
    assert "<b>none" in see(page, "missing").inner_text()


def test_the_keys_of_every_page(console: Console) -> None:
    page = console.sign_in("wang", color_scheme="light")
    page.keyboard.press("?")
    page.locator("dialog#keys[open]").wait_for()
    page.keyboard.press("Escape")
    page.locator("dialog#keys[open]").wait_for(state="detached")
    for key, path in (("r", "/rules"), ("q", "/quality"), ("s", "/system"), ("w", "/")):
        page.keyboard.press("g")
        page.keyboard.press(key)
        page.wait_for_url(f"**/console{path}")
        page.wait_for_function("window.socket?.connected")


def test_the_theme_is_toggled_and_kept(console: Console) -> None:
    page = console.sign_in("li", color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(ground)
    page.keyboard.press("t")
    page.locator("body.body--dark").wait_for()
    assert page.evaluate(ground) != before
    console.open(page, "/rules")
    page.locator("body.body--dark").wait_for()
    page.get_by_role("button", name="明暗").click()
    page.locator("body:not(.body--dark)").wait_for()
    assert page.evaluate(ground) == before


def assert_only(console: Console, status: str) -> None:
    """No trouble but the answers of that status, which the browser tells of too."""
    assert console.troubles
    assert [one for one in console.troubles if f"status of {status}" not in one] == []
    console.troubles.clear()
