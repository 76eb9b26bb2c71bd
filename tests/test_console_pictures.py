from itertools import pairwise

import pytest

from serving.console import flow_picture, reliability_picture
from serving.console.flow_picture import MOST_FLOWS, OTHERS
from serving.console.quality import Bin, Calibration, Flow


def test_bands_fill_the_bars_they_join() -> None:
    picture = flow_picture.draw([Flow("城管", "公安", 30), Flow("城管", "交警", 10), Flow("住建", "公安", 20)])
    widths = {band.told: band.width for band in picture.bands}
    assert widths["城管 → 公安：30 件"] == pytest.approx(3 * widths["城管 → 交警：10 件"], abs=0.2)
    left = {bar.name: bar for bar in picture.bars if bar.x == picture.left}
    right = {bar.name: bar for bar in picture.bars if bar.x == picture.right}
    assert {name: bar.cases for name, bar in left.items()} == {"城管": 40, "住建": 20}
    assert {name: bar.cases for name, bar in right.items()} == {"公安": 50, "交警": 10}
    assert left["城管"].height == pytest.approx(widths["城管 → 公安：30 件"] + widths["城管 → 交警：10 件"], abs=0.2)


def test_bars_and_names_do_not_overlap_and_stay_inside() -> None:
    picture = flow_picture.draw([Flow("城管", f"职能{number}", 1 + 40 * (number == 0)) for number in range(12)])
    middles = [bar.middle for bar in picture.bars if bar.x == picture.right]
    assert all(later - earlier >= 15 for earlier, later in pairwise(middles))
    assert max(bar.y + bar.height for bar in picture.bars) < picture.height


def test_the_same_function_is_told_as_another_unit() -> None:
    (band,) = flow_picture.draw([Flow("城管", "城管", 3)]).bands
    assert band.same
    assert band.told == "城管 → 城管（换单位或层级）：3 件"


def test_what_is_rare_is_drawn_together() -> None:
    flows = [Flow("城管", f"职能{number}", 50 - number) for number in range(MOST_FLOWS + 4)]
    picture = flow_picture.draw([*flows, Flow("罕见", "城管", 1)])
    ends = {bar.name: bar.cases for bar in picture.bars if bar.x == picture.right}
    assert ends[OTHERS] == sum(flow.cases for flow in flows[MOST_FLOWS:]) + 1
    assert {bar.name for bar in picture.bars if bar.x == picture.left} == {"城管", OTHERS}
    assert sum(ends.values()) == sum(flow.cases for flow in flows) + 1
    assert not any(band.same for band in picture.bands), "what is drawn together is no one function"


def test_nothing_is_an_empty_picture() -> None:
    picture = flow_picture.draw([])
    assert (list(picture.bars), list(picture.bands)) == ([], [])


def test_a_bin_on_the_diagonal_is_drawn_on_it() -> None:
    bins = [Bin(0.8, 0.9, 100, 85, 0.85, 0.77, 0.91), Bin(0.1, 0.2, 4, 0, 0.15, 0.0, 0.49)]
    picture = reliability_picture.draw(Calibration("live", 104, bins, 0.01))
    right, wrong = picture.points
    bottom = picture.top + picture.side
    assert right.x - picture.left == pytest.approx(bottom - right.y, abs=0.2)
    assert right.high < right.y < right.low
    assert wrong.y == bottom
    assert right.radius > wrong.radius
    assert [told for told, _ in picture.ticks] == ["0%", "25%", "50%", "75%", "100%"]
