"""The record of a run, `record.json` in its folder: what each command made of what, so that a step is not done twice.

    runs/a/record.json   config, data, and per step: inputs and outputs by digest, figures

A step whose inputs and outputs are all as recorded is done. The digest of the program's own source is an input, too.
"""

import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256 as _sha256
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dispatch_model.bundle import sha256
from dispatch_model.errors import DispatchError, ErrorKind

RECORD_FILE = "record.json"
STEPS = ("train", "export", "evaluate", "gate", "promote")


class Step(BaseModel):
    """One command that was carried through.

    :param inputs: name → digest, or the value itself where it is short.
    :param outputs: path as seen from the run's folder → digest.
    :param figures: what it found.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: str
    inputs: dict[str, str] = Field(default_factory=dict)
    outputs: dict[str, str] = Field(default_factory=dict)
    figures: dict[str, Any] = Field(default_factory=dict)


class RunRecord(BaseModel):
    """All steps of one run."""

    model_config = ConfigDict(extra="forbid")

    config: dict[str, Any] = Field(default_factory=dict)
    data: dict[str, str] = Field(default_factory=dict, description="file → SHA-256; `training_data` as in the bundle")
    steps: dict[str, Step] = Field(default_factory=dict)

    @classmethod
    def load(cls, run: Path) -> Self:
        """The record in the folder of a run; an empty one where there is none.

        :raises DispatchError: INVALID_CONFIG when the file is no record.
        """
        path = run / RECORD_FILE
        if not path.is_file():
            return cls()
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            told = f"{path} 不是运行记录，{where}：{first['msg']}；请移走该文件，再重新运行。"
            raise DispatchError(ErrorKind.INVALID_CONFIG, told, field=where, value=str(path)) from None

    def save(self, run: Path) -> Path:
        """Write `record.json`, whole or not at all."""
        run.mkdir(parents=True, exist_ok=True)
        path = run / RECORD_FILE
        partial = path.with_suffix(".partial")
        partial.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")
        partial.replace(path)
        return path

    def done(self, step: str, run: Path, inputs: Mapping[str, str], outputs: Iterable[Path]) -> bool:
        """Whether a step of these inputs left just these files, and they are still as it left them."""
        found = self.steps.get(step)
        if found is None or found.inputs != dict(inputs):
            return False
        return found.outputs.keys() == {_seen(path, run) for path in outputs} and all(
            (run / name).is_file() and sha256(run / name) == digest for name, digest in found.outputs.items()
        )

    def note(
        self, step: str, run: Path, inputs: Mapping[str, str], outputs: Iterable[Path], figures: Mapping[str, Any]
    ) -> None:
        """Enter a step that was carried through, and write the record; later steps stay, by their own inputs."""
        self.steps[step] = Step(
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            inputs=dict(inputs),
            outputs={_seen(path, run): sha256(path) for path in outputs if path.is_file()},
            figures=dict(figures),
        )
        self.save(run)


def digests(paths: Iterable[Path]) -> dict[str, str]:
    """Name → SHA-256 of the files that are there."""
    return {path.name: sha256(path) for path in paths if path.is_file()}


@lru_cache(maxsize=1)
def source_digest() -> str:
    """First 16 hex digits of the SHA-256 over the source of model and training: other code may find other things."""
    root, digest = Path(__file__).parent.parent, _sha256()
    for path in sorted([*root.glob("training/*.py"), *root.glob("dispatch_model/*.py")]):
        digest.update(f"{path.name}:{sha256(path)}\n".encode())
    return digest.hexdigest()[:16]


def _seen(path: Path, run: Path) -> str:
    return os.path.relpath(path, run)
