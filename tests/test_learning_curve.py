import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from training.charts import learning_chart
from training.learning_curve import HEADS, STRATEGIES, Point, Read, learning_curve, mean_hits, write_curve

if TYPE_CHECKING:
    from training.config import TrainingConfig


def read(rows: int, seed: int) -> Read:
    """Six labels, one of them in six rows of seven; each told by one column."""
    rng = np.random.default_rng(seed)
    labels = np.where(rng.random(rows) < 6 / 7, 0, rng.integers(0, 6, rows))
    features = np.full((rows, 6), 0.05) + rng.random((rows, 6)) * 0.4
    features[np.arange(rows), labels] += 0.6
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return Read(csr_matrix(features), dict.fromkeys(HEADS, labels))


def test_every_strategy_begins_alike_and_learns_from_as_many() -> None:
    points = learning_curve(read(300, 1), read(100, 2), sizes=(20, 40), seeds=2)
    assert {(point.strategy, point.seed, point.size) for point in points} == {
        (strategy, seed, size) for strategy in STRATEGIES for seed in range(2) for size in (20, 40)
    }
    first = [point.hits for point in points if (point.seed, point.size) == (1, 20)]
    assert first == [first[0]] * len(STRATEGIES)


def test_choosing_finds_rare_labels() -> None:
    points = learning_curve(read(600, 1), read(300, 2), sizes=(40, 90), seeds=3)
    last = {strategy: told[-1][1] for strategy, told in mean_hits(points, HEADS[0]).items()}
    assert last["diverse"] > last["random"]


def test_the_mean_stands_between_the_seeds() -> None:
    points = [Point("random", seed, 10, {"function": hit}, {"function": 2}) for seed, hit in enumerate((0.2, 0.6))]
    ((size, mean, low, high),) = mean_hits(points, "function")["random"]
    assert (size, low, high) == (10, 0.2, 0.6)
    assert mean == pytest.approx(0.4)


def test_the_chart_is_a_drawing_with_every_strategy() -> None:
    told: dict[str, list[tuple[int, float, float, float]]] = {
        strategy: [(10, 0.4, 0.3, 0.5), (20, 0.6, 0.5, 0.7)] for strategy in STRATEGIES
    }
    chart = learning_chart(dict.fromkeys(HEADS, told))
    ET.fromstring(chart)
    for name in ("随机抽取", "只看不确定", "不确定 × 多样"):
        assert name in chart
    assert len(chart) < 60_000


def test_the_curve_is_written(tmp_path: Path, tiny_config: "TrainingConfig", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "training.learning_curve.learning_curve",
        lambda pool, judged: learning_curve(pool, judged, sizes=(8, 12), seeds=1),
    )
    write_curve(tiny_config, tmp_path / "curve")
    assert {file.name for file in (tmp_path / "curve").iterdir()} == {"learning_curve.json", "learning_curve.svg"}
