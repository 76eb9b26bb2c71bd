"""Model outputs of past cases, kept so that changed rules can be tried on them without re-encoding.

One `.npz` without pickles. It holds no word of a transcript: per case its number, its place in the file of cases,
day, region and the log-probabilities that rules are applied to, as float16.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from dispatch_model.bundle import Bundle
from dispatch_model.cases import CHINA_TIME, Case
from dispatch_model.city import City
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.router import Router
from dispatch_model.table import MULTI_VALUE

FORMAT = 1
_ORIGIN = "origin"
_MEANINGS = {
    "cases": "工单文件的内容",
    "bundle": "模型包",
    "label_maps": "标签表",
    "city": "城市",
    "directory": "区域与单位目录",
    "format": "文件格式",
}


@dataclass(frozen=True)
class Origin:
    """What outputs were made from; they speak only for the same again.

    :param cases: SHA-256 of the file of cases.
    :param bundle: version of the model bundle.
    :param directory: fingerprint of the city's regions and units: they decide which place was read.
    """

    cases: str
    bundle: str
    label_maps: str
    city: str
    directory: str
    format: int = FORMAT

    @classmethod
    def of(cls, cases: str, bundle: Bundle, city: City) -> "Origin":
        """The origin of outputs made now from a file of cases with this hash."""
        return cls(cases, bundle.version, bundle.manifest.label_maps, city.slug, directory_fingerprint(city))

    def differs(self, other: "Origin") -> list[str]:
        """What is not the same, in Chinese."""
        return [told for name, told in _MEANINGS.items() if getattr(self, name) != getattr(other, name)]


def directory_fingerprint(city: City) -> str:
    """First 16 digits of a hash over regions and units."""
    listed = [*map(repr, city.regions.values()), *map(repr, city.units.values())]
    return hashlib.sha256("\n".join(listed).encode()).hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class StoredOutputs:
    """The outputs of N cases, row by row; C, F and L are the axes of the bundle's heads.

    :param case_id: [N] as the cases name themselves.
    :param offset: [N] byte at which the case's line begins in the file of cases.
    :param day: [N] day of receipt in China; that of the encoding where the case said none.
    :param region_code: [N] where the matter is; '' when no place was read.
    :param named: [N] codes of the units the citizen named, joined by `|`.
    :param known: [N] whether the case is of the own city: only there the rules speak.
    :param kind: [N] position of the likeliest kind.
    :param category: [N, C] log-probabilities, as are `function` [N, F] and `level` [N, L], duty and practice blended.
    """

    case_id: NDArray[np.str_]
    offset: NDArray[np.int64]
    day: NDArray[np.datetime64]
    region_code: NDArray[np.str_]
    named: NDArray[np.str_]
    known: NDArray[np.bool_]
    kind: NDArray[np.uint8]
    category: NDArray[np.float16]
    function: NDArray[np.float16]
    level: NDArray[np.float16]

    def __len__(self) -> int:
        return len(self.case_id)

    def save(self, path: Path, origin: Origin) -> None:
        """Write the file; it appears under its name only when it is whole."""
        partial = path.with_name(f"{path.name}.partial")
        arrays: dict[str, Any] = {column.name: getattr(self, column.name) for column in fields(self)}
        arrays[_ORIGIN] = np.array(json.dumps(asdict(origin)))
        try:
            with partial.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)
            partial.replace(path)
        except OSError as error:
            raise _unusable(path, f"不能写入（{error.strerror}），请用 --outputs 指到可写的文件夹") from None

    @classmethod
    def load(cls, path: Path) -> tuple["StoredOutputs", Origin]:
        """Read a file and what it was made from.

        :raises DispatchError: INVALID_CONFIG naming the file when it holds something else.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                origin = Origin(**json.loads(str(archive[_ORIGIN])))
                found = cls(**{column.name: archive[column.name] for column in fields(cls)})
        except OSError as error:
            raise _unusable(path, f"不能读取（{error.strerror or error}）") from None
        except (BadZipFile, ValueError, TypeError, KeyError, EOFError, AttributeError) as error:
            raise _unusable(path, f"不是完整的模型输出文件（{error}），请删去后重新生成") from None
        found._check_shapes(path)
        return found, origin

    def _check_shapes(self, path: Path) -> None:
        lengths = {len(getattr(self, column.name)) for column in fields(self)}
        widths = {array.ndim for array in (self.category, self.function, self.level)}
        if len(lengths) != 1 or widths != {2}:
            raise _unusable(path, "各列长短不一，文件已损坏，请删去后重新生成")


def _unusable(path: Path, why: str) -> DispatchError:
    return DispatchError(ErrorKind.INVALID_CONFIG, f"模型输出文件 {path} {why}。", field=path.name, value=str(path))


def encode(router: Router, cases: Mapping[int, Case], now: datetime) -> StoredOutputs:
    """Outputs of `cases`, keyed by the byte at which their lines begin.

    :param now: taken for cases that say no `received_at`.
    :raises DispatchError: TRANSCRIPT_EMPTY or TRANSCRIPT_TOO_LONG for the first such case.
    """
    evidence = router.evidence(list(cases.values()), now)
    readings, predictions = evidence.readings, evidence.predictions
    days = [reading.received_at.astimezone(CHINA_TIME).date() for reading in readings]
    named = [MULTI_VALUE.join(dict.fromkeys(unit.code for unit in reading.place.units)) for reading in readings]
    return StoredOutputs(
        case_id=np.array([reading.case.case_id for reading in readings], dtype=np.str_),
        offset=np.fromiter(cases, dtype=np.int64, count=len(cases)),
        day=np.array(days, dtype="datetime64[D]"),
        region_code=np.array([reading.place.region_code or "" for reading in readings], dtype=np.str_),
        named=np.array(named, dtype=np.str_),
        known=np.array([reading.city is not None for reading in readings], dtype=np.bool_),
        kind=predictions.kind.argmax(axis=-1).astype(np.uint8),
        category=predictions.category.astype(np.float16),
        function=evidence.functions.astype(np.float16),
        level=evidence.levels.astype(np.float16),
    )


def join(parts: Sequence[StoredOutputs]) -> StoredOutputs:
    """All parts under one another, in order; at least one part."""
    first = parts[0]
    columns = {column.name: np.concatenate([getattr(part, column.name) for part in parts]) for column in fields(first)}
    return replace(first, **columns)
