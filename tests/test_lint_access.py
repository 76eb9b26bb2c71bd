from dataclasses import replace
from datetime import date

import pytest

from dispatch_model.access_list import AccessList
from dispatch_model.access_row import AccessRow
from dispatch_model.city import City
from dispatch_model.finding import Finding
from dispatch_model.labels import LabelMaps
from dispatch_model.lint_access import check_access_list

DAY = date(2026, 5, 1)
LONGHUA = "460106"


@pytest.fixture(scope="module")
def city(maps: LabelMaps) -> City:
    return City.load("haikou", maps)


def row(id: str = "R-1", **given: object) -> AccessRow:
    plain = AccessRow(id, "事项", "0307", "镇街", "基本", "城管", (), "职责", "", "依据", None, None, "1")
    return replace(plain, **given)  # type: ignore[arg-type]


def found(maps: LabelMaps, city: City, *rows: AccessRow, day: date = DAY) -> list[Finding]:
    numbered = [replace(one, row=number) for number, one in enumerate(rows, start=2)]
    return list(check_access_list(AccessList(numbered, maps.leaves, tuple(maps.functions)), maps, city, day))


def test_a_sound_list_has_no_findings(maps: LabelMaps, city: City) -> None:
    rows = (row("a"), row("b", category="030701", list="配合"), row("c", category="030702", region=LONGHUA))
    assert found(maps, city, *rows) == []


def test_a_row_that_ended_is_told_and_a_season_is_asked_for_its_next_year(maps: LabelMaps, city: City) -> None:
    term = row("term", valid_to=date(2026, 4, 30))
    season = row("season", category="030701", valid_from=date(2025, 6, 1), valid_to=date(2025, 11, 30))
    renewed = row("renewed", category="030702", valid_from=date(2025, 6, 1), valid_to=date(2025, 11, 30))
    again = replace(renewed, id="again", valid_from=date(2026, 6, 1), valid_to=date(2026, 11, 30))
    one, other, together = found(maps, city, term, season, renewed, again)
    assert (one.row, one.id, one.column) == (2, "term", "valid_to")
    assert one.text.startswith("已于 2026-04-30 失效，不再用于 2026-05-01 及以后的工单")
    assert "年份已过" in other.text
    assert (together.row, "已有新一年条目接续的：第 4 行（renewed）；" in together.text) == (None, True)


def test_the_last_day_of_a_row_is_still_its_own(maps: LabelMaps, city: City) -> None:
    assert found(maps, city, row(valid_to=DAY)) == []


def test_a_district_cannot_loosen_what_the_city_forbids(maps: LabelMaps, city: City) -> None:
    (one,) = found(maps, city, row("city", list="收回"), row("own", region=LONGHUA))
    assert (one.row, one.id, one.column) == (3, "own", "list")
    assert "已被第 2 行（city，收回）覆盖；区域条目不能放宽" in one.text


def test_a_row_whose_every_class_is_ruled_more_closely_never_decides(maps: LabelMaps, city: City) -> None:
    narrow = [row(code, category=code, list="配合") for code in maps.leaves_under("0307")]
    (one,) = found(maps, city, row("wide"), *narrow)
    assert (one.id, one.text[:6]) == ("wide", "永远不会生效")
    assert found(maps, city, row("wide"), *narrow[1:]) == []


@pytest.mark.parametrize(("since", "count"), [(None, 1), (DAY, 1), (date(2026, 5, 2), 0)])
def test_a_stricter_row_hides_only_while_it_is_in_force(
    maps: LabelMaps, city: City, since: date | None, count: int
) -> None:
    assert len(found(maps, city, row("city", list="收回", valid_from=since), row("own", region=LONGHUA))) == count


def test_a_local_row_like_the_city_wide_one_is_redundant(maps: LabelMaps, city: City) -> None:
    (one,) = found(maps, city, row("city"), row("own", region=LONGHUA))
    assert (one.id, one.column) == ("own", "region")
    assert "与第 2 行（city，基本）（全市）的清单和职能相同" in one.text
    (nearer,) = found(maps, city, row("district", region=LONGHUA), row("own", region=f"{LONGHUA}001"))
    assert "海口市/龙华区" in nearer.text


@pytest.mark.parametrize(
    "own", [{"lead_function": "住建"}, {"co_functions": ("公安",)}, {"category": "030701"}, {"valid_from": None}]
)
def test_a_local_row_that_says_something_else_is_not(maps: LabelMaps, city: City, own: dict[str, object]) -> None:
    assert (
        found(maps, city, row("city", valid_from=DAY), row("own", **{"valid_from": DAY, "region": LONGHUA, **own}))
        == []
    )


def test_a_community_does_not_lead_what_its_street_may_not(maps: LabelMaps, city: City) -> None:
    street = row("street", category="03", list="收回")
    (one,) = found(maps, city, street, row("village", level="村居", list="履职", region=LONGHUA))
    assert (one.row, one.id) == (3, "village")
    assert "而第 2 行（street，收回）不许镇街主办" in one.text
    opened = row("open", category="0307")
    assert found(maps, city, street, opened, row("village", level="村居", list="履职")) == []


def test_the_lead_is_not_named_again_among_the_helpers(maps: LabelMaps, city: City) -> None:
    (one,) = found(maps, city, row(co_functions=("公安", "城管")))
    assert (one.column, "“城管”" in one.text) == ("co_functions", True)


def test_days_between_two_rows_of_one_matter_are_told(maps: LabelMaps, city: City) -> None:
    old, new = row("old", valid_to=date(2026, 6, 30)), row("new", valid_from=date(2026, 7, 3), list="配合")
    (one,) = found(maps, city, new, old)
    assert (one.row, one.id, one.column) == (2, "new", "valid_from")
    assert "2026-07-01 至 2026-07-02" in one.text
    assert found(maps, city, old, replace(new, valid_from=date(2026, 7, 1))) == []
    assert found(maps, city, old, replace(new, region=LONGHUA)) == []


def test_a_gap_that_a_longer_row_fills_is_none(maps: LabelMaps, city: City) -> None:
    rows = (row("a", valid_to=date(2026, 12, 31)), row("b", valid_to=date(2026, 6, 30)))
    assert found(maps, city, *rows, row("c", valid_from=date(2026, 8, 1))) == []


@pytest.mark.parametrize(
    ("start", "end", "matter", "count"),
    [
        (date(2027, 6, 1), date(2027, 11, 30), "防风", 0),
        (date(2027, 5, 20), date(2027, 11, 30), "防风", 0),
        (date(2027, 2, 1), date(2027, 3, 1), "庙会", 0),
        (date(2026, 12, 5), date(2026, 12, 31), "庙会", 1),
        (date(2027, 2, 1), date(2027, 5, 1), "防风", 1),
        (date(2027, 6, 1), None, "防风", 1),
    ],
)
def test_a_season_that_returns_leaves_no_gap(
    maps: LabelMaps, city: City, start: date, end: date | None, matter: str, count: int
) -> None:
    season = row("one", matter="防风", valid_from=date(2026, 6, 1), valid_to=date(2026, 11, 30))
    assert len(found(maps, city, season, row("two", matter=matter, valid_from=start, valid_to=end))) == count


def test_dates_at_the_end_of_time_are_no_trouble(maps: LabelMaps, city: City) -> None:
    assert found(maps, city, row("a", valid_from=date.min), row("b", valid_from=date.min, valid_to=date.max)) == []
