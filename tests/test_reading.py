from datetime import UTC, datetime
from functools import lru_cache

import pytest

from dispatch_model.cases import CHINA_TIME, Case
from dispatch_model.city import City
from dispatch_model.errors import DispatchError
from dispatch_model.explain import Cues
from dispatch_model.gazetteer import Gazetteer
from dispatch_model.labels import LabelMaps
from dispatch_model.reading import Reading, read

NOW = datetime(2026, 5, 6, 2, tzinfo=UTC)


@lru_cache(maxsize=1)
def tools() -> tuple[City, Gazetteer, Cues]:
    maps = LabelMaps.load()
    city = City.load("haikou", maps)
    return city, Gazetteer.load(city), Cues.load(maps)


def reading(transcript: str, *, known: bool = True, **fields: object) -> Reading:
    city, gazetteer, cues = tools()
    case = Case.model_validate({"case_id": "R", "transcript": transcript, **fields})
    return read(case, city=city if known else None, gazetteer=gazetteer, cues=cues, now=NOW)


def test_text_is_masked_for_people_and_for_the_model() -> None:
    found = reading("坐席：您好请讲。市民：我的手机13876543210，龙华区路灯坏了一周没人修。坐席：好的。")
    assert "13876543210" not in found.text + found.model_text
    assert "[电话]" in found.text
    assert "路灯" in found.model_text
    assert "您好" not in found.model_text


def test_the_place_is_found_in_the_text() -> None:
    assert reading("龙华区路灯坏了").place.path[-1] == "460100"


def test_another_city_has_no_place_here() -> None:
    found = reading("龙华区路灯坏了", known=False)
    assert found.place.path == ()
    assert found.city is None


def test_the_name_of_another_city_is_masked_and_simplified() -> None:
    assert reading("路灯坏了", known=False, city="長沙市13876543210").city_name == "长沙市[电话]"
    assert reading("路灯坏了", city="海口").city_name == "海口市"


def test_a_greeting_of_both_sides_is_contentless() -> None:
    assert reading("坐席：您好，请讲。市民：喂喂听得到吗").contentless
    assert not reading("坐席：您好，请讲。市民：停水").contentless


def test_a_case_without_a_time_is_of_now() -> None:
    assert reading("路灯坏了").received_at == NOW


def test_a_time_without_zone_is_china_time() -> None:
    assert reading("路灯坏了", received_at="2026-05-03T09:00:00").received_at == datetime(
        2026, 5, 3, 9, tzinfo=CHINA_TIME
    )


def test_a_blank_transcript_is_refused() -> None:
    with pytest.raises(DispatchError, match="空白"):
        reading("　 ")
