import json
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

from dispatch_model.errors import DispatchError
from serving import cli
from serving.city_cli import city_group
from tests.new_city import division

RUN = CliRunner()
APP = city_group(lambda name: ModuleType(name))


def asked(*arguments: str) -> tuple[int, str]:
    answer = RUN.invoke(APP, arguments)
    if isinstance(answer.exception, DispatchError):
        raise answer.exception
    return answer.exit_code, answer.output


def begun(folder: Path, *more: str) -> str:
    path = str(division(folder))
    code, told = asked("init", "云梦市", "--division", path, "--root", str(folder), *more)
    assert code == 0
    return told


def test_the_group_is_a_command_of_dispatch() -> None:
    assert "city" in {group.name for group in cli.app.registered_groups}


def test_init_writes_both_folders_and_says_what_is_next(tmp_path: Path) -> None:
    told = begun(tmp_path)
    assert "dispatch city check yunmeng" in told
    assert (tmp_path / "label_maps" / "yunmeng" / "units.csv").is_file()
    assert (tmp_path / "configs" / "yunmeng" / "access_list.csv").is_file()


def test_init_takes_the_level_and_the_folder_name(tmp_path: Path) -> None:
    begun(tmp_path, "--level", "区", "--slug", "ym")
    text = (tmp_path / "label_maps" / "ym" / "regions.csv").read_text(encoding="utf-8")
    assert "江东新区" in text
    assert "镇街" not in text


def test_init_twice_is_refused(tmp_path: Path) -> None:
    begun(tmp_path)
    with pytest.raises(DispatchError, match="已存在"):
        begun(tmp_path)


def test_check_passes_a_draft_and_fails_a_broken_one(tmp_path: Path) -> None:
    begun(tmp_path)
    code, told = asked("check", "yunmeng", "--root", str(tmp_path), "--day", "2026-11-23")
    assert code == 0
    assert "云梦市：0 处错误" in told
    assert "职能 36/36 有承办单位" in told
    (tmp_path / "configs" / "yunmeng" / "triggers.csv").unlink()
    code, told = asked("check", "--root", str(tmp_path))
    assert code == 1
    assert "错误 triggers.csv" in told


def test_check_as_json(tmp_path: Path) -> None:
    begun(tmp_path)
    code, told = asked("check", "--root", str(tmp_path), "--json")
    (report,) = json.loads(told)
    assert code == 0
    assert report["city"] == "云梦市"
    assert report["covered"] == 36
    assert report["found"]["to_confirm.csv"][0]["severity"] == "warning"
