from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from dispatch_model.cases import Disposition
from serving.console.pending import events_after, last_event, pending
from serving.store.store import Store


def test_the_newest_come_first_and_auto_does_not_wait(store: Store, routed: Callable[..., None]) -> None:
    for number in "123":
        routed(number)
    routed("4", answer={"disposition": Disposition.AUTO})
    now = datetime.now(UTC)
    with store.reading() as connection:
        assert pending(connection, now - timedelta(hours=1), 9) == ["3", "2", "1"]
        assert pending(connection, now - timedelta(hours=1), 2) == ["3", "2"]
        assert pending(connection, now + timedelta(hours=1), 9) == []


def test_events_follow_on_the_one_that_is_known(store: Store, routed: Callable[..., None]) -> None:
    with store.reading() as connection:
        assert last_event(connection) == 0
        routed("1")
        routed("2")
        assert [told[1:] for told in events_after(connection, 0, 9)] == [("dispatch", "1"), ("dispatch", "2")]
        assert len(events_after(connection, 0, 1)) == 1
        assert events_after(connection, last_event(connection), 9) == []
