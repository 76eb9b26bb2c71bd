"""The page of suspect labels in a browser: settled by key, taken back, and nothing that was said runs."""

from dataclasses import replace
from pathlib import Path

import pytest

from dispatch_model.settled_label import in_force, read_settled
from dispatch_model.suspect import write_suspects
from tests.console_browser import PHONE, Console, see
from tests.test_suspect import ONE


@pytest.fixture
def data(console: Console) -> Path:
    """The data folder of the service, with three suspects."""
    folder: Path = console.service.settings.data_dir
    (folder / "settled.csv").unlink(missing_ok=True)
    hostile = "<img src=x onerror='window.harmed = 1'>"
    kinds = replace(ONE, id="k", field="kind", given="求助", proposed="投诉", text=hostile, repeats="", beside="")
    write_suspects(folder / "suspects.csv", [ONE, kinds, replace(ONE, id="z")])
    return folder


def test_a_list_is_settled_by_key_and_taken_back(console: Console, data: Path) -> None:
    page = console.sign_in("wang", "/labels")
    see(page, "proposed", "水务")
    page.keyboard.press("2")
    see(page, "proposed", "投诉")
    page.keyboard.press("1")
    see(page, "progress", "已定案 2 条")
    page.keyboard.press("z")
    see(page, "progress", "已定案 1 条")
    see(page, "given", "求助")
    page.keyboard.press("x")
    see(page, "progress", "已定案 2 条")
    page.keyboard.press("s")
    see(page, "done", "其余的都跳过了")
    held = in_force(read_settled(data / "settled.csv"))
    assert [(line.action, line.after, line.by) for line in held.values()] == [
        ("change", "水务", "wang"),
        ("drop", "", "wang"),
    ]
    assert page.evaluate("window.harmed") is None


def test_another_label_is_chosen_from_the_list_with_a_note(console: Console, data: Path) -> None:
    page = console.sign_in("wang", "/labels?field=function")
    see(page, "proposed", "水务")
    page.get_by_test_id("note").fill("问过公安")
    page.keyboard.press("Tab")
    page.get_by_test_id("other").fill("公安")
    page.get_by_test_id("other").press("Enter")
    see(page, "progress", "已定案 1 条")
    (line,) = read_settled(data / "settled.csv")
    assert (line.after, line.note) == ("公安", "问过公安")


def test_the_key_for_another_label_leads_into_the_field(console: Console, data: Path) -> None:
    page = console.sign_in("wang", "/labels")
    see(page, "proposed", "水务")
    page.keyboard.press("/")
    page.wait_for_function("document.activeElement.id === 'label-other'")
    page.keyboard.type("没有这个")
    page.keyboard.press("Enter")
    page.get_by_text("请从列表中选").wait_for()
    assert read_settled(data / "settled.csv") == []


@pytest.mark.usefixtures("data")
def test_it_fits_a_phone(console: Console) -> None:
    page = console.sign_in("wang", "/labels", viewport=PHONE)
    see(page, "proposed", "水务")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
