"""The report's plots as inline SVG, with text left as text so that the reader's browser draws Chinese."""

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from training.metrics import Bin
from training.scorecard import Figures

FONTS = "'PingFang SC','Microsoft YaHei','Noto Sans CJK SC','Source Han Sans SC',sans-serif"
OURS, RIVAL, GUIDE = "#1a5fb4", "#9a9996", "#c0bfbc"
NAMES = {"ours": "本系统", "baseline": "基线"}
COLOURS = {"ours": OURS, "baseline": RIVAL}
SHOWN_FUNCTIONS = 20


@contextmanager
def _style() -> Iterator[None]:
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcParams["svg.fonttype"] = "none"
        mpl.rcParams["svg.hashsalt"] = "hotline-dispatch"  # the same figures give the same file
        mpl.rcParams["font.family"] = "DejaVu Sans"
        mpl.rcParams["axes.spines.top"] = mpl.rcParams["axes.spines.right"] = False
        # matplotlib measures with its own font, which has no Chinese; the browser's has
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def _svg(figure: Figure, label: str) -> str:
    """The drawing alone: no prolog, no metadata, nothing that points outside."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r"""(['"]|&quot;)?DejaVu Sans\1""", FONTS, text)
    return text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)


def _percent_ticks(low: float = 0.0) -> tuple[np.ndarray, list[str]]:
    ticks = np.arange(round(low * 10), 11, 2 if low < 0.4 else 1) / 10
    return ticks, [f"{tick:.0%}" for tick in ticks]


def reliability_chart(curves: Mapping[str, Sequence[Bin]]) -> str:
    """Stated probability against what came true."""
    with _style():
        figure = Figure(figsize=(5.2, 4.4))
        axes = figure.add_axes((0.17, 0.14, 0.79, 0.8))
        axes.plot([0, 1], [0, 1], color=GUIDE, linestyle="--", label="完全可信")
        for name, bins in curves.items():
            points = [point.x for point in bins], [point.accuracy for point in bins]
            axes.plot(*points, color=COLOURS[name], marker="o", markersize=4, label=NAMES[name])
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="系统给出的概率", ylabel="实际命中的比例")
        axes.set_xticks(*_percent_ticks())
        axes.set_yticks(*_percent_ticks())
        axes.legend(frameon=False, loc="upper left")
        return _svg(figure, "可信度图")


def coverage_chart(curves: Mapping[str, Sequence[Bin]]) -> str:
    """Accuracy on the most confident share of cases."""
    with _style():
        figure = Figure(figsize=(5.2, 4.4))
        axes = figure.add_axes((0.17, 0.14, 0.79, 0.8))
        for name, points in curves.items():
            axes.plot(
                [p.x for p in points], [p.accuracy for p in points], color=COLOURS[name], label=NAMES[name], linewidth=2
            )
        lowest = min(point.accuracy for points in curves.values() for point in points)
        low = int(lowest * 10) / 10 if lowest < 1 else 0.9
        axes.set(xlim=(0, 1), ylim=(low, 1.005), xlabel="只答最有把握的这一部分工单", ylabel="首选职能命中的比例")
        axes.set_xticks(*_percent_ticks())
        axes.set_yticks(*_percent_ticks(low))
        axes.grid(axis="y", color="#eeeeee")
        axes.legend(frameon=False, loc="lower left")
        return _svg(figure, "准确率与覆盖率图")


def error_chart(curves: Mapping[str, Sequence[tuple[float, float]]], kept: Sequence[tuple[float, float, float]]) -> str:
    """Share wrong among the most confident share of cases, and where the promises stand.

    :param curves: part → (share answered, share wrong).
    :param kept: (share dispatched, share wrong, promised limit).
    """
    with _style():
        figure = Figure(figsize=(5.2, 4.4))
        axes = figure.add_axes((0.17, 0.14, 0.79, 0.8))
        for (name, points), colour in zip(curves.items(), (RIVAL, OURS), strict=False):
            axes.plot([x for x, _ in points], [y for _, y in points], color=colour, label=name, linewidth=2)
        for limit in sorted({limit for *_, limit in kept}):
            axes.axhline(limit, color=GUIDE, linestyle="--", linewidth=1)
        axes.plot([x for x, *_ in kept], [y for _, y, _ in kept], "o", color="#c64600", label="承诺的门槛")
        axes.set(xlim=(0, 1), ylim=(0, 0.25), xlabel="自动派发的工单占比", ylabel="其中错派的比例")
        axes.set_xticks(*_percent_ticks())
        axes.set_yticks([0, 0.05, 0.1, 0.15, 0.2, 0.25], ["0%", "5%", "10%", "15%", "20%", "25%"])
        axes.legend(frameon=False, loc="upper left")
        return _svg(figure, "自动派发占比与错派比例图")


def learning_chart(curves: Mapping[str, Mapping[str, Sequence[tuple[int, float, float, float]]]]) -> str:
    """Top-1 by number of labelled rows, one panel per head; the band is from the lowest to the highest seed.

    :param curves: head → strategy → (rows, mean, lowest, highest).
    """
    titles = {"function": "职能（应由谁办）", "parent": "类别，四位"}
    names = {"random": ("随机抽取", RIVAL), "uncertain": ("只看不确定", "#c64600"), "diverse": ("不确定 × 多样", OURS)}
    with _style():
        figure = Figure(figsize=(8.4, 3.8))
        panels = figure.subplots(1, len(curves), squeeze=False)[0]
        for axes, (head, told) in zip(panels, curves.items(), strict=True):
            for strategy, points in told.items():
                sizes, means, low, high = zip(*points, strict=True)
                name, colour = names[strategy]
                axes.plot(sizes, means, color=colour, marker="o", markersize=3, label=name)
                axes.fill_between(sizes, low, high, color=colour, alpha=0.12, linewidth=0)
            axes.set(title=titles.get(head, head), xlabel="已标注的工单数")
            axes.grid(axis="y", color="#eeeeee")
        panels[0].set(ylabel="首选命中的比例")
        panels[0].legend(frameon=False, loc="lower right")
        figure.tight_layout()
        return _svg(figure, "学习曲线")


def function_chart(figures: Figures) -> str:
    """F1 of each function, most frequent first."""
    rows = sorted(figures.per_function, key=lambda row: row.n)
    with _style():
        height = 0.9 + 0.3 * len(rows)
        figure = Figure(figsize=(7.4, height))
        axes = figure.add_axes((0.24, 0.5 / height, 0.72, 1 - 0.9 / height))
        place = np.arange(len(rows))
        axes.barh(place + 0.19, [row.ours for row in rows], 0.36, color=OURS, label=NAMES["ours"])
        axes.barh(place - 0.19, [row.baseline for row in rows], 0.36, color=RIVAL, label=NAMES["baseline"])
        axes.set_yticks(place, [f"{row.function} ({row.n})" for row in rows])
        axes.set(xlim=(0, 1), ylim=(-0.6, len(rows) - 0.4), xlabel="F1（1 为全对）")
        figure.legend(frameon=False, loc="upper right", ncols=2)
        return _svg(figure, "各职能 F1 图")


def folded_confusion(figures: Figures, shown: int = SHOWN_FUNCTIONS) -> tuple[list[str], np.ndarray]:
    """The confusion counts of the `shown` most frequent functions, all others summed as 其余."""
    counts = np.array(figures.confusion)
    order = np.argsort(-counts.sum(axis=1), kind="stable")
    kept, rest = order[:shown], order[shown:]
    names = [figures.functions[i] for i in kept]
    if not counts[rest].any() and not counts[:, rest].any():
        return names, counts[np.ix_(kept, kept)]
    membership = np.zeros((len(kept) + 1, len(counts)), dtype=int)
    membership[np.arange(len(kept)), kept] = 1
    membership[-1, rest] = 1
    return [*names, "其余"], membership @ counts @ membership.T


def confusion_chart(figures: Figures) -> str:
    """Rows: true function; columns: answered; shade: share of the row; number: cases."""
    names, counts = folded_confusion(figures)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = len(names)
    with _style():
        width = 2.2 + 0.4 * size
        figure = Figure(figsize=(width, width * 0.94))
        axes = figure.add_axes((1.5 / width, 0.4 / width, 1 - 1.7 / width, 1 - 1.9 / width))
        axes.pcolormesh(share[::-1], cmap="Blues", vmin=0, vmax=1, edgecolors="#f4f4f4", linewidth=0.5)
        for row, column in zip(*np.nonzero(counts), strict=True):
            shade = "white" if share[row, column] > 0.5 else "#333333"
            where = column + 0.5, size - row - 0.5
            axes.text(*where, str(counts[row, column]), ha="center", va="center", fontsize=7, color=shade)
        axes.set_xticks(np.arange(size) + 0.5, names, rotation=60, ha="left", rotation_mode="anchor")
        axes.set_yticks(np.arange(size) + 0.5, names[::-1])
        axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
        axes.set(xlabel="系统的首选职能（行：真实职能）")
        return _svg(figure, "职能混淆图")
