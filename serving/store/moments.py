"""Moments as the store keeps them: UTC, text of one length, so that their order is that of the text."""

from datetime import MINYEAR, UTC, datetime

from dispatch_model.cases import CHINA_TIME


def stored(moment: datetime) -> str:
    """`moment`, which knows its zone, as the store keeps it, such as `2026-05-01 00:30:00.000000`."""
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:  # hours before the year 1, or after 9999: the end of what can be told is as good
        moment = datetime.min if moment.year == MINYEAR else datetime.max
    return moment.replace(tzinfo=None).isoformat(" ", "microseconds")


def now() -> str:
    """This moment, as the store keeps it."""
    return stored(datetime.now(UTC))


def read(text: str) -> datetime:
    """A stored moment, in China time."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).astimezone(CHINA_TIME)
