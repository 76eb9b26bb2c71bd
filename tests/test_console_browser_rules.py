"""Rules in a browser: read, searched, tried, and a new list checked, compared, put in force and taken back."""

from pathlib import Path
from typing import TYPE_CHECKING

from tests.console_browser import Console, file_of, see

if TYPE_CHECKING:
    from playwright.sync_api import Page

LIST = Path("configs/haikou/access_list.csv")
ROW = "ZJ-SH-014"  # what may not be led by a street: barbecues in the open


def send(page: "Page", name: str, content: str) -> None:
    """Choose a file as an administrator does."""
    with page.expect_file_chooser() as chosen:
        see(page, "rules-pick").click()
    chosen.value.set_files([file_of(name, content)])


def test_the_table_is_searched_and_a_row_opened_by_its_link(console: Console) -> None:
    page = console.sign_in("li", "/rules")
    page.keyboard.press("/")
    page.keyboard.type("露天烧烤")
    page.locator(f'[data-test=rules-rows] tr[data-row="{ROW}"]').wait_for()
    assert "q=" in page.url
    page.locator(f'tr[data-row="{ROW}"] a').click()
    see(page, "rules-card", "大气污染防治法")
    page.locator("tr.marked", has_text=ROW).wait_for()
    page.keyboard.press("x")
    page.get_by_test_id("rules-card").wait_for(state="detached")
    console.open(page, f"/rules?row={ROW}")
    see(page, "rules-card", ROW)
    console.open(page, "/rules?row=none")
    see(page, "rules-missing")


def test_who_may_lead_is_tried_by_typing(console: Console) -> None:
    page = console.sign_in("li", "/rules?view=try")
    see(page, "try-category").fill("ltsk")
    page.locator("#try-category-list [data-code]", has_text="露天烧烤").first.wait_for()
    page.keyboard.press("Enter")
    see(page, "trial-3", "不得主办")
    see(page, "trial-2", "可以主办")
    see(page, "try-place").fill("jmjd")
    page.locator("#try-place-list [data-code]", has_text="金贸街道").first.wait_for()
    page.keyboard.press("Enter")
    see(page, "trial", "金贸街道")
    assert ROW in see(page, "trial-3", ROW).inner_text()


def test_a_bad_list_is_refused_row_by_row_and_changes_nothing(console: Console) -> None:
    page = console.sign_in("admin", "/rules?view=upload")
    lines = LIST.read_text(encoding="utf-8").splitlines()
    lines[1] = lines[1].replace(",010301,", ",999999,")
    lines[2] = lines[2].replace(",基本,", ",随便,")
    send(page, "坏.csv", "\n".join(lines))
    assert "现行规则没有改变" in see(page, "check-verdict").inner_text()
    rows = page.locator("[data-test=check-errors] tbody tr")
    assert [row.split("\t")[0].strip() for row in rows.all_inner_texts()] == ["2", "3"]
    assert "999999" in rows.nth(0).inner_text()
    assert page.get_by_test_id("apply").count() == 0
    send(page, "<b>图.csv", "a,b\n1,2\n")
    see(page, "check-verdict", "未通过")
    assert page.locator("h2 b").count() == 0


def test_a_good_list_is_compared_put_in_force_and_taken_back(console: Console) -> None:
    page = console.sign_in("admin", "/rules?view=upload")
    text = LIST.read_text(encoding="utf-8")
    (line,) = [one for one in text.splitlines() if one.startswith(ROW)]
    send(page, "新.csv", text.replace(line, line.replace(",收回,城管,", ",基本,城管,")))
    see(page, "check-verdict", "尚未生效")
    see(page, "check-changes", "改动 1 行")
    see(page, "month-report")
    page.get_by_test_id("apply").click()
    assert page.get_by_test_id("applied").count() == 0  # not without a note
    see(page, "apply-note").fill("试行街道主办")
    page.keyboard.press("Enter")
    see(page, "applied", "已生效")
    console.open(page, f"/rules?row={ROW}")
    see(page, "rules-card", "基本")
    console.open(page, "/rules?view=versions")
    table = see(page, "versions-access_list", "试行街道主办")
    table.get_by_test_id("restore-open").first.click()
    table.get_by_test_id("restore-note").first.fill("撤回试行")
    page.keyboard.press("Enter")
    see(page, "versions-access_list", "撤回试行")
    console.open(page, f"/rules?row={ROW}")
    see(page, "rules-card", "收回")


def test_a_supervisor_cannot_upload(console: Console) -> None:
    page = console.sign_in("wang", "/rules?view=upload")
    see(page, "upload-role", "管理员")
    assert page.locator("input[type=file]").count() == 0
    console.open(page, "/rules?view=versions")
    see(page, "versions-access_list")
    assert page.get_by_test_id("restore-open").count() == 0
