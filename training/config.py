"""The training configuration: one TOML file, validated strictly, overridden by dotted path."""

import tomllib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dispatch_model.errors import DispatchError, ErrorKind, near

TaughtRows = Literal["unread", "all"]


class Section(BaseModel):
    """Base of all sections: immutable; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DataSection(Section):
    """Where the labelled cases are and how they are cut."""

    folder: Path
    validation_share: float = Field(gt=0, lt=0.5)
    promise_share: float = Field(default=0.0, ge=0, lt=0.5)
    dialogues: bool
    invented_calls: bool = False
    worked: str = ""
    settled: str = ""


class EncoderSection(Section):
    """Which pre-trained encoder is fine-tuned."""

    base: str
    layers: int = Field(ge=1)
    keep: Literal["first", "spread"]
    halve_after: int = Field(default=0, ge=0)
    max_tokens: int = Field(ge=16, le=512)
    dropout: float = Field(ge=0, lt=1)


class PretrainSection(Section):
    """Masked-language training before it."""

    epochs: int = Field(ge=1)
    tokens_per_batch: int = Field(ge=64)
    mask_share: float = Field(gt=0, lt=1)
    encoder_lr: float = Field(gt=0)
    head_lr: float = Field(gt=0)


class FitSection(Section):
    """How it is fine-tuned."""

    seed: int
    epochs: int = Field(ge=1)
    tokens_per_batch: int = Field(ge=64)
    encoder_lr: float = Field(gt=0)
    layer_decay: float = Field(gt=0, le=1)
    head_lr: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    warmup: float = Field(ge=0, lt=1)
    clip_norm: float = Field(gt=0)
    label_smoothing: float = Field(ge=0, lt=1)
    rdrop: float = Field(ge=0)
    start: str
    teacher: str
    teacher_weight: float = Field(ge=0)
    teacher_rows: TaughtRows
    title_drop: float = Field(ge=0, le=1)
    noise_share: float = Field(default=0.0, ge=0, le=1)
    scarce_rows: int = Field(default=0, ge=0)
    average_decay: float = Field(ge=0, lt=1)
    threads: int = Field(ge=0)
    checkpoint_minutes: float = Field(gt=0)


class LossSection(Section):
    """Weight of each head in the summed loss."""

    handler_function: float
    handler_level: float
    function: float
    level: float
    category: float
    kind: float
    flags: float
    taidi: float


class NgramSection(Section):
    """The wide branch."""

    size: int = Field(ge=100)
    svm_c: float = Field(gt=0)


class TrainingConfig(Section):
    """All hyper-parameters; see `configs/training.toml` for what each means."""

    data: DataSection
    encoder: EncoderSection
    pretrain: PretrainSection
    fit: FitSection
    loss: LossSection
    ngrams: NgramSection


def _override(tree: dict[str, Any], assignment: str) -> None:
    path, equals, value = assignment.partition("=")
    section, dot, key = path.strip().partition(".")
    if not (equals and dot) or not isinstance(tree.get(section), dict) or key not in tree[section]:
        raise DispatchError(
            ErrorKind.INVALID_CONFIG,
            f"未知的训练参数 {path!r}：应写作 段.键=值。{near(path, _keys())}",
            field=path,
            value=assignment,
        )
    try:
        tree[section][key] = (
            value.strip() if isinstance(tree[section][key], str) else tomllib.loads(f"v = {value}")["v"]
        )
    except tomllib.TOMLDecodeError as error:
        raise DispatchError(
            ErrorKind.INVALID_CONFIG,
            f"训练参数 {path.strip()} 的值 {value!r} 不是合法的 TOML 值（{error}）；数写作 2e-4，真假写作 true、false",
            field=path.strip(),
            value=value,
        ) from error


def _read(path: Path | None) -> dict[str, Any]:
    source = path or files("configs").joinpath("training.toml")
    try:
        return tomllib.loads(source.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"训练配置 {source} 读不到（{error.strerror}）；请核对 --config"
        raise DispatchError(ErrorKind.INVALID_CONFIG, message, field=str(source)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        message = f"训练配置 {source} 不是合法的 TOML（UTF-8）：{error}"
        raise DispatchError(ErrorKind.INVALID_CONFIG, message, field=str(source)) from error


def _problem(error: Mapping[str, Any]) -> str:
    """One validation error as a sentence: key, what is wrong, value or near names."""
    where = ".".join(map(str, error["loc"]))
    if error["type"] == "extra_forbidden":
        return f"{where}: 没有这个键。{near(where, _keys())}"
    if error["type"] == "missing":
        return f"{where}: 缺少这个键，请补上（含义见 configs/training.toml）"
    return f"{where}: {error['msg']}（值 {error['input']!r}）"


def _keys() -> list[str]:
    sections = {name: field.annotation for name, field in TrainingConfig.model_fields.items()}
    return [
        f"{name}.{key}"
        for name, section in sections.items()
        if isinstance(section, type) and issubclass(section, Section)
        for key in section.model_fields
    ]


def load_config(path: Path | None = None, overrides: Iterable[str] = ()) -> TrainingConfig:
    """Read, override and validate a training configuration.

    :param path: a TOML file; None takes the shipped `configs/training.toml`.
    :param overrides: assignments such as `fit.epochs=2`.
    :raises DispatchError: INVALID_CONFIG naming the key, its value and what is allowed.
    """
    tree = _read(path)
    for assignment in overrides:
        _override(tree, assignment)
    try:
        return TrainingConfig.model_validate(tree)
    except ValidationError as error:
        lines = [_problem(dict(e)) for e in error.errors()]
        raise DispatchError(
            ErrorKind.INVALID_CONFIG, "训练配置有误，请逐条更正：", field=lines[0].split(":")[0], details=lines
        ) from error
