"""Settings of the service: option → environment variable → file → default, checked before anything starts."""

import logging
import os
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from dispatch_model.backend import DEFAULT, BackendName
from dispatch_model.errors import DispatchError, ErrorKind, near
from serving.outward import networks
from serving.web.problems import describe

PREFIX = "DISPATCH_"
FILE_VARIABLE = f"{PREFIX}CONFIG"

SECRETS = frozenset({"database_url", "secret_key"})

logger = logging.getLogger(__name__)


def _empty_is_none(value: Any) -> Any:
    """TOML has no null: an empty path means the shipped one."""
    return None if value == "" else value


def _networks(value: str) -> str:
    networks(value)
    return value


def _postgres_url(value: SecretStr | None) -> SecretStr | None:
    if value and not value.get_secret_value().startswith(("postgresql://", "postgres://")):
        raise ValueError("应为 postgresql://用户:密码@主机:端口/库名；用 SQLite 则留空")
    return value


class Settings(BaseModel):
    """One key per line of configs/service.toml, where each is explained."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    city: str = Field(default="haikou", min_length=1)
    bundle: Annotated[Path | None, BeforeValidator(_empty_is_none)] = None
    backend: BackendName = DEFAULT
    bundles_dir: Annotated[Path | None, BeforeValidator(_empty_is_none)] = None
    stored_bundle: bool = True
    data_dir: Path = Path("data")
    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=8000, ge=1, le=65535)
    workers: int = Field(default=1, ge=1, le=64)
    infer_threads: int = Field(default=1, ge=1, le=64)
    queue_limit: int = Field(default=16, ge=0, le=10_000)
    deadline: float = Field(default=10.0, gt=0, le=600)
    batch_deadline: float = Field(default=60.0, gt=0, le=3600)
    drain_delay: float = Field(default=2.0, ge=0, le=600)
    batch_limit: int = Field(default=256, ge=1, le=4096)
    database_url: Annotated[SecretStr | None, BeforeValidator(_empty_is_none), AfterValidator(_postgres_url)] = None
    auto_migrate: Literal["embedded", "always", "never"] = "embedded"
    secret_key: Annotated[SecretStr | None, Field(min_length=32), BeforeValidator(_empty_is_none)] = None
    store_timeout: float = Field(default=5.0, gt=0, le=600)
    stored_rules: bool = True
    rate_limit: float = Field(default=200.0, ge=0, le=1_000_000)
    rate_burst: int = Field(default=400, ge=1, le=1_000_000)
    body_limit: int = Field(default=4 * 2**20, ge=64 * 2**10, le=2**30)
    open_metrics: bool = True
    open311_texts: bool = False
    webhook_networks: Annotated[str, AfterValidator(_networks)] = ""
    webhook_max_age: float = Field(default=24.0, gt=0, le=720)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "text"] = "json"
    request_log: bool = True
    auto_dispatch: bool = False
    drift_window: int = Field(default=1000, ge=100, le=100_000)
    console: bool = True
    console_port: int = Field(default=8001, ge=1, le=65535)
    otlp_endpoint: str = Field(default="", pattern=r"^(https?://.+)?$")

    @property
    def database(self) -> Path | str:
        """The URL of a PostgreSQL database, which may hold a password; without one the SQLite file of the folder."""
        return self.database_url.get_secret_value() if self.database_url else self.data_dir / "dispatch.db"

    @classmethod
    def load(
        cls,
        file: Path | None = None,
        environment: Mapping[str, str] = os.environ,
        options: Mapping[str, object | None] = MappingProxyType({}),
    ) -> "Settings":
        """Merge the sources and check the result.

        :param file: a settings file; else the one named by DISPATCH_CONFIG; else the shipped one.
        :param options: of the command line, before all others; None was not given.
        :raises DispatchError: INVALID_CONFIG, naming file or variable, key, value and what was allowed.
        """
        named = environment.get(FILE_VARIABLE)
        path = file or (Path(named) if named else None)
        origin = str(path) if path else "configs/service.toml"
        values = _read(path, origin)
        _refuse_unknown(values, origin)
        origins = dict.fromkeys(values, origin)
        for key in cls.model_fields:
            if (text := environment.get(variable(key))) is not None:
                values[key], origins[key] = text, f"环境变量 {variable(key)}"
        for key, value in options.items():
            if value is not None:
                values[key], origins[key] = value, f"选项 --{key.replace('_', '-')}"
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise _invalid(error, origins) from None


def variable(key: str) -> str:
    """The environment variable that overrides `key`."""
    return PREFIX + key.upper()


def as_text(value: Any) -> str:
    """A setting as its environment variable says it."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return "" if value is None else str(value)


def warn_unknown_variables(environment: Mapping[str, str] = os.environ) -> None:
    """Log variables with our prefix that nothing reads; platforms inject some, so they are no error."""
    known = [FILE_VARIABLE, *map(variable, Settings.model_fields)]
    for name in sorted(environment):
        if name.startswith(PREFIX) and name not in known:
            logger.warning("忽略未知环境变量 %s。%s", name, near(name, known))


def _read(path: Path | None, origin: str) -> dict[str, Any]:
    source = path or files("configs") / "service.toml"
    try:
        return tomllib.loads(source.read_text(encoding="utf-8"))
    except OSError as error:
        raise DispatchError(
            ErrorKind.INVALID_CONFIG,
            f"配置文件 {origin} 读不到（{error.strerror}）；请核对 {FILE_VARIABLE}。",
            field=origin,
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DispatchError(
            ErrorKind.INVALID_CONFIG, f"配置文件 {origin} 不是合法的 TOML（UTF-8）：{error}。", field=origin
        ) from None


def _refuse_unknown(values: Mapping[str, Any], origin: str) -> None:
    unknown = [key for key in values if key not in Settings.model_fields]
    if unknown:
        hints = [f"{origin}：{key}。{near(key, Settings.model_fields)}".rstrip("。") for key in unknown]
        raise DispatchError(
            ErrorKind.INVALID_CONFIG,
            f"配置文件 {origin} 有未知的键 {unknown[0]}；可用：{'、'.join(Settings.model_fields)}。",
            field=f"{origin}:{unknown[0]}",
            details=hints,
        )


def _invalid(error: ValidationError, origins: Mapping[str, str]) -> DispatchError:
    """Every wrong value in one error; the first one leads."""
    sentences = [
        f"{origins[str(item['loc'][0])]}：{item['loc'][0]} = {_shown(item)!r} {describe(item)}"
        for item in error.errors()
    ]
    first = error.errors()[0]
    return DispatchError(
        ErrorKind.INVALID_CONFIG,
        f"配置有误。{sentences[0]}。",
        field=str(first["loc"][0]),
        value=_shown(first),
        details=sentences[1:],
    )


def _shown(item: ErrorDetails) -> Any:
    """A wrong value as it may be told: not when it is a secret."""
    return "***" if item["loc"][0] in SECRETS else item["input"]
