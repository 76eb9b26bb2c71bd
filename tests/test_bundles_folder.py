from pathlib import Path

import pytest

from dispatch_model.bundle import MANIFEST
from dispatch_model.errors import DispatchError, ErrorKind
from serving.bundles.folder import BundleFolder


def test_a_bundle_is_found_by_name_or_whole_path(bundles: Path) -> None:
    folder = BundleFolder(bundles)
    assert folder.find("two") == folder.find(f"{bundles.resolve()}/two/") == bundles.resolve() / "two"


@pytest.mark.parametrize("name", ["../bundles/one", "/etc", "..", ".", "", "one/../two", "o\0ne", "x" * 5000])
def test_nothing_but_a_subfolder_is_found(bundles: Path, name: str) -> None:
    with pytest.raises(DispatchError) as caught:
        BundleFolder(bundles).find(name)
    assert caught.value.kind is ErrorKind.NOT_FOUND


def test_a_slip_is_told_with_near_names(bundles: Path) -> None:
    with pytest.raises(DispatchError, match="是否想写：one"):
        BundleFolder(bundles).find("onw")


def test_a_link_counts_as_what_it_stands_for_and_only_inside(bundles: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (bundles / "one").rename(outside)
    (bundles / "leads-out").symlink_to(outside)
    (bundles / "current").symlink_to(bundles / "two")
    folder = BundleFolder(bundles)
    assert [one.name for one in folder.available()] == ["current", "two"]
    assert folder.find("current") == bundles.resolve() / "two"


def test_what_is_there_is_listed_with_what_is_wrong(bundles: Path) -> None:
    (bundles / "two" / MANIFEST).write_text("{", encoding="utf-8")
    (bundles / "notes").mkdir()
    one, two = BundleFolder(bundles).available()
    assert (one.name, one.version[:4], one.created, one.problem) == ("one", "one+", "2026-11-01", "")
    assert (two.name, two.version) == ("two", "")
    assert "不是合法的 JSON" in two.problem


def test_without_a_folder_nothing_may_be_loaded(tmp_path: Path) -> None:
    assert BundleFolder(None).available() == ()
    with pytest.raises(DispatchError, match="bundles_dir") as caught:
        BundleFolder(None).find("one")
    assert caught.value.kind is ErrorKind.FORBIDDEN
    with pytest.raises(DispatchError, match="读不到"):
        BundleFolder(tmp_path / "gone").find("one")
