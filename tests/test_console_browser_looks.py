"""Every page in a browser, in both themes and on a phone: within its width, and fit for assistive software."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.console_browser import PHONE, Console, file_of, see, see_case
from tests.console_world import call

if TYPE_CHECKING:
    from playwright.sync_api import Page

BARBECUE = "龙华区金贸街道的烧烤店夜里十二点还在门口摆桌子，油烟大、吵得人睡不着，请城管来管一管。"
BAD = "id,matter,category,level,list,lead_function\nX-1,占道,999999,镇街,基本,城管\n"
Show = Callable[["Page", Console], None]


def queue(page: "Page", console: Console) -> None:
    console.open(page, "/")
    see(page, "queue")


def case(page: "Page", console: Console) -> None:
    before = console.case(BARBECUE, caller="looks")
    case_id = console.case(call(BARBECUE), caller="looks")
    console.api(lambda client: client.decide(before, {"action": "accept", "rank": 1, "operator": "zhou"}))
    console.open(page, f"/case/{case_id}")
    see_case(page, case_id)


def override(page: "Page", console: Console) -> None:
    case(page, console)
    page.keyboard.press("/")
    see(page, "unit-text").fill("jmjd")
    see(page, "forbidding-row")


def override_form(page: "Page", console: Console) -> None:
    override(page, console)
    page.keyboard.press("Enter")
    see(page, "force")


def consult(page: "Page", console: Console) -> None:
    case(page, console)
    page.keyboard.press("c")
    see(page, "form-consult")


def returned(page: "Page", console: Console) -> None:
    case_id = console.case(BARBECUE)
    console.api(lambda client: client.decide(case_id, {"action": "accept", "rank": 1, "operator": "zhou"}))
    console.api(lambda client: client.return_(case_id, {"reason": "职能不符", "note": "不归我们管"}))
    console.open(page, f"/case/{case_id}")
    see(page, "objection")
    page.keyboard.press("r")
    see(page, "form-review")


def done(page: "Page", console: Console) -> None:
    case(page, console)
    page.keyboard.press("1")
    see(page, "undo-bar")


def rules(page: "Page", console: Console) -> None:
    console.open(page, "/rules?row=ZJ-SH-014")
    see(page, "rules-card")


def trial(page: "Page", console: Console) -> None:
    console.open(page, "/rules?view=try&category=030705")
    see(page, "trial")


def upload(page: "Page", console: Console) -> None:
    console.open(page, "/rules?view=upload")
    page.locator("input[type=file]").set_input_files([file_of("坏.csv", BAD)])
    see(page, "check-errors")


def versions(page: "Page", console: Console) -> None:
    console.open(page, "/rules?view=versions")
    see(page, "versions-access_list")


def quality(page: "Page", console: Console) -> None:
    console.open(page, "/quality")
    see(page, "acceptance", "采纳")
    assert see(page, "top-1").inner_text().endswith("%")
    for part in ("returns", "calibration", "shadow", "desks"):
        see(page, part)


def labels(page: "Page", console: Console) -> None:
    console.open(page, "/labels")
    page.locator("header nav a[aria-current=page]", has_text="标注").wait_for()


def system(page: "Page", console: Console) -> None:
    console.open(page, "/system")
    for part in ("versions", "bundle", "shadow", "operators"):
        see(page, part)
    see(page, "operator-li", "派单员")


def keys(page: "Page", console: Console) -> None:
    queue(page, console)
    page.keyboard.press("?")
    page.locator("dialog#keys[open]").wait_for()


CASES = (queue, case, override, override_form, consult, returned, done)
PAGES = (*CASES, rules, trial, upload, versions, quality, labels, system, keys)


@pytest.mark.parametrize("show", PAGES, ids=lambda show: show.__name__)
def test_a_page_is_accessible_in_both_themes_and_fits_a_phone(console: Console, show: Show) -> None:
    page = console.sign_in("admin", "/login", color_scheme="light")
    show(page, console)
    found = [f"light: {one}" for one in faults(page)] + [f"wide: {one}" for one in too_wide(page)]
    page.emulate_media(color_scheme="dark")
    page.locator("body.body--dark").wait_for()
    found += [f"dark: {one}" for one in faults(page)]
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    found += [f"phone: {one}" for one in too_wide(page)]
    assert found == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_login_page_is_accessible_and_fits_a_phone(console: Console, theme: str) -> None:
    page = console.visit("/login", color_scheme=theme, viewport=PHONE)
    assert faults(page) == []
    assert too_wide(page) == []


def test_on_a_phone_a_case_is_decided_by_touch(console: Console) -> None:
    case_id = console.case(BARBECUE)
    page = console.sign_in("li", f"/?text={case_id}", viewport=PHONE, has_touch=True)
    page.locator(f'#queue a[data-case="{case_id}"]').tap()
    see_case(page, case_id)
    page.wait_for_function("window.socket?.connected")
    page.get_by_test_id("accept-1").tap()
    see(page, "undo-bar", case_id)
    page.get_by_test_id("undo").tap()
    see_case(page, case_id)
    assert console.state(case_id).state == "routed"


def faults(page: "Page") -> list[str]:
    """What axe-core holds to be serious or worse, contrast included."""
    from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]

    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{one['id']} {node['target']} {node['failureSummary']}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def too_wide(page: "Page") -> list[str]:
    """What reaches beyond the right edge of the page, if that makes it scroll."""
    beyond: list[str] = page.evaluate(
        """() => document.documentElement.scrollWidth <= window.innerWidth ? [] :
            [...document.querySelectorAll("body *")].filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
            .slice(0, 5).map((one) => one.outerHTML.slice(0, 160))"""
    )
    return beyond
