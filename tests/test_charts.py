import xml.etree.ElementTree as ET

import numpy as np
import pytest

from training.charts import confusion_chart, coverage_chart, folded_confusion, function_chart, reliability_chart
from training.metrics import Bin
from training.scorecard import Figures, FunctionFigure

NAMES = ("城管", "公安", "教育", "医保")
COUNTS = ((9, 1, 0, 0), (2, 5, 1, 0), (0, 0, 3, 0), (0, 1, 0, 1))
CURVES: dict[str, tuple[Bin, ...]] = {name: (Bin(0.4, 0.95, 2), Bin(1.0, 0.7, 4)) for name in ("ours", "baseline")}
FIGURES = Figures(
    NAMES,
    COUNTS,
    tuple(FunctionFigure(name, sum(row), 0.8, 0.6) for name, row in zip(NAMES, COUNTS, strict=True)),
    CURVES,
    CURVES,
)


def drawings() -> dict[str, str]:
    return {
        "confusion": confusion_chart(FIGURES),
        "coverage": coverage_chart(CURVES),
        "reliability": reliability_chart(CURVES),
        "functions": function_chart(FIGURES),
    }


@pytest.mark.parametrize("name", ["confusion", "coverage", "reliability", "functions"])
def test_a_drawing_is_one_labelled_svg_that_points_nowhere(name: str) -> None:
    svg = drawings()[name]
    root = ET.fromstring(svg)
    assert root.tag.endswith("svg")
    assert root.get("aria-label")
    links = [value for element in root.iter() for key, value in element.items() if key.endswith(("href", "src"))]
    assert all(link.startswith("#") for link in links)
    assert "<metadata" not in svg
    assert "DejaVu" not in svg


def test_chinese_stays_text() -> None:
    found = drawings()
    assert all(name in found["confusion"] for name in NAMES)
    assert "城管 (10)" in found["functions"]
    assert "本系统" in found["coverage"]
    assert "完全可信" in found["reliability"]


def test_the_same_figures_give_the_same_file() -> None:
    assert drawings() == drawings()


def test_confusion_without_more_functions_than_shown_is_complete() -> None:
    names, counts = folded_confusion(FIGURES)
    assert names == list(NAMES)
    assert (counts == np.array(COUNTS)).all()


def test_rare_functions_are_summed_and_no_case_is_lost() -> None:
    names, counts = folded_confusion(FIGURES, shown=2)
    assert names == ["城管", "公安", "其余"]
    assert counts.tolist() == [[9, 1, 0], [2, 5, 1], [0, 1, 4]]
    assert counts.sum() == np.sum(COUNTS)


def test_a_perfect_curve_can_be_drawn() -> None:
    assert "100%" in coverage_chart({"ours": (Bin(1.0, 1.0, 3),)})
