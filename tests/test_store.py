import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dispatch_model.cases import Address, Case, Timing, Versions
from dispatch_model.errors import DispatchError, ErrorKind
from serving.record import Content, Record
from serving.routing import Router
from serving.store import Store

VERSIONS = Versions(bundle="b", access_list="a", catalogue="c", label_maps="l")


def content(transcript: str) -> Content:
    return Content(city=None, transcript=f'"{transcript}"', address=None, received_at=None)


def record(case_id: str, transcript: str = "路灯不亮", answer: str = '{"case_id":"x"}') -> Record:
    return Record(case_id, content(transcript), "suggest", VERSIONS, answer)


def test_what_was_saved_is_found_after_reopening(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "new" / "dispatch.db")
    assert store.save([record("1"), record("2")]) == {"1": record("1"), "2": record("2")}
    store.close()
    again = Store.open(tmp_path / "new" / "dispatch.db")
    assert again.find(["2", "3", "1"]) == {"1": record("1"), "2": record("2")}
    again.close()


def test_the_first_writer_of_a_case_id_wins(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "dispatch.db")
    first, second = record("1"), record("1", answer='{"case_id":"y"}')
    assert store.save([first, second]) == {"1": first}
    assert store.save([second, record("2")]) == {"1": first, "2": record("2")}
    store.close()


def test_writers_racing_on_one_case_id_store_one_row(tmp_path: Path) -> None:
    path = tmp_path / "dispatch.db"
    stores = [Store.open(path) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        kept = list(pool.map(lambda pair: pair[1].save([record("1", answer=f"{pair[0]}")])["1"], enumerate(stores)))
    assert len({one.answer for one in kept}) == 1
    for store in stores:
        store.close()
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM routings").fetchone() == (1,)
    connection.close()


def test_threads_share_one_store(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "dispatch.db")

    def save_and_find(number: int) -> bool:
        saved = store.save([record(str(number))])
        return store.find([str(number)]) == saved

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(save_and_find, range(40)))
    store.close()


def test_the_database_is_durable(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "dispatch.db")
    with store._transaction() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    store.close()


def test_a_busy_database_is_unavailable_and_then_recovers(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "dispatch.db", timeout=0.05)
    other = sqlite3.connect(tmp_path / "dispatch.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DispatchError, match="locked") as caught:
        store.save([record("1")])
    assert caught.value.kind is ErrorKind.STORE_UNAVAILABLE
    store.ping()
    other.execute("ROLLBACK")
    other.close()
    assert store.save([record("1")]) == {"1": record("1")}
    store.close()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DispatchError, match=r"file/dispatch\.db 不可用"):
        Store.open(tmp_path / "file" / "dispatch.db")


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "dispatch.db").write_text("no database, only words " * 50)
    with pytest.raises(DispatchError, match="not a database"):
        Store.open(tmp_path / "dispatch.db")


def test_content_is_masked_everywhere() -> None:
    case = Case.model_validate(
        {
            "case_id": "1",
            "transcript": [{"speaker": "citizen", "text": "电话一二三"}],
            "address": Address(detail="住一二三室"),
            "received_at": "2018-05-03",
        }
    )
    kept = Content.of(case, lambda text: text.replace("一二三", "[电话]"))
    assert kept == Content(
        city=None,
        transcript='[{"speaker": "citizen", "text": "电话[电话]"}]',
        address='{"detail": "住[电话]室"}',
        received_at="2018-05-03T00:00:00+08:00",
    )


def test_other_content_is_a_conflict_that_names_the_fields() -> None:
    record("1").check_same(content("路灯不亮"))
    with pytest.raises(DispatchError, match="transcript") as caught:
        record("1").check_same(content("路灯又亮了"))
    assert (caught.value.kind, caught.value.field) == (ErrorKind.CASE_CONFLICT, "transcript")


def test_the_reply_is_the_routing(router: Router) -> None:
    case = Case(case_id="1", transcript="路灯不亮")
    routing = router.route([case])[0]
    kept = Record.of(Content.of(case, str), routing)
    assert type(routing).model_validate_json(kept.reply(routing.timing_ms)) == routing
    replayed = type(routing).model_validate_json(kept.reply(Timing(queue=1), replayed=True))
    assert replayed == routing.model_copy(update={"replayed": True, "timing_ms": Timing(queue=1)})
