import logging
from importlib.resources import files
from pathlib import Path

import pytest

from dispatch_model.errors import DispatchError, ErrorKind
from serving.settings import Settings, variable, warn_unknown_variables


def write(folder: Path, text: str) -> Path:
    path = folder / "service.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_file_says_the_defaults() -> None:
    assert Settings.load(environment={}) == Settings()


def test_the_shipped_file_explains_every_key() -> None:
    lines = (files("configs") / "service.toml").read_text(encoding="utf-8").splitlines()
    for key in Settings.model_fields:
        place = next(number for number, line in enumerate(lines) if line.startswith(f"{key} = "))
        assert lines[place - 1].startswith("# "), key


def test_environment_goes_before_file_before_default(tmp_path: Path) -> None:
    file = write(tmp_path, "port = 9001\nworkers = 2\n")
    settings = Settings.load(file, {"DISPATCH_PORT": "9002", "DISPATCH_DATA_DIR": str(tmp_path)})
    assert (settings.port, settings.workers, settings.host) == (9002, 2, "127.0.0.1")
    assert settings.database == tmp_path / "dispatch.db"


def test_the_environment_names_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, "port = 9001\n")
    assert Settings.load(environment={"DISPATCH_CONFIG": str(file)}).port == 9001


def test_an_unknown_key_is_an_error_with_near_names(tmp_path: Path) -> None:
    with pytest.raises(DispatchError, match="未知的键 prot") as caught:
        Settings.load(write(tmp_path, "prot = 9001\n"), {})
    assert caught.value.kind is ErrorKind.INVALID_CONFIG
    assert "port" in caught.value.details[0].rpartition("是否想写")[2]


def test_a_wrong_value_names_its_source_value_and_what_is_allowed(tmp_path: Path) -> None:
    file = write(tmp_path, "workers = 0\nlog_level = 'loud'\n")
    with pytest.raises(DispatchError) as caught:
        Settings.load(file, {"DISPATCH_PORT": "80a"})
    said = str(caught.value)
    assert "环境变量 DISPATCH_PORT：port = '80a' 应为整数" in said
    assert f"{file}：workers = 0 不能小于 1" in said
    assert "'debug'、'info'、'warning'、'error' 之一" in said


def test_a_database_url_and_a_key_are_never_shown(tmp_path: Path) -> None:
    url, key = "postgresql://dispatch:hush@db/dispatch", "0123456789abcdef0123456789abcdef"
    settings = Settings.load(environment={"DISPATCH_DATABASE_URL": url, "DISPATCH_SECRET_KEY": key})
    assert settings.database == url
    assert settings.secret_key is not None
    assert "hush" not in repr(settings)
    assert key not in repr(settings)
    with pytest.raises(DispatchError, match="应为 postgresql://") as caught:
        Settings.load(environment={"DISPATCH_DATABASE_URL": "mysql://dispatch:hush@db/dispatch"})
    assert "hush" not in f"{caught.value} {caught.value.value}"
    with pytest.raises(DispatchError, match="secret_key"):
        Settings.load(environment={"DISPATCH_SECRET_KEY": "short"})
    assert Settings.load(write(tmp_path, 'database_url = ""\nsecret_key = ""\n'), {}).secret_key is None


@pytest.mark.parametrize("content", [b"port = ", b"# \xff\xfe"])
def test_a_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "service.toml"
    file.write_bytes(content)
    with pytest.raises(DispatchError, match=r"service\.toml 不是合法的 TOML"):
        Settings.load(file, {})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DispatchError, match=r"nowhere\.toml 读不到"):
        Settings.load(tmp_path / "nowhere.toml", {})


def test_an_unknown_variable_is_logged_with_near_names(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        warn_unknown_variables({"DISPATCH_PROT": "1", "DISPATCH_PORT": "1", "HOME": "/"})
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith(f"忽略未知环境变量 DISPATCH_PROT。是否想写：{variable('port')}")


def test_an_option_goes_first_and_is_named_when_it_is_wrong() -> None:
    given = {"port": 9003, "host": None, "console_port": 0}
    with pytest.raises(DispatchError) as caught:
        Settings.load(environment={"DISPATCH_PORT": "9002"}, options=given)
    assert "选项 --console-port" in caught.value.message
    assert Settings.load(environment={"DISPATCH_PORT": "9002"}, options={**given, "console_port": None}).port == 9003
