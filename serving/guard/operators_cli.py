"""`dispatch operators …`: who may sign in at the console; works on the database of the settings at any time."""

import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from serving.guard.cli import operator, writing
from serving.guard.roles import Role

if TYPE_CHECKING:
    from serving.guard.passwords import Hash

operators = typer.Typer(help="操作台的操作员：谁可以登录，是派单员、主管还是管理员。", no_args_is_help=True)

Login = Annotated[str, typer.Argument(help="登录名，如 zhangsan。")]
FromInput = Annotated[bool, typer.Option("--password-stdin", help="从标准输入读一行作为密码，不询问。")]


@operators.command(help="建立操作员；密码输入两遍，不显示，至少 10 个字符。")
def add(
    login: Login,
    name: Annotated[str, typer.Option(help="姓名，如 张三；记入工单与审计。")],
    role: Annotated[Role, typer.Option(help="operator 派单员，supervisor 主管，admin 管理员。")] = Role.OPERATOR,
    password_stdin: FromInput = False,
) -> None:
    """Enter an operator."""
    from serving.guard.operators import add as entered
    from serving.settings import Settings

    password = _password(login, from_input=password_stdin)
    with writing(Settings.load()) as (writer, database):
        job = partial(entered, login=login, password=password, name=name, role=role, actor=operator())
        made = writer.submit(job).result()
        typer.echo(f"已在 {database} 建立{made.role.word} {made.login}（{made.name}）。", err=True)


@operators.command("list", help="列出所有操作员：登录名、姓名、角色、状态、正在登录的处数。")
def show() -> None:
    """List the operators."""
    from rich.console import Console
    from rich.table import Table

    from serving.guard.operators import all_
    from serving.guard.sessions import count
    from serving.settings import Settings

    table = Table("登录名", "姓名", "角色", "建立", "状态", "登录")
    with writing(Settings.load()) as (writer, _):
        signed_in = writer.submit(count).result()
        for one in writer.submit(all_).result():
            state = f"{one.disabled_at:%Y-%m-%d} 停用" if one.disabled_at else "有效"
            made = f"{one.created_at:%Y-%m-%d}"
            table.add_row(one.login, one.name, one.role.word, made, state, str(signed_in.get(one.login, "")))
    Console().print(table)


@operators.command(help="停用操作员：不能再登录，已登录的立即退出；记录保留。")
def disable(login: Login) -> None:
    """Disable an operator."""
    from serving.guard.operators import disable as disabled
    from serving.settings import Settings

    with writing(Settings.load()) as (writer, _):
        gone = writer.submit(partial(disabled, login=login, actor=operator())).result()
    typer.echo(f"已停用 {gone.login}（{gone.name}）。", err=True)


@operators.command(help="恢复停用的操作员；密码不变。")
def enable(login: Login) -> None:
    """Enable an operator."""
    from serving.guard.operators import enable as enabled
    from serving.settings import Settings

    with writing(Settings.load()) as (writer, _):
        back = writer.submit(partial(enabled, login=login, actor=operator())).result()
    typer.echo(f"已恢复 {back.login}（{back.name}）。", err=True)


@operators.command(help="重设密码；已登录的立即退出。")
def password(login: Login, password_stdin: FromInput = False) -> None:
    """Replace a password."""
    from serving.guard.operators import set_password
    from serving.settings import Settings

    new = _password(login, from_input=password_stdin)
    with writing(Settings.load()) as (writer, _):
        whose = writer.submit(partial(set_password, login=login, password=new, actor=operator())).result()
    typer.echo(f"已重设 {whose.login}（{whose.name}）的密码。", err=True)


@operators.command(help="某操作员正在登录的处数；加 --close 令其全部退出。")
def sessions(login: Login, close: Annotated[bool, typer.Option("--close", help="全部退出。")] = False) -> None:
    """Count the sessions of an operator, or end them."""
    from serving.guard.operators import known
    from serving.guard.sessions import close_all, count
    from serving.settings import Settings

    with writing(Settings.load()) as (writer, _):
        whose = writer.submit(partial(known, login=login)).result()
        if close:
            gone = writer.submit(partial(close_all, login=login, actor=operator())).result()
            typer.echo(f"{whose.name} 已退出 {gone} 处登录。", err=True)
        else:
            typer.echo(writer.submit(count).result().get(login, 0))


def _password(login: str, *, from_input: bool) -> "Hash":
    """The hash of a password that is asked for, before the database is opened."""
    from serving.guard.passwords import hashed

    if from_input:
        return hashed(sys.stdin.readline().rstrip("\r\n"), login)
    return hashed(typer.prompt("密码", hide_input=True, confirmation_prompt="再输入一遍", err=True), login)
