"""`dispatch keys …` and `dispatch erase`: they work on the database of the settings, while the service runs or not."""

import getpass
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dispatch_model.errors import DispatchError, ErrorKind
from serving.guard.scopes import Scope

if TYPE_CHECKING:
    from serving.settings import Settings
    from serving.store.store import Store
    from serving.store.writer import Writer

keys = typer.Typer(help="API 密钥：谁可以调用、可以做什么。", no_args_is_help=True)


@keys.command(help="创建密钥；只在此时显示一次，请立即交给使用者保存。")
def create(
    name: Annotated[str, typer.Argument(help="给谁用，如 受理系统。")],
    scope: Annotated[
        list[Scope], typer.Option(help="权限，可重复：intake 受理，operator 经办，data 数据，admin 管理。")
    ],
    days: Annotated[int | None, typer.Option(min=1, max=3650, help="几天后到期，缺省不到期。")] = None,
) -> None:
    """Make a key and print it, alone, on stdout."""
    from serving.guard.keys import create as entered
    from serving.guard.keys import new_key

    expires_at = datetime.now(UTC) + timedelta(days=days) if days else None
    key = new_key()
    with writing(_settings()) as (writer, database):
        job = partial(entered, key=key, name=name, scopes=scope, expires_at=expires_at, actor=operator())
        made = writer.submit(job).result()
        until = f"，{made.expires_at:%Y-%m-%d} 到期" if made.expires_at else ""
        typer.echo(f"已在 {database} 创建密钥 {made.prefix}…（{made.name}：{'、'.join(scope)}{until}）：", err=True)
    typer.echo(key)


@keys.command("list", help="列出所有密钥：可见部分、名称、权限、状态；密钥本身无处可查。")
def show() -> None:
    """List the keys."""
    from rich.console import Console
    from rich.table import Table

    from serving.guard.keys import listed

    table, now = Table("密钥", "名称", "权限", "创建", "到期", "状态"), datetime.now(UTC)
    with writing(_settings()) as (writer, _):
        for key in writer.submit(listed).result():
            until = f"{key.expires_at:%Y-%m-%d}" if key.expires_at else ""
            scopes = " ".join(sorted(key.scopes))
            table.add_row(f"{key.prefix}…", key.name, scopes, f"{key.created_at:%Y-%m-%d}", until, key.state(now))
    Console().print(table)


@keys.command(help="撤销密钥：给出可见部分，或名称（撤销该名称的全部密钥）；两秒内生效。")
def revoke(
    key: Annotated[str, typer.Argument(help="可见部分（如 hd_AbCdEfGh）或名称。")],
) -> None:
    """Revoke one key, or all of a name."""
    from serving.guard.keys import revoke as revoked

    with writing(_settings()) as (writer, _):
        gone = writer.submit(partial(revoked, which=key, actor=operator())).result()
    typer.echo(f"已撤销：{'、'.join(f'{one.prefix}…（{one.name}）' for one in gone)}", err=True)


def erase(
    caller: Annotated[str | None, typer.Option(help="来电号码或来电人编号；- 从标准输入读，不留在命令历史里。")] = None,
    case: Annotated[list[str] | None, typer.Option(help="工单号，可重复。")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="不再询问。")] = False,
) -> None:
    """Blank what a caller said, or what certain cases say."""
    from serving.store.erasure import erase as erased

    if bool(caller) == bool(case):
        raise DispatchError(ErrorKind.INVALID_PARAMETER, "请给出 --caller 或 --case，二者之一。", field="caller")
    settings = _settings()
    with _store(settings) as store:
        found = _of_caller(store, caller) if caller else list(case or ())
        if not found:
            typer.echo("没有该来电人的工单。", err=True)
            return
        if not yes:
            typer.confirm(f"将抹除 {len(found)} 件工单的转写、地址、答复文字和备注，不可恢复。继续？", abort=True)
        done = store.write(partial(erased, case_ids=found, actor=operator()))
        if isinstance(settings.database, Path):
            _scrub(store)
    before = f"；{len(done.before)} 件此前已抹除" if done.before else ""
    typer.echo(f"已抹除 {len(done.erased)} 件工单{before}。", err=True)


def _of_caller(store: "Store", caller: str) -> list[str]:
    from serving.store.erasure import cases_of

    given = sys.stdin.readline().strip() if caller == "-" else caller
    pseudonym = store.seal.pseudonym(given)
    if pseudonym is None:
        told = "不能以此找出一个人（匿名、带 * 的号码等不作假名）；请给出完整的号码或编号，或用 --case。"
        raise DispatchError(ErrorKind.INVALID_PARAMETER, told, field="caller")
    with store.reading() as connection:
        return cases_of(connection, pseudonym)


def _scrub(store: "Store") -> None:
    from serving.store.erasure import scrub

    with store.reading() as connection:
        if not scrub(connection):
            typer.echo("数据库正在使用，其日志文件（-wal）中的旧内容稍后由服务清除。", err=True)


def _settings() -> "Settings":
    from serving.settings import Settings

    return Settings.load()


@contextmanager
def writing(settings: "Settings") -> "Iterator[tuple[Writer, str]]":
    """The writer and the name of the database; keys do not need the seal, which may be known to the service alone."""
    from serving.store.database import open_database
    from serving.store.migrate import bring_up
    from serving.store.writer import Writer

    database = open_database(settings.database, timeout=settings.store_timeout)
    bring_up(database, settings.auto_migrate)
    writer = Writer(database)
    try:
        yield writer, database.name
    finally:
        writer.close()


@contextmanager
def _store(settings: "Settings") -> "Iterator[Store]":
    from serving.store.store import Store

    store = Store.of(settings)
    try:
        yield store
    finally:
        store.close()


def operator() -> str:
    """Who works at the command line, for the audit log."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a container's number without a name
        return f"cli:{os.getuid()}"
