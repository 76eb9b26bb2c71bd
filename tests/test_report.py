from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from training import report
from training.goals import GOALS
from training.metrics import Bin, Ceiling, Score
from training.scorecard import Evaluation, Figures, FlagFigure, FunctionFigure, Row

VOID = {"meta", "br", "hr", "img", "link", "input"}


def score(value: float, n: int = 900) -> Score:
    return Score(value, value - 0.02, value + 0.02, n)


def row(truth: str, question: str, answer: str, metric: str, ours: float, cases: str = "all") -> Row:
    return Row("test", truth, cases, question, answer, metric, score(ours), score(0.7), score(ours - 0.7))


ROWS = (
    row("handler", "function", "wire", "top1", 0.84),
    row("handler", "function", "wire", "top3", 0.95),
    row("handler", "function", "head", "top1", 0.86, "haikou_no_territory"),
    row("handler", "route", "ranked", "top1", 0.75),
    row("labels", "function", "head", "top1", 0.81),
    row("labels", "function", "wire", "top1", 0.62),
    row("labels", "category4", "head", "top1", 0.65),
    row("labels", "flag:urgent", "head", "recall", 0.6),
)
CURVE: dict[str, tuple[Bin, ...]] = {
    "ours": (Bin(0.5, 0.97, 450), Bin(1.0, 0.84, 900)),
    "baseline": (Bin(0.5, 0.9, 450), Bin(1.0, 0.8, 900)),
}
FIGURES = Figures(("城管", "公安"), ((500, 50), (90, 260)), (FunctionFigure("城管", 550, 0.9, 0.8),), CURVE, CURVE)
EVALUATION = Evaluation(
    bundle="haikou+0badcafe",
    created="2026-01-02T03:04:05+00:00",
    sizes={"train": 5000, "test": 900},
    rows=ROWS,
    ceilings={"all/function": Ceiling(score(0.94), score(0.88), 120, 16)},
    figures={"handler": FIGURES},
)
EMPTY = Evaluation("haikou+0badcafe", "2026-01-02T03:04:05+00:00", {}, (), {}, {})


class Page(HTMLParser):
    """Checks that elements close in order; keeps the text and whatever would be fetched."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []
        self.tags: set[str] = set()
        self.words: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.fetched += [value or "" for key, value in attrs if key in ("src", "href", "xlink:href", "data")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_page_is_whole_and_fetches_nothing() -> None:
    page = Page(report.render(EVALUATION))
    assert page.open == []
    assert all(target.startswith("#") for target in page.fetched)
    assert not page.tags & {"script", "link", "iframe", "img"}
    assert "url(http" not in "".join(page.words)


def test_headlines_say_what_is_right_how_often_and_what_that_means() -> None:
    first, returns, sure, labels, ceiling = report.headlines(EVALUATION)
    assert "约 84 件（95% 区间 82.0%–86.0%，n=900）" in first
    assert "约 95 件" in first
    assert "70.0%" in first
    assert "约有 25 件与实际承办不同" in returns
    assert "选不到实际承办职能的约 5 件" in returns
    assert "最有把握的 50% 工单（n=450）" in sure
    assert "84.0%" in sure
    assert "97.0%" in sure
    assert "约 81 件" in labels
    assert "约 62 件" in labels
    assert "120 段诉求中，有 16 段" in ceiling
    assert "94.0%" in ceiling


def test_an_evaluation_without_cases_claims_nothing() -> None:
    assert report.headlines(EMPTY) == []
    html = report.render(EMPTY)
    assert "没有可评的工单" in html
    assert html.count("— 无数据") == len(GOALS)


def test_goals_carry_pass_and_fail_marks() -> None:
    html = report.render(EVALUATION)
    assert "✓ 达到目标" in html
    assert "✗ 未达底线" in html
    assert "— 无数据" in html


def test_every_row_is_listed_under_its_chinese_name() -> None:
    words = "".join(Page(report.render(EVALUATION)).words)
    assert f"测试集：{len(ROWS)} 项" in words
    for name in ("海口（不含属地单位）", "类别 4 位", "标记：紧急", "召回率", "对外列表", "排序后"):
        assert name in words


def test_flags_are_shown_by_what_said_them() -> None:
    said = FlagFigure("test", "urgent", "both", 900, score(0.64, 25), score(0.61, 31), 0.62)
    silent = FlagFigure("test", "refuse", "model", 900, Score(0.0, 0.0, 1.0, 0), score(0.0, 7), 0.0)
    words = "".join(Page(report.render(replace(EVALUATION, flags=(said, silent)))).words)
    assert "触发词与模型" in words
    for told in ("紧急", "两者合用", "64.0%", "62.0%–66.0%", "61.0%", "0.62", "不属受理"):
        assert told in words
    assert "触发词与模型" not in report.render(EVALUATION)


def test_what_comes_from_the_data_is_escaped() -> None:
    html = report.render(
        replace(EVALUATION, bundle="<b>x</b>", ceilings={"<i>/function": EVALUATION.ceilings["all/function"]})
    )
    assert "<b>x</b>" not in html
    assert "&lt;b&gt;x&lt;/b&gt;" in html
    assert "&lt;i&gt;" in html


@pytest.mark.parametrize(
    ("cases", "name"),
    [
        ("all", "全部"),
        ("no_territory", "全部（不含属地单位）"),
        ("shanghai", "上海"),
        ("shanghai_no_territory", "上海（不含属地单位）"),
        ("taidi_replied", "泰迪有答复"),
        ("elsewhere", "elsewhere"),
    ],
)
def test_slices_have_names(cases: str, name: str) -> None:
    assert report.cases_name(cases) == name


def test_differences_are_in_points_with_their_sign() -> None:
    assert report.points(Score(0.031, -0.005, 0.067, 10)) == "+3.1（-0.5 至 +6.7）"


def test_the_page_is_written_beside_the_figures(tmp_path: Path) -> None:
    path = report.write_report(EVALUATION, tmp_path / "out")
    assert path == tmp_path / "out" / "report.html"
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
