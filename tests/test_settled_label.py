from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.settled_label import COLUMNS, SettledLabel, in_force, read_settled, settle

KEY = ("a", "function")
NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
HEAD = ",".join(COLUMNS)


def change(path: Path, **other: Any) -> SettledLabel:
    said: dict[str, Any] = {"key": KEY, "action": "change", "before": "城管", "after": "水务", "by": "wang", "at": NOW}
    return settle(path, **(said | other))


def test_each_line_is_a_version_with_who_when_and_why(tmp_path: Path) -> None:
    path = tmp_path / "data" / "settled.csv"
    first = change(path, note="  问过\n水务局 ")
    second = change(path, key=("b", "kind"), action="keep", before="求助", after="求助")
    assert read_settled(path) == [first, second]
    assert (first.version, second.version) == (1, 2)
    assert (first.by, first.at, first.note) == ("wang", "2026-11-23T08:00:00+00:00", "问过 水务局")
    assert in_force([first, second]) == {KEY: first, ("b", "kind"): second}


def test_what_is_taken_back_holds_no_longer_but_stays_on_record(tmp_path: Path) -> None:
    path = tmp_path / "settled.csv"
    line = change(path)
    change(path, action="undo", before="水务", after="城管", seen=line)
    assert in_force(read_settled(path)) == {}
    again = change(path, after="公安")
    assert in_force(read_settled(path)) == {KEY: again}
    assert [one.action for one in read_settled(path)] == ["change", "undo", "change"]


def test_who_comes_second_is_told_who_was_first(tmp_path: Path) -> None:
    path = tmp_path / "settled.csv"
    change(path)
    with pytest.raises(DispatchError, match="刚由wang处理") as caught:
        change(path, by="li", after="公安")
    assert caught.value.kind is ErrorKind.CASE_STATE
    assert len(read_settled(path)) == 1


def test_of_many_at_once_one_wins_and_no_line_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "settled.csv"

    def attempt(number: int) -> bool:
        try:
            change(path, key=(f"case-{number % 5}", "function"))
        except DispatchError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(40))) == 5
    assert [line.version for line in read_settled(path)] == [1, 2, 3, 4, 5]


def test_a_note_has_an_end(tmp_path: Path) -> None:
    with pytest.raises(DispatchError, match="说明有 201 字") as caught:
        change(tmp_path / "settled.csv", note="长" * 201)
    assert caught.value.kind is ErrorKind.INVALID_DECISION


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id,label\n", "第 1 行.*表头"),
        (f"{HEAD}\n2,a,function,keep,城管,城管,wang,t,\n", "version 为 '2'"),
        (f"{HEAD}\n1,a,colour,keep,城管,城管,wang,t,\n", "field 可为"),
        (f"{HEAD}\n1,a,function,burn,城管,城管,wang,t,\n", "action 可为"),
        (f"{HEAD}\n1,a,function,change,城管,城管,wang,t,\n", "不合"),
        (f"{HEAD}\n1,a,function,keep,城管,水务,wang,t,\n", "不合"),
        (f"{HEAD}\n1,a,function,drop,城管,水务,wang,t,\n", "不合"),
        (f"{HEAD}\n1,a,function,keep\n", "各列齐全"),
    ],
)
def test_a_file_that_was_edited_by_hand_is_refused_by_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "settled.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DispatchError, match=told) as caught:
        read_settled(path)
    assert caught.value.kind is ErrorKind.INVALID_CONFIG


def test_no_file_settles_nothing(tmp_path: Path) -> None:
    assert read_settled(tmp_path / "settled.csv") == []


def test_where_nothing_can_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(DispatchError) as caught:
        change(tmp_path / "file" / "settled.csv")
    assert caught.value.kind is ErrorKind.STORE_UNAVAILABLE
