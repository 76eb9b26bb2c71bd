from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dispatch_model.errors import DispatchError
from serving import cli
from serving.guard import operators
from serving.guard.operators import Operator, Role
from serving.guard.sessions import Sessions
from serving.store.store import Store

GOOD = "three blue doors"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DISPATCH_DATA_DIR", str(tmp_path))
    return tmp_path


def run(*arguments: str, given: str | None = None) -> tuple[str, str]:
    """What is told on stdout and on stderr."""
    result = CliRunner().invoke(cli.app, ["operators", *arguments], input=given, catch_exceptions=True)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout, result.stderr


def entered(folder: Path) -> list[Operator]:
    store = Store.open(folder / "dispatch.db")
    with store.reading() as connection:
        found = operators.all_(connection)
    store.close()
    return found


def sign_in(folder: Path, password: str) -> None:
    store = Store.open(folder / "dispatch.db")
    try:
        Sessions(store).open("zhang", password, address="::1")
    finally:
        store.close()


def test_an_operator_is_entered_with_a_password_typed_twice(folder: Path) -> None:
    out, told = run("add", "zhang", "--name", "张三", "--role", "admin", given=f"{GOOD}\n{GOOD}\n")
    assert out.strip() == ""
    assert "管理员 zhang（张三）" in told
    assert GOOD not in told
    (made,) = entered(folder)
    assert (made.login, made.name, made.role) == ("zhang", "张三", Role.ADMIN)
    sign_in(folder, GOOD)


def test_a_password_may_come_from_another_program(folder: Path) -> None:
    run("add", "zhang", "--name", "张三", "--password-stdin", given=f"{GOOD}\r\n")
    (made,) = entered(folder)
    assert made.role is Role.OPERATOR
    sign_in(folder, GOOD)


def test_a_poor_password_is_refused_before_anything_is_written(folder: Path) -> None:
    with pytest.raises(DispatchError, match="密码有 5 个字符"):
        run("add", "zhang", "--name", "张三", "--password-stdin", given="short\n")
    assert not (folder / "dispatch.db").exists()


def test_the_list_tells_all_but_the_passwords(folder: Path) -> None:
    for login, name in (("zhang", "张三"), ("li", "李四")):
        run("add", login, "--name", name, "--password-stdin", given=f"{GOOD}\n")
    sign_in(folder, GOOD)
    run("disable", "li")
    out, _ = run("list")
    (zhang,) = [line for line in out.splitlines() if "zhang" in line]
    (li,) = [line for line in out.splitlines() if "李四" in line]
    assert "派单员" in zhang
    assert "有效" in zhang
    assert zhang.rstrip(" │").endswith("1")
    assert "停用" in li
    assert "argon2" not in out


def test_disabling_and_a_new_password_sign_out(folder: Path) -> None:
    run("add", "zhang", "--name", "张三", "--password-stdin", given=f"{GOOD}\n")
    sign_in(folder, GOOD)
    assert run("sessions", "zhang")[0] == "1\n"
    run("password", "zhang", "--password-stdin", given="another good one\n")
    assert run("sessions", "zhang")[0] == "0\n"
    with pytest.raises(DispatchError, match="登录名或密码不对"):
        sign_in(folder, GOOD)
    sign_in(folder, "another good one")
    assert "已停用 zhang（张三）" in run("disable", "zhang")[1]
    with pytest.raises(DispatchError, match="登录名或密码不对"):
        sign_in(folder, "another good one")
    assert "已恢复 zhang（张三）" in run("enable", "zhang")[1]
    sign_in(folder, "another good one")
    assert "张三 已退出 1 处登录" in run("sessions", "zhang", "--close")[1]
    assert run("sessions", "zhang")[0] == "0\n"


@pytest.mark.parametrize("command", [("disable",), ("enable",), ("sessions",), ("sessions", "--close")])
def test_an_unknown_login_is_an_error(folder: Path, command: tuple[str, ...]) -> None:
    with pytest.raises(DispatchError, match="没有操作员 nobody"):
        partial(run, *command)("nobody")
    assert entered(folder) == []
