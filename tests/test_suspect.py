import stat
from pathlib import Path

import pytest

from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.suspect import Suspect, read_suspects, write_suspects

ONE = Suspect(
    id="a",
    field="function",
    given="城管",
    proposed="水务",
    suspicion=0.9,
    given_probability=0.1,
    proposed_probability=0.8,
    why="model|repeat",
    repeats="b=1=水务|c=公安",
    beside="category=030501|level=区",
    text='桥头,"冒水"\n三天',
)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "suspects.csv"
    assert write_suspects(path, [ONE]) == 1
    assert read_suspects(path) == [ONE]
    assert ONE.repeated == {"b=1": "水务", "c": "公安"}
    assert ONE.others == {"category": "030501", "level": "区"}


def test_only_its_owner_reads_it_and_no_half_is_left(tmp_path: Path) -> None:
    path = tmp_path / "suspects.csv"
    write_suspects(path, [ONE])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["suspects.csv"]


def test_no_list_is_an_empty_one(tmp_path: Path) -> None:
    assert read_suspects(tmp_path / "suspects.csv") == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("id,field", "id,label", "第 1 行.*表头"),
        ("function,城管", "colour,城管", "没有标注项 'colour'"),
        ("model|repeat", "whim", "没有缘由 'whim'"),
        ("0.9", "viel", "数值"),
    ],
)
def test_another_table_is_refused_by_line(tmp_path: Path, old: str, new: str, told: str) -> None:
    path = tmp_path / "suspects.csv"
    write_suspects(path, [ONE])
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(DispatchError, match=told) as caught:
        read_suspects(path)
    assert caught.value.kind is ErrorKind.INVALID_CONFIG


def test_where_nothing_can_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(DispatchError, match="写不了"):
        write_suspects(tmp_path / "file" / "suspects.csv", [ONE])
