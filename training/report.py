"""An evaluation as one page a manager can read: sentences first, then goals, plots and all figures.

    dispatch evaluate --bundle build/bundle --out runs/evaluation     # writes report.html beside evaluation.json

The page is one file without scripts or outside resources.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from training import charts
from training.goals import State, judge
from training.metrics import Score
from training.scorecard import Evaluation, Row

REPORT_FILE = "report.html"

PARTS = {"test": "测试集", "calls": "留出的双方通话", "validation": "验证集（参与过选择，仅供对照）"}
TRUTHS = {"handler": "实际承办", "labels": "规范判读", "taidi": "泰迪 7 类"}
ANSWERS = {"head": "专用输出", "wire": "对外列表", "ranked": "排序后"}
METRICS = {
    "top1": "首选命中",
    "top3": "前三命中",
    "macro_f1": "宏平均 F1",
    "ece": "校准误差",
    "precision": "精确率",
    "recall": "召回率",
}
QUESTIONS = {
    "function": "职能",
    "unit": "单位",
    "level": "层级",
    "route": "职能＋层级",
    "category6": "类别 6 位",
    "category4": "类别 4 位",
    "category2": "类别 2 位",
    "kind": "诉求类型",
    "taidi": "泰迪 7 类",
}
SOURCES = {
    "haikou": "海口",
    "shanghai": "上海",
    "taidi": "泰迪",
    "taidi_unlabelled": "泰迪未标注",
    "taidi_replied": "泰迪有答复",
    "hangzhou": "杭州",
    "dongguan": "东莞",
    "beijing_bus": "北京公交",
    "dialogue": "双方通话",
}
SAID_BY = {"triggers": "触发词", "model": "模型", "both": "两者合用（服务的做法）"}
FLAGS = {"urgent": "紧急", "refuse": "不属受理", "vague": "信息不足", "multi": "多事项", "status": "查催办"}


@dataclass(frozen=True)
class Plots:
    """The four drawings of one truth."""

    title: str
    coverage: Markup
    reliability: Markup
    functions: Markup
    confusion: Markup


def percent(value: float) -> str:
    """0.8123 → 81.2%."""
    return f"{value:.1%}"


def spread(score: Score | None) -> str:
    """An interval as text, such as 79.7%–82.6%."""
    return f"{score.low:.1%}–{score.high:.1%}" if score else "—"


def points(score: Score) -> str:
    """A difference in percentage points with its interval."""
    return f"{100 * score.value:+.1f}（{100 * score.low:+.1f} 至 {100 * score.high:+.1f}）"


def cases_name(cases: str) -> str:
    """A slice in Chinese, such as 海口（不含属地单位）."""
    source, separator, _ = cases.rpartition("no_territory")
    name = SOURCES.get(source.removesuffix("_"), source.removesuffix("_")) if source else "全部"
    if separator:
        return f"{name}（不含属地单位）"
    return "全部" if cases == "all" else SOURCES.get(cases, cases)


def question_name(question: str) -> str:
    """A question in Chinese."""
    kind, separator, flag = question.partition(":")
    return f"标记：{FLAGS.get(flag, flag)}" if separator else QUESTIONS.get(kind, kind)


def _of_hundred(score: Score) -> str:
    return f"约 {round(100 * score.value)} 件（95% 区间 {spread(score)}，n={score.n}）"


def _handler_sentences(evaluation: Evaluation) -> Iterator[str]:
    top1 = evaluation.find("function", "top1", truth="handler", answer="wire")
    top3 = evaluation.find("function", "top3", truth="handler", answer="wire")
    route = evaluation.find("route", "top1", truth="handler", answer="ranked")
    if top1 and top3:
        yield (
            f"每 100 件真实工单，系统首选的职能与实际承办单位的职能一致的{_of_hundred(top1.ours)}；"
            f"前三个建议里有实际承办职能的{_of_hundred(top3.ours)}。"
            f"同样数据训练的字符统计基线分别为 {percent(top1.baseline.value)} 和 {percent(top3.baseline.value)}。"
        )
    if route and top3:
        wrong, missing = round(100 * (1 - route.ours.value)), round(100 * (1 - top3.ours.value))
        yield (
            f"职能和层级同时一致的{_of_hundred(route.ours)}。若完全照首选派单、无人复核，"
            f"每 100 件约有 {wrong} 件与实际承办不同，有退单的可能"
            "（不同不一定会退：实际承办也未必是唯一合适的单位）；"
            f"若由话务员在前三个职能里选，选不到实际承办职能的约 {missing} 件。"
        )
    figures = evaluation.figures.get("handler")
    if figures:
        curve = figures.coverage["ours"]
        half, everything = min(curve, key=lambda point: abs(point.x - 0.5)), curve[-1]
        yield (
            f"在系统最有把握的 {half.x:.0%} 工单（n={half.n}）中，首选职能与实际承办一致的占 {percent(half.accuracy)}，"
            f"全部工单为 {percent(everything.accuracy)}：把握大的可以少看，把握小的要多看。"
        )


def _label_sentences(evaluation: Evaluation) -> Iterator[str]:
    duty, practice = (evaluation.find("function", "top1", truth="labels", answer=a) for a in ("head", "wire"))
    category = evaluation.find("category4", "top1", truth="labels")
    if duty and practice and category:
        yield (
            f"按职责“应由谁办”判读的工单，每 100 件职责列表首选正确的{_of_hundred(duty.ours)}"
            f"（沿袭惯例的 function 列表：{_of_hundred(practice.ours)}），"
            f"二级类别（4 位）首选正确的{_of_hundred(category.ours)}。"
        )
    ceiling = evaluation.ceilings.get("all/function")
    if ceiling:
        yield (
            f"这些数字到不了 100%：内容相同而多次出现的 {ceiling.texts} 段诉求中，有 {ceiling.disputed} 段"
            f"派给过不同职能；两件内容相同的工单派给同一职能的占 {percent(ceiling.agreement.value)}，"
            f"每段都照最常见的派法，最多也只能命中 {percent(ceiling.best.value)}。"
        )


def headlines(evaluation: Evaluation) -> list[str]:
    """What is right how often, and what that means for returns."""
    return [*_handler_sentences(evaluation), *_label_sentences(evaluation)]


def plots(evaluation: Evaluation) -> list[Plots]:
    """The drawings of each truth the test split knows."""
    return [
        Plots(
            TRUTHS[truth],
            Markup(charts.coverage_chart(figures.coverage)),
            Markup(charts.reliability_chart(figures.reliability)),
            Markup(charts.function_chart(figures)),
            Markup(charts.confusion_chart(figures)),
        )
        for truth, figures in evaluation.figures.items()
    ]


def tables(evaluation: Evaluation) -> dict[str, list[Row]]:
    """All rows under the name of their part."""
    grouped = {title: [row for row in evaluation.rows if row.part == part] for part, title in PARTS.items()}
    return {title: rows for title, rows in grouped.items() if rows}


def render(evaluation: Evaluation) -> str:
    """The whole page."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(
        percent=percent, spread=spread, points=points, cases_name=cases_name, question_name=question_name
    )
    template = environment.from_string(files("training").joinpath("report.html.j2").read_text(encoding="utf-8"))
    return template.render(
        evaluation=evaluation,
        headlines=headlines(evaluation),
        verdicts=judge(evaluation),
        missed=State.MISSED,
        plots=plots(evaluation),
        tables=tables(evaluation),
        names={
            **{"truth": TRUTHS, "answer": ANSWERS, "metric": METRICS},
            **{"part": PARTS, "flag": FLAGS, "said_by": SAID_BY},
        },
    )


def write_report(evaluation: Evaluation, out: Path) -> Path:
    """Write `report.html` into the folder `out`."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / REPORT_FILE
    path.write_text(render(evaluation), encoding="utf-8")
    return path
