"""`dispatch hooks …`: who is told by webhook; works on the database of the settings, while the service runs or not."""

from contextlib import closing
from functools import partial
from typing import Annotated

import typer

hooks = typer.Typer(help="Webhook：派单、决定、退单时通知谁。", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="订阅的名称。")]
AsJson = Annotated[bool, typer.Option("--json", help="输出 JSON。")]


@hooks.command(help="添加订阅；签名密钥只在此时显示，请交给接收方。")
def add(
    name: Annotated[str, typer.Argument(help="名称：小写字母、数字、- 和 _。")],
    url: Annotated[str, typer.Argument(help="接收地址，https://…；内部网段见配置项 webhook_networks。")],
    event: Annotated[
        list[str] | None,
        typer.Option(help="事件，可重复：dispatch、decision、redispatch、return、review；缺省为全部。"),
    ] = None,
    note: Annotated[str, typer.Option(help="说明。")] = "",
) -> None:
    """Enter a subscriber and print its secret, alone, on stdout."""
    from serving.guard.cli import operator
    from serving.hooks.hooks import EVENTS
    from serving.hooks.hooks import add as entered
    from serving.outward import networks
    from serving.settings import Settings
    from serving.store.store import Store

    settings = Settings.load()
    inside = networks(settings.webhook_networks)
    with closing(Store.of(settings)) as store:
        job = partial(entered, name=name, url=url, events=event or EVENTS, note=note, inside=inside, actor=operator())
        hook = store.write(job)
        typer.echo(f"已添加 {hook.name} → {hook.url}（{'、'.join(hook.events)}）；签名密钥：", err=True)
        typer.echo(hook.secret(store.seal.hooks))


@hooks.command("list", help="列出订阅及其消息数：待发、已送达、已放弃。")
def show(as_json: AsJson = False) -> None:
    """List the subscribers."""
    import json
    from dataclasses import asdict

    from rich.console import Console
    from rich.table import Table

    from serving.hooks.hooks import registered
    from serving.hooks.outbox import DEAD, DELIVERED, PENDING, counts
    from serving.settings import Settings
    from serving.store.store import Store

    with closing(Store.of(Settings.load())) as store, store.reading() as connection:
        found, tally = registered(connection), counts(connection)
    if as_json:
        rows = [{**asdict(hook), "messages": tally.get(name, {})} for name, hook in found.items()]
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    table = Table("名称", "地址", "事件", "说明", "待发", "已送达", "已放弃")
    for name, hook in found.items():
        numbers = (str(tally.get(name, {}).get(state, 0)) for state in (PENDING, DELIVERED, DEAD))
        table.add_row(name, hook.url, " ".join(hook.events), hook.note, *numbers)
    Console().print(table)


@hooks.command(help="取消订阅；待发的消息一并取消。")
def remove(name: Name) -> None:
    """Take a subscriber out."""
    from serving.guard.cli import operator
    from serving.hooks.hooks import remove as removed
    from serving.settings import Settings
    from serving.store.store import Store

    with closing(Store.of(Settings.load())) as store:
        gone = store.write(partial(removed, name=name, actor=operator()))
    typer.echo(f"已取消 {name}，{gone} 条待发消息不再发送。", err=True)


@hooks.command(help="列出已放弃的消息，新者在前。")
def dead(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="至多几条。")] = 100,
    as_json: AsJson = False,
) -> None:
    """List what was given up."""
    import json
    from dataclasses import asdict

    from rich.console import Console
    from rich.table import Table

    from serving.hooks.outbox import dead as given_up
    from serving.settings import Settings
    from serving.store.store import Store

    with closing(Store.of(Settings.load())) as store, store.reading() as connection:
        found = given_up(connection, most=limit)
    if as_json:
        typer.echo(json.dumps([asdict(message) for message in found], ensure_ascii=False, indent=2))
        return
    table = Table("编号", "订阅", "事件", "工单", "次数", "原因")
    for one in found:
        table.add_row(str(one.id), one.hook, one.event, one.case_id, str(one.attempts), one.error)
    Console().print(table)


@hooks.command(help="重发一个订阅已放弃的全部消息。")
def retry(name: Name) -> None:
    """Begin anew with what was given up."""
    from serving.hooks.hooks import known, registered
    from serving.hooks.outbox import revive
    from serving.settings import Settings
    from serving.store.store import Store

    with closing(Store.of(Settings.load())) as store:
        with store.reading() as connection:
            known(registered(connection), name)
        again = store.write(partial(revive, name=name))
    typer.echo(f"{again} 条消息将重发。", err=True)


@hooks.command(help="立即发送一条测试消息（事件 ping），显示应答状态；非 2xx 时退出码为 1。")
def ping(name: Name) -> None:
    """Send one message that tells of nothing."""
    from serving.hooks.hooks import known, registered
    from serving.hooks.webhooks import knock, sender
    from serving.outward import networks
    from serving.settings import Settings
    from serving.store.store import Store

    settings = Settings.load()
    with closing(Store.of(settings)) as store:
        with store.reading() as connection:
            hook = known(registered(connection), name)
        status, why = knock(sender(store.seal.hooks, networks(settings.webhook_networks)), hook)
    typer.echo(f"{hook.url}：{why or f'应答 {status}'}", err=True)
    if not 200 <= status < 300:
        raise typer.Exit(1)
