from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dispatch_model.errors import DispatchError, ErrorKind
from serving.store.seal import Seal


def test_a_key_file_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "dispatch.key"
    first, again = Seal.open(path), Seal.open(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert first.digest("路灯") == again.digest("路灯")
    assert Seal.open(tmp_path / "other.key").digest("路灯") != first.digest("路灯")


def test_several_that_start_at_once_get_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        seals = list(pool.map(lambda _: Seal.open(tmp_path / "dispatch.key"), range(8)))
    assert len({seal.id for seal in seals}) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["dispatch.key"]


def test_the_text_of_the_file_as_a_setting_is_the_same_key(tmp_path: Path) -> None:
    seal = Seal.open(tmp_path / "dispatch.key")
    assert Seal.of((tmp_path / "dispatch.key").read_text()).id == seal.id


def test_a_pseudonym_is_no_digest_and_the_id_is_neither() -> None:
    seal = Seal.of("the key of these tests, of some length")
    caller = seal.pseudonym("13800000001")
    assert caller is not None
    assert caller == seal.pseudonym("13800000001") != seal.pseudonym("13800000002")
    assert len(caller) == len(seal.digest("13800000001")) == 64
    assert caller != seal.digest("13800000001")
    assert not seal.digest("").startswith(seal.id)


@pytest.mark.parametrize("content", [b"", b"short", b"\xff\xfe" * 40])
def test_a_damaged_key_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "dispatch.key").write_bytes(content)
    with pytest.raises(DispatchError, match=r"dispatch\.key"):
        Seal.open(tmp_path / "dispatch.key")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DispatchError, match="DISPATCH_DATA_DIR") as caught:
        Seal.open(tmp_path / "file" / "dispatch.key")
    assert caught.value.kind is ErrorKind.STORE_UNAVAILABLE
