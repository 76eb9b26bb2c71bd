"""The picture of overrides: bands from the functions suggested to the functions decided on, as wide as cases are many.

Drawn here and not in the browser: it takes the colours of the theme by itself, needs no script, and prints.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from serving.console.quality import Flow

MOST_FLOWS = 20
OTHERS = "其余"  # no function has this name
WIDTH = 760
_LEFT, _RIGHT, _THICK = 190, 558, 12  # where the two columns of bars stand
_BAND_ROOM = 260  # height of all bands together
_SLOT, _GAP, _TOP = 17, 7, 26  # the least height a name needs; between two; above the first, for the heads


@dataclass(frozen=True)
class Bar:
    """One function in one of the columns; `middle` is where its name stands."""

    name: str
    cases: int
    x: float
    y: float
    height: float
    middle: float


@dataclass(frozen=True)
class Band:
    """One flow; `path` is SVG. :param same: both ends are the same function: another unit or level of it."""

    path: str
    width: float
    told: str
    same: bool


@dataclass(frozen=True)
class FlowPicture:
    """What to draw."""

    height: float
    bars: Sequence[Bar]
    bands: Sequence[Band]
    width: int = WIDTH
    thick: int = _THICK
    left: int = _LEFT
    right: int = _RIGHT


def draw(flows: Sequence[Flow]) -> FlowPicture:
    """The picture of flows that come most frequent first; those beyond MOST_FLOWS end in one bar together."""
    shown = _merged(flows)
    total = sum(flow.cases for flow in shown) or 1
    scale = _BAND_ROOM / total
    sources = _column(Counter(_summed((flow.suggested, flow.cases) for flow in shown)), _LEFT, scale)
    targets = _column(Counter(_summed((flow.decided, flow.cases) for flow in shown)), _RIGHT, scale)
    order = {name: place for place, name in enumerate(targets)}
    begun, ended = ({name: bar.y for name, bar in column.items()} for column in (sources, targets))
    bands = []
    for name in sources:
        for flow in sorted((one for one in shown if one.suggested == name), key=lambda one: order[one.decided]):
            wide = flow.cases * scale
            bands.append(_band(flow, begun[name] + wide / 2, ended[flow.decided] + wide / 2, wide))
            begun[name] += wide
            ended[flow.decided] += wide
    bars = [*sources.values(), *targets.values()]
    return FlowPicture(max((bar.y + max(bar.height, _SLOT) for bar in bars), default=_TOP) + _GAP, bars, bands)


def _merged(flows: Sequence[Flow]) -> Sequence[Flow]:
    rest = _summed((flow.suggested, flow.cases) for flow in flows[MOST_FLOWS:])
    sources = {flow.suggested for flow in flows[:MOST_FLOWS]}
    others = _summed((name if name in sources else OTHERS, cases) for name, cases in rest.items())
    return [*flows[:MOST_FLOWS], *(Flow(name, OTHERS, cases) for name, cases in others.items())]


def _summed(pairs: Iterable[tuple[str, int]]) -> Mapping[str, int]:
    sums = Counter[str]()
    for name, cases in pairs:
        sums[name] += cases
    return sums


def _column(sums: Counter[str], x: float, scale: float) -> dict[str, Bar]:
    bars, y = {}, float(_TOP)
    for name, cases in sums.most_common():
        height = cases * scale
        slot = max(height, _SLOT)
        top = y + (slot - height) / 2
        bars[name] = Bar(name, cases, x, round(top, 1), round(height, 1), round(y + slot / 2, 1))
        y += slot + _GAP
    return bars


def _band(flow: Flow, begin: float, end: float, wide: float) -> Band:
    start, stop = _LEFT + _THICK, _RIGHT
    middle = (start + stop) / 2
    path = f"M{start},{begin:.1f} C{middle:g},{begin:.1f} {middle:g},{end:.1f} {stop},{end:.1f}"
    same = flow.suggested == flow.decided != OTHERS
    told = f"{flow.suggested} → {flow.decided}{'（换单位或层级）' if same else ''}：{flow.cases} 件"
    return Band(path, round(max(wide, 1.0), 1), told, same)
