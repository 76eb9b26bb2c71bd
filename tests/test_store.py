import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select

from dispatch_model.cases import Versions
from dispatch_model.errors import DispatchError, ErrorKind
from serving.settings import Settings
from serving.store.record import Content, Record, Top
from serving.store.schema import audit_events, cases, routings
from serving.store.seal import Seal
from serving.store.store import Store

VERSIONS = Versions(bundle="b", access_list="a", catalogue="c", label_maps="l", triggers="t")
KEY = "the key of these tests, of some length"


def content(transcript: str) -> Content:
    return Content(city=None, transcript=f'"{transcript}"', address=None, received_at=None)


def record(case_id: str, transcript: str = "路灯不亮", answer: str = '{"case_id":"x"}') -> Record:
    return Record(case_id, content(transcript), "suggest", VERSIONS, answer, Top("0305", "市政环卫", "区", "u1"))


def open_store(where: Path | str) -> Store:
    return Store.open(where, seal=Seal.of(KEY), migrate="always")


def rows(store: Store) -> tuple[int, int, int]:
    with store.reading() as connection:
        found = [
            connection.execute(select(func.count()).select_from(table)).fetchall()[0][0]
            for table in (cases, routings, audit_events)
        ]
    return found[0], found[1], found[2]


def test_what_was_saved_is_found_after_reopening(database_url: Path | str) -> None:
    store = open_store(database_url)
    assert store.save([record("1"), record("2")]) == {"1": record("1"), "2": record("2")}
    store.close()
    again = open_store(database_url)
    assert again.find(["2", "3", "1"]) == {"1": record("1"), "2": record("2")}
    again.close()


def test_everything_of_a_record_is_kept(store: Store) -> None:
    told = Content("海口市", '"甲"', '{"detail": "乙"}', "2026-05-01", "k:d", '{"city": "1"}', "caller")
    whole = Record("1", told, "auto", VERSIONS, '{"a":"%s 100% :name"}', Top())
    store.save([whole])
    assert store.find(["1"]) == {"1": whole}


def test_the_first_writer_of_a_case_id_wins(store: Store) -> None:
    first, second = record("1"), record("1", answer='{"case_id":"y"}')
    assert store.save([first, second]) == {"1": first}
    assert store.save([second, record("2")]) == {"1": first, "2": record("2")}
    assert rows(store) == (2, 2, 2)


def test_nothing_to_save_is_no_work(store: Store) -> None:
    assert store.save([]) == {}
    assert rows(store) == (0, 0, 0)


def test_each_new_case_leaves_an_event_without_a_word_of_it(store: Store) -> None:
    store.save([record("1", "独特的一句话"), record("2")])
    store.save([record("1", "独特的一句话")])
    with store.reading() as connection:
        events = connection.rows(select(audit_events).order_by(audit_events.c.id))
    assert [(event["action"], event["subject"]) for event in events] == [("dispatch", "1"), ("dispatch", "2")]
    told = json.loads(events[0]["details"])
    assert (told["disposition"], told["unit"]["function"], told["stamp"]["id"]) == ("suggest", "市政环卫", told["id"])
    assert "独特" not in str(events)


def test_threads_share_one_store(store: Store) -> None:
    def save_and_find(number: int) -> bool:
        saved = store.save([record(str(number))])
        return store.find([str(number)]) == saved

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(save_and_find, range(40)))
    assert rows(store) == (40, 40, 40)


_RACER = """
import sys
from pathlib import Path
from serving.store.seal import Seal
from serving.store.store import Store
sys.path.insert(0, {tests!r})
from test_store import KEY, open_store, record
store = open_store({where})
print("ready", flush=True)
sys.stdin.readline()
futures = [store.submit([record(str(number), answer=f'{{{{"by":"{who}"}}}}')]) for number in {order}]
print(*[future.result()[str(number)].answer for number, future in zip({order}, futures)], sep="\\n")
store.close()
"""


def test_two_processes_racing_on_the_same_cases_store_one_row_each(database_url: Path | str) -> None:
    """In opposite orders, which without turns would be a deadlock on PostgreSQL."""
    store = open_store(database_url)
    where = f"Path({str(database_url)!r})" if isinstance(database_url, Path) else repr(database_url)
    numbers, tests = list(range(60)), str(Path(__file__).parent)
    racers = []
    for who, order in (("a", numbers), ("b", numbers[::-1])):
        code = _RACER.format(where=where, who=who, order=order, tests=tests)
        racers.append(
            subprocess.Popen(
                [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
            )
        )
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    first, second = (racer.communicate(timeout=60)[0].split() for racer in racers)
    assert first == second[::-1]
    found = store.find([str(number) for number in numbers])
    assert [found[str(number)].answer for number in numbers] == first
    assert rows(store) == (60, 60, 60)
    store.close()


def test_a_key_of_another_service_is_refused(database_url: Path | str) -> None:
    open_store(database_url).close()
    with pytest.raises(DispatchError, match="secret_key") as caught:
        Store.open(database_url, seal=Seal.of("x" * 40))
    assert (caught.value.kind, caught.value.field) == (ErrorKind.INVALID_CONFIG, "secret_key")
    open_store(database_url).close()


def test_the_settings_name_database_and_key(tmp_path: Path) -> None:
    first = Store.of(Settings(data_dir=tmp_path))
    assert first.name == str(tmp_path / "dispatch.db")
    first.close()
    key = (tmp_path / "dispatch.key").read_text()
    again = Store.of(Settings.model_validate({"data_dir": tmp_path, "secret_key": key}))
    assert again.seal.id == first.seal.id
    again.close()


def test_a_database_behind_a_url_needs_a_key(postgres_url: str) -> None:
    with pytest.raises(TypeError, match="seal"):
        Store.open(postgres_url, migrate="always")


def test_a_result_that_is_left_half_read_does_no_harm(store: Store) -> None:
    store.save([record(str(number)) for number in range(5)])

    def leave() -> None:
        with store.reading() as connection:
            connection.execute(select(cases.c.case_id)).fetchone()
            raise KeyError

    for _ in range(12):
        with pytest.raises(KeyError):
            leave()
    assert store.find(["3"]) == {"3": record("3")}


def test_saving_a_changed_record_changes_nothing(store: Store) -> None:
    store.save([record("1")])
    store.save([replace(record("1"), disposition="auto")])
    assert store.find(["1"])["1"].disposition == "suggest"
