import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dispatch_model.bundle import MANIFEST, PARTS, Bundle, blend_weights, sha256, write_manifest
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LabelMaps


@pytest.fixture(scope="module")
def small_maps(tmp_path_factory: pytest.TempPathFactory) -> LabelMaps:
    """Two categories and two functions."""
    folder = tmp_path_factory.mktemp("maps")
    (folder / "db44").mkdir()
    (folder / "db44" / "categories.csv").write_text(
        "code,name,parent\n01,城建,\n0101,照明,01\n0102,道路,01\n", encoding="utf-8"
    )
    (folder / "functions.csv").write_text("name,scope\n住建,管房子\n城管,管街面\n", encoding="utf-8")
    return LabelMaps.load(folder)


def tables(maps: LabelMaps) -> dict[str, np.ndarray]:
    return {
        "ngram_keys": np.array([28783, 36335]),
        "ngram_idf": np.array([1.0, 2.0], dtype=np.float32),
        "log_prior": np.full((len(maps.leaves), len(maps.functions), 4), np.log(1 / 8), dtype=np.float16),
    }


def fields(maps: LabelMaps) -> dict[str, Any]:
    return {
        **{"name": "tiny", "created": "2026-01-01", "git_commit": "abc", "training_data": "0", "config": {}},
        **{"label_maps": maps.fingerprint, "heads": {"kind": list(maps.kinds)}, "max_tokens": 64, "beta": 0.5},
        **{
            "blend": {"function": 0.5, "level": 0.5},
            "practised": [],
            "temperature": 1.0,
            "thresholds": {"urgent": 0.4},
            "metrics": {},
        },
    }


def sealed(folder: Path, maps: LabelMaps, **arrays: np.ndarray) -> Path:
    """A bundle whose network is four bytes: opening looks at digests, labels and tables only."""
    for part in PARTS:
        (folder / part).write_bytes(b"tiny")
    np.savez(folder / "tables.npz", **(tables(maps) | arrays))  # type: ignore[arg-type]
    write_manifest(folder, fields(maps))
    return folder


def edited(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest in place."""
    path = folder / MANIFEST
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def refused(folder: Path, maps: LabelMaps) -> DispatchError:
    with pytest.raises(DispatchError) as caught:
        Bundle.open(folder, maps)
    error = caught.value
    assert error.kind is ErrorKind.INVALID_BUNDLE
    assert str(folder / str(error.field)) in error.message
    assert "dispatch export" in error.message
    return error


def test_what_was_written_is_read(tmp_path: Path, small_maps: LabelMaps) -> None:
    bundle = Bundle.open(sealed(tmp_path, small_maps), small_maps)
    assert bundle.manifest.thresholds.urgent == 0.4
    assert bundle.manifest.thresholds.auto is None
    assert bundle.log_prior.shape == (2, 2, 4)
    assert bundle.log_prior.dtype == np.float32
    assert bundle.ngrams.keys.tolist() == [28783, 36335]
    assert bundle.version == f"tiny+{sha256(tmp_path / 'model.onnx')[:8]}"


@pytest.mark.parametrize("name", [*PARTS, MANIFEST])
def test_a_missing_file_is_named(tmp_path: Path, small_maps: LabelMaps, name: str) -> None:
    (sealed(tmp_path, small_maps) / name).unlink()
    error = refused(tmp_path, small_maps)
    assert error.field == name
    assert "不存在" in error.message


@pytest.mark.parametrize("name", PARTS)
def test_one_changed_byte_is_seen(tmp_path: Path, small_maps: LabelMaps, name: str) -> None:
    path = sealed(tmp_path, small_maps) / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    error = refused(tmp_path, small_maps)
    assert error.field == name
    assert "SHA-256" in error.message


def test_a_file_the_manifest_does_not_seal_is_refused(tmp_path: Path, small_maps: LabelMaps) -> None:
    edited(sealed(tmp_path, small_maps), lambda content: content["sha256"].pop("model.onnx"))
    assert refused(tmp_path, small_maps).field == "model.onnx"


def test_other_label_maps_are_refused_with_both_fingerprints(tmp_path: Path, small_maps: LabelMaps) -> None:
    error = refused(sealed(tmp_path, small_maps), LabelMaps.load())
    assert small_maps.fingerprint in error.message
    assert LabelMaps.load().fingerprint in error.message


def test_another_format_version_is_refused_before_its_fields_are_read(tmp_path: Path, small_maps: LabelMaps) -> None:
    edited(sealed(tmp_path, small_maps), lambda content: content.update(format_version=2, brand_new=True))
    error = refused(tmp_path, small_maps)
    assert "格式版本 2，本程序只读 1" in error.message


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe{}"])
def test_a_manifest_that_is_no_json_is_named(tmp_path: Path, small_maps: LabelMaps, content: bytes) -> None:
    (sealed(tmp_path, small_maps) / MANIFEST).write_bytes(content)
    error = refused(tmp_path, small_maps)
    assert error.field == MANIFEST
    assert "JSON" in error.message


@pytest.mark.parametrize("content", [b"[]", b"3", b"{}"])
def test_a_manifest_that_is_another_thing_is_named(tmp_path: Path, small_maps: LabelMaps, content: bytes) -> None:
    (sealed(tmp_path, small_maps) / MANIFEST).write_bytes(content)
    assert refused(tmp_path, small_maps).field == MANIFEST


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"max_tokens": 4096}, "max_tokens"),
        ({"beta": -1}, "beta"),
        ({"heads": ["kind"]}, "heads"),
        ({"blend": {"function": "half"}}, "blend.function"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_wrong_field_of_the_manifest_is_named(
    tmp_path: Path, small_maps: LabelMaps, change: dict[str, Any], where: str
) -> None:
    edited(sealed(tmp_path, small_maps), lambda content: content.update(change))
    assert f"字段 {where}" in refused(tmp_path, small_maps).message


@pytest.mark.parametrize(
    ("name", "array", "told"),
    [
        ("log_prior", np.zeros((2, 3, 4)), ("(2, 3, 4)", "(2, 2, 4)")),
        ("ngram_idf", np.ones(3), ("(2,)", "(3,)")),
    ],
)
def test_tables_of_another_shape_name_both_shapes(
    tmp_path: Path, small_maps: LabelMaps, name: str, array: np.ndarray, told: tuple[str, str]
) -> None:
    error = refused(sealed(tmp_path, small_maps, **{name: array}), small_maps)
    assert error.field == "tables.npz"
    assert name in error.message
    assert all(shape in error.message for shape in told)


def test_a_table_that_is_not_there_is_named(tmp_path: Path, small_maps: LabelMaps) -> None:
    sealed(tmp_path, small_maps)
    np.savez(tmp_path / "tables.npz", ngram_keys=np.array([1]))
    write_manifest(tmp_path, fields(small_maps))
    error = refused(tmp_path, small_maps)
    assert error.field == "tables.npz"
    assert "ngram_idf、log_prior" in error.message


def test_a_pickle_is_never_loaded(tmp_path: Path, small_maps: LabelMaps) -> None:
    folder = sealed(tmp_path, small_maps, ngram_idf=np.array([{}, {}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        Bundle.open(folder, small_maps)


@pytest.mark.parametrize("name", PARTS)
def test_an_incomplete_folder_is_not_sealed(tmp_path: Path, small_maps: LabelMaps, name: str) -> None:
    (sealed(tmp_path, small_maps) / name).unlink()
    (tmp_path / MANIFEST).unlink()
    with pytest.raises(DispatchError, match=name) as caught:
        write_manifest(tmp_path, fields(small_maps))
    assert caught.value.kind is ErrorKind.INVALID_BUNDLE
    assert not (tmp_path / MANIFEST).exists()


def test_a_folder_that_is_no_bundle_says_so(tmp_path: Path, small_maps: LabelMaps) -> None:
    assert "此文件夹不是模型包" in refused(tmp_path, small_maps).message


def test_duty_alone_counts_where_no_practice_was_learned(tiny_bundle: Path) -> None:
    manifest = Bundle.open(tiny_bundle).manifest.model_copy(
        update={"practised": ["海口市"], "blend": {"function": 0.25, "level": 0.5}}
    )
    weights = blend_weights(manifest, ["海口", "宁波市", ""])
    assert weights["function"].ravel().tolist() == [0.25, 1.0, 1.0]
    assert weights["level"].ravel().tolist() == [0.5, 1.0, 1.0]


def test_the_shipped_bundle_opens_and_is_small_enough() -> None:
    bundle = Bundle.open()
    assert sum(path.stat().st_size for path in bundle.folder.iterdir()) <= 30_000_000
    assert {path.name for path in bundle.folder.iterdir()} == {*PARTS, MANIFEST}
    parity = bundle.manifest.metrics["parity"]
    assert parity
    assert all(row["flips"] <= 0.01 and row["f1_loss"] <= 0.005 for row in parity)
