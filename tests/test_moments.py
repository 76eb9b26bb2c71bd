from datetime import UTC, datetime, timedelta, timezone

from dispatch_model.cases import CHINA_TIME
from serving.store import moments


def test_a_stored_moment_is_utc_of_one_length() -> None:
    assert moments.stored(datetime(2026, 5, 1, 8, 30, tzinfo=CHINA_TIME)) == "2026-05-01 00:30:00.000000"
    assert len(moments.now()) == len("2026-05-01 00:30:00.000000")


def test_it_comes_back_in_china_time() -> None:
    moment = datetime(2026, 5, 1, 8, 30, 0, 5, tzinfo=CHINA_TIME)
    back = moments.read(moments.stored(moment))
    assert (back, back.utcoffset()) == (moment, timedelta(hours=8))


def test_the_order_of_the_texts_is_that_of_the_moments() -> None:
    times = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=step) for step in (0, 1, 10**6, 10**12)]
    assert sorted(map(moments.stored, times)) == list(map(moments.stored, times))


def test_what_lies_beyond_the_calendar_is_its_end() -> None:
    assert moments.stored(datetime(1, 1, 1, tzinfo=CHINA_TIME)) == "0001-01-01 00:00:00.000000"
    assert moments.stored(datetime(9999, 12, 31, 20, tzinfo=timezone(-timedelta(hours=5)))) == moments.stored(
        datetime.max.replace(tzinfo=UTC)
    )
