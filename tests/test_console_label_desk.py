from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from dispatch_model.cases import Case
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LabelMaps
from dispatch_model.settled_label import read_settled
from dispatch_model.suspect import Suspect, write_suspects
from serving.console.label_desk import ERASED, LabelDesk
from serving.console.templates import render
from serving.store import erasure
from serving.store.record import Content, Record
from serving.store.store import Store
from tests.canned import CannedRouter
from tests.test_suspect import ONE

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def desk(tmp_path: Path, store: Store, maps: LabelMaps) -> LabelDesk:
    """Three suspects: of function, of category, and one whose text is in the store only."""
    work = replace(ONE, id="work-d7-w1", field="level", given="区", proposed="市", text="", why="model")
    other = replace(ONE, id="b", field="category", given="030501", proposed="0307", beside="", repeats="")
    write_suspects(tmp_path / "suspects.csv", [ONE, other, work])
    return LabelDesk(tmp_path, store, maps)


def shown_of(desk: LabelDesk, field: str = "") -> Suspect:
    shown, _ = desk.next(field)
    assert shown is not None
    return shown.suspect


def test_the_most_suspect_comes_first_with_its_words(desk: LabelDesk) -> None:
    shown, progress = desk.next()
    assert shown is not None
    assert shown.suspect == ONE
    assert (shown.place, shown.field, shown.why) == (1, "应办职能", "与模型判断不符，且同文标注矛盾")
    assert (shown.given.name, shown.proposed.name) == ("城管", "水务")
    assert shown.others["诉求类别"].name.startswith("030501 ")
    assert (progress.total, progress.settled) == (3, 0)


def test_settling_goes_on_to_the_next_and_is_written_down(desk: LabelDesk, tmp_path: Path) -> None:
    desk.settle(ONE, "change", by="wang", after="水务", note="河道归水务")
    assert shown_of(desk).id == "b"
    (line,) = read_settled(tmp_path / "settled.csv")
    assert (line.before, line.after, line.by, line.note) == ("城管", "水务", "wang", "河道归水务")
    desk.settle(shown_of(desk), "keep", by="wang")
    _, progress = desk.next()
    assert (progress.settled, progress.wrong) == (2, 1)
    assert progress.least < 0.5 < progress.most


def test_a_field_alone_and_what_was_skipped(desk: LabelDesk) -> None:
    assert shown_of(desk, "category").id == "b"
    shown, progress = desk.next("category", frozenset({("b", "category")}))
    assert shown is None
    assert (progress.total, progress.settled) == (1, 0)


def test_what_is_taken_back_is_listed_again(desk: LabelDesk) -> None:
    line = desk.settle(ONE, "drop", by="wang")
    assert shown_of(desk).id == "b"
    desk.undo(line, by="wang")
    assert shown_of(desk) == ONE
    with pytest.raises(DispatchError) as caught:
        desk.undo(line, by="wang")
    assert caught.value.kind is ErrorKind.CASE_STATE


def test_another_label_is_taken_by_name_or_refused_with_a_hint(desk: LabelDesk) -> None:
    category = shown_of(desk, "category")
    option = next(one for one in desk.options("category") if one.value == "0305")
    assert desk.settle(category, "change", by="wang", after=option.name).after == "0305"
    with pytest.raises(DispatchError, match="是否想写：交警") as caught:
        desk.settle(ONE, "change", by="wang", after="交井警")
    assert caught.value.kind is ErrorKind.INVALID_DECISION


def test_changed_to_what_it_was_is_kept(desk: LabelDesk) -> None:
    assert desk.settle(ONE, "change", by="wang", after="城管").action == "keep"


def test_a_text_of_daily_work_is_read_from_the_store_until_it_is_erased(
    desk: LabelDesk, store: Store, router: CannedRouter
) -> None:
    case = Case(case_id="w1", transcript="桥头路灯不亮")
    store.save([Record.of(Content.of(case, str, store.seal), router.route([case])[0])])
    shown, _ = desk.next("level")
    assert shown is not None
    assert shown.text == "桥头路灯不亮"
    store.write(partial(erasure.erase, case_ids=["w1"], actor="admin"))
    shown, _ = desk.next("level")
    assert shown is not None
    assert shown.text == ERASED


def test_nothing_that_was_said_runs(desk: LabelDesk, tmp_path: Path) -> None:
    write_suspects(tmp_path / "suspects.csv", [replace(ONE, id=SCRIPT, text=SCRIPT + "\u202e", given=SCRIPT)])
    shown, progress = desk.next()
    html = render("labels.html.j2", shown=shown, progress=progress)
    assert SCRIPT not in html
    assert html.count("&lt;script&gt;") >= 3
    assert "\u202e" not in html


def test_without_a_list_the_page_says_how_to_get_one(store: Store, maps: LabelMaps, tmp_path: Path) -> None:
    shown, progress = LabelDesk(tmp_path / "none", store, maps).next()
    html = render("labels.html.j2", shown=shown, progress=progress)
    assert "dispatch data audit" in html
