import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from dispatch_model.access_list import AccessList
from dispatch_model.catalogue import Catalogue
from dispatch_model.errors import DispatchError
from dispatch_model.rules import RuleKind
from serving.rules.changes import RowChange, RowChanges
from serving.rules.diff import CategoryLine, Diff
from serving.rules.diff_report import number, render, sentences, share, show, write
from serving.rules.moves import Example, Pair, Side

AXES = (("030701",), ("城管",))
CREATED = datetime(2026, 5, 3, 23, 30, tzinfo=UTC)
EXAMPLE = Example("GD-1", "2026-04-01", "030701 占道经营", "门口<b>摆摊</b>", "新清单：准入清单 ZJ-1（收回）")
PAIR = Pair("金贸街道办事处", "龙华区城管局", 1200, (EXAMPLE,))


def side(name: str) -> Side:
    return Side(name, RuleKind.ACCESS_LIST, AccessList((), *AXES), Catalogue((), *AXES))


DIFF = Diff(
    old=side("旧.csv"),
    new=side("新.xlsx"),
    bundle="haikou+0",
    cases=100_000,
    outside=30,
    unit=1234,
    function=12,
    raised=1200,
    lowered=4,
    terms=0,
    rows=RowChanges((RowChange("ZJ-9", "烟花爆竹"),), (), (RowChange("ZJ-1", "清单：基本 → 收回"),)),
    categories=(CategoryLine("03", "城乡建设", 9000, 1234), CategoryLine("0307", "城乡建设 / 市容环境", 900, 1234)),
    cells=(Pair("城管·镇街", "城管·区", 1200),),
    units=(PAIR, *(Pair(f"甲{n}", f"乙{n}", 1) for n in range(34))),
)
NOTHING = replace(
    DIFF,
    unit=0,
    raised=0,
    lowered=0,
    function=0,
    outside=0,
    rows=RowChanges((), (), ()),
    categories=(),
    cells=(),
    units=(),
)


def test_the_first_sentences_answer_a_manager() -> None:
    told = list(sentences(DIFF))
    assert told[0] == "100,000 件历史工单中，新准入清单会改变 1,234 件（1.2%）的首选单位。"
    assert "1,200 件层级上移" in told[1]
    assert "4 件层级下移" in told[1]
    assert "30 件层级不变" in told[1]
    assert "30 件是外地工单" in told[2]
    assert told[3] == "规则本身：新增 1 行，删去 0 行，改动 1 行。"


def test_no_change_is_said_plainly() -> None:
    assert list(sentences(NOTHING))[-1] == "这些历史工单的派单不会因此改变。"
    assert "逐行内容相同" in render(NOTHING, created=CREATED)


def test_changed_terms_are_a_change() -> None:
    told = list(sentences(replace(NOTHING, terms=7)))
    assert "7 件首选单位不变，但协办职能或办理时限不同" in told[1]
    assert "不会因此改变" not in told[-1]


def test_the_page_stands_alone_and_holds_everything() -> None:
    page = render(DIFF, created=CREATED)
    assert not re.search(r"<script|https?://|src=|<link", page)
    for told in (
        "旧.csv",
        "新.xlsx",
        "haikou+0",
        "2026-05-04 07:30",
        "GD-1",
        "城乡建设 / 市容环境",
        "ZJ-9",
        "基本 → 收回",
    ):
        assert told in page
    assert page.count("<details>") == 35 + 3  # pairs; categories of 4 digits, added and edited rows


def test_what_a_citizen_wrote_is_no_markup() -> None:
    page = render(DIFF, created=CREATED)
    assert "门口&lt;b&gt;摆摊&lt;/b&gt;" in page


def test_a_terminal_shows_the_largest_pairs() -> None:
    console = Console(width=120, record=True, file=None, quiet=False)
    with console.capture() as capture:
        show(DIFF, console)
    said = capture.get()
    assert "旧.csv" in said
    assert "金贸街道办事处" in said
    assert "甲8" in said
    assert "甲9" not in said
    assert "还有 25 种去向" in said


def test_writing_names_a_folder_that_is_not_there(tmp_path: Path) -> None:
    write(DIFF, tmp_path / "report.html", created=CREATED)
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    with pytest.raises(DispatchError, match="--report"):
        write(DIFF, tmp_path / "none" / "report.html", created=CREATED)


@pytest.mark.parametrize(("part", "whole", "told"), [(12, 1000, "1.2%"), (0, 5, "0.0%"), (0, 0, "—")])
def test_shares(part: int, whole: int, told: str) -> None:
    assert share(part, whole) == told


def test_numbers_have_separators() -> None:
    assert number(1234567) == "1,234,567"
