"""The picture of calibration: what the model said against how often it was right, best on the diagonal."""

from collections.abc import Sequence
from dataclasses import dataclass

from serving.console.quality import Calibration

SIDE = 300  # of the square
LEFT, TOP = 46, 12
_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Point:
    """One bin: its place, the ends of its interval, and a radius by its number of cases."""

    x: float
    y: float
    high: float
    low: float
    radius: float
    told: str


@dataclass(frozen=True)
class ReliabilityPicture:
    """What to draw; `ticks` are a share as text and its distance from the corner."""

    points: Sequence[Point]
    ticks: Sequence[tuple[str, float]]
    side: int = SIDE
    left: int = LEFT
    top: int = TOP


def draw(calibration: Calibration) -> ReliabilityPicture:
    """The picture of the bins that have cases."""
    most = max((one.cases for one in calibration.bins), default=1)
    points = [
        Point(
            x=round(LEFT + one.probability * SIDE, 1),
            y=_down(one.share),
            high=_down(one.most),
            low=_down(one.least),
            radius=round(3 + 4 * (one.cases / most) ** 0.5, 1),
            told=f"概率 {one.probability:.0%}：{one.cases} 件中采纳首选 {one.share:.0%}",
        )
        for one in calibration.bins
    ]
    return ReliabilityPicture(points, [(f"{tick:.0%}", tick * SIDE) for tick in _TICKS])


def _down(share: float) -> float:
    return round(TOP + (1 - share) * SIDE, 1)
