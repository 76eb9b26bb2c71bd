"""The training configuration: one TOML file, validated strictly, overridden by dotted path."""

import tomllib
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dispatch_model.errors import DispatchError, ErrorKind, near


class Section(BaseModel):
    """Base of all sections: immutable; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DataSection(Section):
    """Where the labelled cases are and how they are cut."""

    folder: Path
    validation_share: float = Field(gt=0, lt=0.5)
    dialogues: bool


class EncoderSection(Section):
    """Which pre-trained encoder is fine-tuned."""

    base: str
    layers: int = Field(ge=1)
    keep: Literal["first", "spread"]
    max_tokens: int = Field(ge=16, le=512)
    dropout: float = Field(ge=0, lt=1)


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
    logit_adjustment: float = Field(ge=0)
    title_drop: float = Field(ge=0, le=1)
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
    fit: FitSection
    loss: LossSection
    ngrams: NgramSection


def _override(tree: dict[str, Any], assignment: str) -> None:
    path, equals, value = assignment.partition("=")
    section, dot, key = path.strip().partition(".")
    if not (equals and dot) or section not in tree or key not in tree[section]:
        known = [f"{s}.{k}" for s in tree for k in tree[s]]
        raise DispatchError(
            ErrorKind.INVALID_CONFIG,
            f"未知的训练参数 {path!r}：应写作 段.键=值。{near(path, known)}",
            field=path,
            value=assignment,
        )
    old = tree[section][key]
    tree[section][key] = value if isinstance(old, str) else tomllib.loads(f"v = {value}")["v"]


def load_config(path: Path | None = None, overrides: Iterable[str] = ()) -> TrainingConfig:
    """Read, override and validate a training configuration.

    :param path: a TOML file; None takes the shipped `configs/training.toml`.
    :param overrides: assignments such as `fit.epochs=2`.
    :raises DispatchError: INVALID_CONFIG naming the key, its value and what is allowed.
    """
    text = path.read_text(encoding="utf-8") if path else files("configs").joinpath("training.toml").read_text("utf-8")
    try:
        tree = tomllib.loads(text)
        for assignment in overrides:
            _override(tree, assignment)
        return TrainingConfig.model_validate(tree)
    except tomllib.TOMLDecodeError as error:
        raise DispatchError(ErrorKind.INVALID_CONFIG, f"{path or overrides} 不是合法的 TOML：{error}") from error
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}（值 {e.get('input')!r}）" for e in error.errors()]
        raise DispatchError(
            ErrorKind.INVALID_CONFIG, "训练配置有误，请逐条更正：", field=lines[0].split(":")[0], details=lines
        ) from error
