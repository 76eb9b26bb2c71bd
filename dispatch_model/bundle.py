"""The artefact contract: a folder that holds one model, checked whole before it is used.

Files: `model.onnx`, `tokenizer.json`, `tables.npz` (n-gram vocabulary, category prior), `card.md`
and `bundle.json`, which names the SHA-256 of each of the others. No pickles.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dispatch_model.disposition import Thresholds
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LabelMaps
from dispatch_model.ngrams import NgramVocabulary
from dispatch_model.promise import Promise

FORMAT_VERSION = 1
MANIFEST = "bundle.json"
PARTS = ("model.onnx", "tokenizer.json", "tables.npz", "card.md")
TABLES = ("ngram_keys", "ngram_idf", "log_prior")


class Reference(BaseModel):
    """How answers are distributed on validation; live answers that differ have drifted.

    :param labels: `kind`, `function`, `level` (duty lists) and `category` (two digits) → share of each label as best.
    :param scores: shares of ten equal bins, 0 to 1, of the best duty function's probability.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    labels: dict[str, dict[str, float]]
    scores: list[float] = Field(min_length=10, max_length=10)


class Manifest(BaseModel):
    """Everything about a bundle but the numbers of the network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int
    name: str
    created: str
    git_commit: str
    label_maps: str = Field(description="fingerprint of the label maps it was trained with")
    heads: dict[str, list[str]] = Field(description="head → labels in the order of its outputs")
    max_tokens: int = Field(ge=16, le=512)
    blend: dict[str, float] = Field(
        description="head → weight, in practised cities, of who should handle a case against who in practice does"
    )
    practised: list[str] = Field(description="cities whose practice was learned; elsewhere only duty counts")
    beta: float = Field(ge=0, description="weight of the category → (function, level) prior")
    temperature: float = Field(gt=0, description="of the joint probability over (function, level)")
    thresholds: Thresholds
    bounds: dict[str, str] = Field(default_factory=dict, description="threshold → what it was chosen for")
    training_data: str = Field(description="fingerprint of the training rows")
    config: dict[str, Any] = Field(description="the resolved training configuration")
    metrics: dict[str, Any]
    reference: Reference | None = Field(default=None, description="what answers looked like on validation, for drift")
    promise: Promise | None = Field(default=None, description="what `thresholds.auto` was chosen for, on which cases")
    sha256: dict[str, str]

    @property
    def version(self) -> str:
        """Name and the first digits of the model's digest: what an answer reports."""
        return f"{self.name}+{self.sha256['model.onnx'][:8]}"


class BundleRef(NamedTuple):
    """Which bundle: bundles that differ in anything differ in `sha256`, while versions tell networks apart.

    :param sha256: of its bundle.json, which holds those of the other files.
    """

    version: str
    folder: Path
    sha256: str


def practises(manifest: Manifest, city: str) -> bool:
    """Whether the practice of `city` was learned; 上海 and 上海市 are one."""
    return city.removesuffix("市") in {name.removesuffix("市") for name in manifest.practised}


def blend_weights(manifest: Manifest, cities: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Per head `[cities, 1]`: how much duty counts against practice for a case of each city.

    :param cities: names, such as 海口市.
    """
    practised = np.array([practises(manifest, city) for city in cities], dtype=bool).reshape(-1, 1)
    return {head: np.where(practised, weight, 1.0).astype(np.float32) for head, weight in manifest.blend.items()}


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _broken(path: Path, problem: str) -> DispatchError:
    hint = "请重新导出（dispatch export）或恢复原模型包"
    return DispatchError(ErrorKind.INVALID_BUNDLE, f"模型包文件 {path}：{problem}；{hint}", field=path.name)


class Bundle:
    """A verified bundle folder."""

    def __init__(self, folder: Path, manifest: Manifest, tables: Mapping[str, NDArray[Any]]) -> None:
        self.folder = folder
        self.manifest = manifest
        self.ref = BundleRef(manifest.version, folder, sha256(folder / MANIFEST))
        self.ngrams = NgramVocabulary(tables["ngram_keys"], tables["ngram_idf"])
        self.log_prior: NDArray[np.float32] = tables["log_prior"].astype(np.float32)

    @classmethod
    def open(cls, folder: Path | None = None, maps: LabelMaps | None = None) -> "Bundle":
        """Read and verify a bundle; None opens the one that travels with the package.

        :raises DispatchError: INVALID_BUNDLE naming the file that is missing, changed or does not fit.
        """
        folder = folder or Path(str(files("dispatch_model").joinpath("default_bundle")))
        manifest = read_manifest(folder)
        for part in PARTS:
            path = folder / part
            if not path.is_file():
                raise _broken(path, "不存在")
            if sha256(path) != manifest.sha256.get(part):
                raise _broken(path, f"SHA-256 与 {MANIFEST} 所记不符，文件已损坏或被改动")
        maps = maps or LabelMaps.load()
        if manifest.label_maps != maps.fingerprint:
            raise _broken(
                folder / MANIFEST,
                f"标签表指纹 {manifest.label_maps} 与当前 label_maps 的 {maps.fingerprint} 不同，"
                "须用当前标签表重新训练",
            )
        with np.load(folder / "tables.npz", allow_pickle=False) as archive:
            missing = [name for name in TABLES if name not in archive.files]
            if missing:
                raise _broken(folder / "tables.npz", f"缺少数组 {'、'.join(missing)}")
            tables = {name: archive[name] for name in TABLES}
        bundle = cls(folder, manifest, tables)
        bundle._check_shapes(maps)
        return bundle

    def _check_shapes(self, maps: LabelMaps) -> None:
        expected = (len(maps.leaves), len(maps.functions), len(maps.levels))
        if self.log_prior.shape != expected:
            raise _broken(self.folder / "tables.npz", f"log_prior 形状 {self.log_prior.shape}，标签表要求 {expected}")
        if self.ngrams.keys.shape != self.ngrams.idf.shape:
            raise _broken(
                self.folder / "tables.npz",
                f"ngram_keys {self.ngrams.keys.shape} 与 ngram_idf {self.ngrams.idf.shape} 长度不同",
            )

    @property
    def version(self) -> str:
        """What an answer reports."""
        return self.manifest.version


def read_manifest(folder: Path) -> Manifest:
    """What a folder says it holds; whether it does, only `Bundle.open` finds out.

    :raises DispatchError: INVALID_BUNDLE when there is no bundle.json that can be read.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise _broken(path, "不存在，此文件夹不是模型包")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        # First of all: another version may have other fields, and their names would explain nothing
        version = content.get("format_version", FORMAT_VERSION) if isinstance(content, dict) else FORMAT_VERSION
        if version != FORMAT_VERSION:
            raise _broken(path, f"格式版本 {version}，本程序只读 {FORMAT_VERSION}")
        manifest = Manifest.model_validate(content)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise _broken(path, f"不是合法的 JSON（{error}）") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise _broken(path, f"字段 {'.'.join(map(str, first['loc']))}：{first['msg']}") from error
    if missing := [part for part in PARTS if part not in manifest.sha256]:
        raise _broken(folder / missing[0], f"{MANIFEST} 未记其 SHA-256")
    return manifest


def write_manifest(folder: Path, fields: Mapping[str, Any]) -> Manifest:
    """Complete `fields` with format version and digests of the parts and write `bundle.json`.

    :raises DispatchError: INVALID_BUNDLE when a part is missing.
    """
    for part in PARTS:
        if not (folder / part).is_file():
            raise _broken(folder / part, "不存在，无法封包")
    digests = {part: sha256(folder / part) for part in PARTS}
    manifest = Manifest.model_validate({**fields, "format_version": FORMAT_VERSION, "sha256": digests})
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return manifest
