"""What a gate found: a challenger beside the champion, check by check; only what passed may be promoted."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from dispatch_model.backend import DEFAULT
from dispatch_model.errors import DispatchError, ErrorKind

GATE_FILE = "gate.json"


class Check(StrEnum):
    """What a gate looks at; a record that lacks one has not passed."""

    ANSWERS = "answers"  # right answers, paired: bootstrap and McNemar
    MACRO_F1 = "macro_f1"
    FUNCTION = "function"  # no function with enough cases loses too much
    CALIBRATION = "calibration"
    PARITY = "parity"
    VIOLATIONS = "violations"
    MASKING = "masking"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Judged(_Frozen):
    """One of the two bundles.

    :param sha256: of its bundle.json, which holds those of the other files.
    """

    version: str
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Cases(_Frozen):
    """One set of cases both answered."""

    rows: int
    fingerprint: str


class Change(_Frozen):
    """Challenger minus champion on the same cases, with its 95 % interval."""

    value: float
    low: float
    high: float


class Finding(_Frozen):
    """One line of the table.

    :param where: `test`, `decisions`, or `bundle` for what no case is needed for.
    :param n: cases, heads, pairs or strings it rests on.
    :param won: cases the challenger alone has right; `lost` those the champion alone has.
    :param p: of McNemar's exact test; of the checks of answers after Holm's correction.
    :param rule: what is asked, and what was found beside the figures.
    """

    check: Check
    where: str
    what: str
    n: int
    champion: float | None = None
    challenger: float | None = None
    change: Change | None = None
    won: int | None = None
    lost: int | None = None
    p: float | None = None
    rule: str
    passed: bool


class GateRecord(_Frozen):
    """A gate from beginning to end.

    :param inputs: what it was computed from; the same inputs need no second computation.
    """

    created: str
    champion: Judged
    challenger: Judged
    inputs: Mapping[str, str]
    sets: Mapping[str, Cases]
    findings: tuple[Finding, ...]
    chance: float | None = Field(default=None, description="how often the rule on functions refuses by chance alone")
    passed: bool

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        every = {finding.check for finding in self.findings} == set(Check)
        if self.passed and not (every and all(finding.passed for finding in self.findings)):
            raise ValueError("passed 与各项结果不符")
        return self

    @property
    def backend(self) -> str:
        """What ran the challenger."""
        return self.inputs.get("backend", DEFAULT)

    @property
    def folder(self) -> str:
        """The name of its folder among all gates."""
        return pair_name(self.challenger.sha256, self.champion.sha256, self.backend)

    @property
    def refused(self) -> tuple[Finding, ...]:
        """What did not pass."""
        return tuple(finding for finding in self.findings if not finding.passed)

    def save(self, folder: Path) -> Path:
        """Write `gate.json` into `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / GATE_FILE
        path.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")
        return path

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a `gate.json`.

        :raises DispatchError: NOT_FOUND when it is not there, INVALID_CONFIG when it is no gate's record.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            told = f"门禁记录 {path} 读不到（{error.strerror}）；请先运行 dispatch gate。"
            raise DispatchError(ErrorKind.NOT_FOUND, told, field="gate", value=str(path)) from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "passed"
            told = f"{path} 不是门禁记录，{where}：{first['msg']}；请重新运行 dispatch gate。"
            raise DispatchError(ErrorKind.INVALID_CONFIG, told, field=where, value=str(path)) from None


def pair_name(challenger: str, champion: str, backend: str = DEFAULT) -> str:
    """The folder of a pair's gate, by the digests of the two; another backend than the default's is another gate."""
    pair = f"{challenger[:12]}-{champion[:12]}"
    return pair if backend == DEFAULT else f"{pair}-{backend}"


def records(folder: Path) -> list[GateRecord]:
    """The records of all gates kept in a folder, newest first.

    :raises DispatchError: INVALID_CONFIG naming a file that is no record.
    """
    found = [GateRecord.load(path) for path in folder.glob(f"*/{GATE_FILE}")]
    return sorted(found, key=lambda record: record.created, reverse=True)
