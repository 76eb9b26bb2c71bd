from datetime import datetime
from typing import Any

import pytest
from pydantic import ValidationError

from dispatch_model.cases import CHINA_TIME, Address, Case, Turn


def case(**fields: Any) -> Case:
    return Case.model_validate({"case_id": "1", "transcript": "路灯不亮", **fields})


@pytest.mark.parametrize("field", ["city", "address", "received_at"])
@pytest.mark.parametrize("blank", ["", "  ", None])
def test_a_blank_optional_field_is_absent(field: str, blank: str | None) -> None:
    assert case(**{field: blank}) == case()


def test_blank_parts_of_an_address_are_absent() -> None:
    assert case(address={"district": "", "street": " "}).address is None
    assert case(address={"district": "龙华区", "street": ""}).address == Address(district="龙华区")


def test_a_text_is_an_address() -> None:
    assert case(address="龙华区某路口").address == Address(detail="龙华区某路口")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("2018-05", (2018, 5, 1)),
        ("2018-05-03", (2018, 5, 3)),
        ("2018/5/3", (2018, 5, 3)),
        ("2018年5月3日", (2018, 5, 3)),
        ("20180503", (2018, 5, 3)),
        ("2018-05-03 10:22:11", (2018, 5, 3, 10, 22, 11)),
        ("2018-05-03T23:00:00Z", (2018, 5, 4, 7)),
        ("2018-05-03T23:00:00+08:00", (2018, 5, 3, 23)),
    ],
)
def test_received_at_is_chinese_time(written: str, meant: tuple[int, int, int]) -> None:
    assert case(received_at=written).received_at == datetime(*meant, tzinfo=CHINA_TIME)


@pytest.mark.parametrize("written", ["昨天", "2018-13-01", "2018-02-30", "1525312345", 1525312345, True, "2018"])
def test_what_is_no_date_is_refused(written: object) -> None:
    with pytest.raises(ValidationError, match="不是日期"):
        case(received_at=written)


@pytest.mark.parametrize("written", ["0001-01-01", "9999-12-31T23:59:59-12:00", "1969-07-20"])
def test_a_year_no_hotline_knows_is_refused(written: str) -> None:
    with pytest.raises(ValidationError, match="年份不在 1990 到 2100"):
        case(received_at=written)


@pytest.mark.parametrize("case_id", ["", "  ", "a\x00b", "a\nb", "\ud83d", 3, None])
def test_a_case_id_is_printable_text(case_id: object) -> None:
    with pytest.raises(ValidationError) as caught:
        case(case_id=case_id)
    assert [error["loc"] for error in caught.value.errors()] == [("case_id",)]


def test_half_an_emoji_becomes_a_replacement_character() -> None:
    assert case(transcript="灯坏了\ud83d").transcript == "灯坏了\ufffd"
    assert case(transcript="灯坏了😡").transcript == "灯坏了😡"
    turns = case(transcript=[{"speaker": "citizen", "text": "\ude00好"}]).transcript
    assert turns == (Turn(speaker="citizen", text="\ufffd好"),)


@pytest.mark.parametrize(
    ("transcript", "location"),
    [
        (3, ("transcript", "text")),
        (None, ("transcript", "text")),
        ([{"speaker": "robot", "text": "x"}], ("transcript", "turns", 0, "speaker")),
        ([3], ("transcript", "turns", 0)),
    ],
)
def test_a_wrong_transcript_gives_one_error(transcript: object, location: tuple[str | int, ...]) -> None:
    with pytest.raises(ValidationError) as caught:
        case(transcript=transcript)
    assert [error["loc"] for error in caught.value.errors()] == [location]


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="adress"):
        case(adress="龙华区")


@pytest.mark.parametrize("name", ["海口市 ", " 海口市", "　海口市\n"])
def test_a_city_is_trimmed(name: str) -> None:
    assert Case(case_id="1", transcript="路灯不亮", city=name).city == "海口市"


def test_a_city_written_full_width_is_plain() -> None:
    assert Case(case_id="1", transcript="路灯不亮", city="ｈａｉｋｏｕ").city == "haikou"
