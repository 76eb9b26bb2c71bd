from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from dispatch_model.cases import Disposition
from dispatch_model.explain import reasons
from dispatch_model.gazetteer import Place
from dispatch_model.labels import LabelMaps
from serving.cases.casefile import CaseFile
from serving.cases_wire import State
from serving.console.waiting import SUMMARY, Waiting, summary
from serving.store.store import Store
from tests.canned import SUGGESTION, shipped

NOW = datetime(2026, 5, 10, 4, tzinfo=UTC)
LINE = Waiting(
    case_id="1",
    state=State.ROUTED,
    disposition="suggest",
    summary="路灯不亮",
    category="030703",
    category_name="占道经营",
    kind="投诉",
    function="城管",
    level="区",
    unit="龙华区城市管理局",
    holder="",
    district="龙华区",
    probability=0.9,
    margin=0.5,
    due_at=NOW + timedelta(days=3),
    came_at=NOW,
    repeats=0,
    urgent=False,
)


def line(store: Store, maps: LabelMaps, case_id: str = "1") -> Waiting:
    with store.reading() as connection:
        found = Waiting.of(CaseFile.read(connection, case_id), maps)
    assert found
    return found


def test_a_line_tells_what_was_suggested(store: Store, maps: LabelMaps, routed: Callable[..., None]) -> None:
    due = datetime(2026, 5, 8, 10, tzinfo=UTC)
    second = SUGGESTION.model_copy(update={"rank": 2, "probability": 0.3})
    first = SUGGESTION.model_copy(update={"due_at": due})
    routed("1", answer={"suggestions": (first, second), "repeat_of": ("7", "8")})
    found = line(store, maps)
    assert (found.category, found.category_name) == ("030703", maps.path("030703")[-1])
    assert (found.function, found.level, found.unit) == ("城管", "区", "龙华区城市管理局")
    assert (found.district, found.probability, round(found.margin, 6)) == ("龙华区", 0.9, 0.6)
    assert (found.due_at, found.repeats, found.urgent, found.holder) == (due, 2, False, "")
    assert datetime.now(UTC) - found.came_at < timedelta(minutes=5)


def test_a_line_without_any_suggestion(store: Store, maps: LabelMaps, routed: Callable[..., None]) -> None:
    routed("1", answer={"suggestions": (), "disposition": Disposition.EMERGENCY}, address={"district": "美兰区"})
    found = line(store, maps)
    assert (found.category, found.category_name, found.unit, found.level) == ("", "", "", "")
    assert (found.probability, found.margin, found.due_at) == (0.0, 0.0, None)
    assert (found.urgent, found.district) == (True, "美兰区")


@pytest.mark.parametrize(
    ("region", "district"), [("金贸街道", "龙华区"), ("美兰区", "美兰区"), ("海口市", ""), ("长流镇", "秀英区")]
)
def test_of_a_unit_of_the_city_the_place_tells_the_district(
    region: str, district: str, store: Store, maps: LabelMaps, routed: Callable[..., None]
) -> None:
    city = shipped()[1]
    code = next(code for code, known in city.regions.items() if known.name == region)
    place = Place(code, tuple(one.code for one in city.ancestors(code)), city.regions[code].level, (), (), ())
    why = reasons(function="城管", probability=0.9, place=place, city=city)
    unit = SUGGESTION.unit.model_copy(update={"level": "市", "region": "海口市"})
    routed("1", answer={"suggestions": (SUGGESTION.model_copy(update={"unit": unit, "reasons": why}),)})
    assert line(store, maps).district == district


def test_what_was_disposed_of_waits_for_nobody(store: Store, maps: LabelMaps, routed: Callable[..., None]) -> None:
    routed("1", answer={"disposition": Disposition.AUTO})
    with store.reading() as connection:
        assert Waiting.of(CaseFile.read(connection, "1"), maps) is None


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("路灯不亮", "路灯不亮"),
        ("", ""),
        ("坐席：您好，请讲。 市民：楼下烧烤油烟太大。 坐席：好的，已记录。", "楼下烧烤油烟太大。"),
        ("灯" * 61, "灯" * (SUMMARY - 1) + "…"),
        ("灯" * 20_000, "灯" * (SUMMARY - 1) + "…"),
    ],
)
def test_the_summary_is_the_beginning_of_what_matters(said: str, told: str) -> None:
    assert summary(said) == told


@pytest.mark.parametrize(
    "pressing",
    [
        {"urgent": True, "due_at": None},
        {"due_at": NOW - timedelta(minutes=1)},
        {"due_at": NOW + timedelta(days=2)},
        {"margin": 0.4},
        {"came_at": NOW - timedelta(seconds=1)},
    ],
)
def test_danger_then_deadline_then_doubt_then_arrival(pressing: dict[str, object]) -> None:
    values = vars(LINE) | pressing
    assert Waiting(**values).rank(NOW) < LINE.rank(NOW)
    undated = Waiting(**{**vars(LINE), "due_at": None, "margin": 0.0, "came_at": NOW - timedelta(days=9)})
    assert undated.rank(NOW) > Waiting(**values).rank(NOW)


def test_of_one_day_the_more_doubtful_comes_first() -> None:
    early = Waiting(**{**vars(LINE), "due_at": NOW + timedelta(days=1, hours=1), "margin": 0.9})
    late = Waiting(**{**vars(LINE), "due_at": NOW + timedelta(days=1, hours=6), "margin": 0.1})
    assert late.rank(NOW) < early.rank(NOW)
