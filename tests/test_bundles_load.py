import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest

from dispatch_model.bundle import MANIFEST, Bundle, BundleRef, sha256, write_manifest
from dispatch_model.cases import Case, Routing
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.router import Router as RealRouter
from serving.bundles.load import TRIAL, load, load_exactly
from serving.routing import Router
from tests.canned import MODEL, CannedRouter

PARTS = ("model.onnx", "tokenizer.json", "tables.npz", "card.md")


@pytest.fixture(scope="module")
def real() -> RealRouter:
    return RealRouter.open()


def copied(real: RealRouter, folder: Path, name: str = "other") -> Path:
    """The shipped bundle under another name."""
    folder.mkdir()
    shipped: Bundle = real.encoder.bundle
    for part in PARTS:
        (folder / part).symlink_to(shipped.folder / part)
    write_manifest(folder, shipped.manifest.model_dump() | {"name": name})
    return folder


def test_a_real_bundle_answers_as_before_under_its_own_name(real: RealRouter, tmp_path: Path) -> None:
    loaded = load(real, copied(real, tmp_path / "other"))
    assert loaded.bundle.version.startswith("other+")
    assert loaded.bundle.sha256 == sha256(tmp_path / "other" / MANIFEST) != real.bundle.sha256
    assert loaded.rule_sets == real.rule_sets
    when = datetime.fromisoformat("2026-05-03T09:00:00+08:00")
    before, after = real.route(TRIAL, now=when), loaded.route(TRIAL, now=when)
    assert [one.suggestions for one in after] == [one.suggestions for one in before]
    assert {one.versions.bundle for one in after} == {loaded.bundle.version}
    assert real.versions.bundle == real.bundle.version != loaded.bundle.version


@pytest.mark.parametrize("part", ["model.onnx", "tokenizer.json"])
def test_a_sealed_file_that_is_something_else_is_an_invalid_bundle(real: RealRouter, tmp_path: Path, part: str) -> None:
    folder = copied(real, tmp_path / "other")
    (folder / part).unlink()
    (folder / part).write_bytes(b"no network")
    write_manifest(folder, real.encoder.bundle.manifest.model_dump())
    with pytest.raises(DispatchError, match="载入或试算失败") as caught:
        load(real, folder)
    assert caught.value.kind is ErrorKind.INVALID_BUNDLE


def test_one_changed_byte_is_refused(real: RealRouter, tmp_path: Path) -> None:
    folder = copied(real, tmp_path / "other")
    (folder / "card.md").unlink()
    (folder / "card.md").write_text("changed", encoding="utf-8")
    with pytest.raises(DispatchError, match=r"card\.md") as caught:
        load(real, folder)
    assert caught.value.kind is ErrorKind.INVALID_BUNDLE


class Mad(CannedRouter):
    """Answers with what is no number."""

    def with_bundle(self, folder: Path) -> "Mad":
        return Mad(bundle=BundleRef("mad+0", folder, "0" * 64))

    def route(self, cases: Sequence[Case], *, now: datetime | None = None) -> list[Routing]:
        view = MODEL.model_copy(update={"duty_function": (("城管", math.nan),)})
        return [one.model_copy(update={"model": view}) for one in super().route(cases, now=now)]


def test_a_bundle_whose_answers_are_no_numbers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DispatchError, match="不是数") as caught:
        load(Mad(), tmp_path)
    assert caught.value.kind is ErrorKind.INVALID_BUNDLE


def test_a_folder_that_holds_another_by_now_is_not_what_was_in_force(router: Router, bundles: Path) -> None:
    wanted = load(router, bundles / "one").bundle
    assert load_exactly(router, wanted).bundle == wanted
    (bundles / "one" / MANIFEST).write_bytes((bundles / "two" / MANIFEST).read_bytes())
    with pytest.raises(DispatchError, match="内容已不是当时的 one"):
        load_exactly(router, wanted)
