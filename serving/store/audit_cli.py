"""`dispatch audit …`: the group for who has to trust the log."""

from typing import Annotated

import typer

audit = typer.Typer(help="审计：谁在何时做了什么。", no_args_is_help=True)


@audit.command("verify", help="核对审计链与其所证的各行：指出被改动、缺失、调换的事件和行；有问题时退出码为 1。")
def verify_command(
    head: Annotated[
        str | None, typer.Option(help="此前记下的链头（序号:哈希）：核对它仍在链中，即其前无改写、其后无截断。")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON。")] = False,
) -> None:
    """Verify the database the settings name."""
    import json
    from dataclasses import asdict

    from serving.settings import Settings
    from serving.store.audit import Head, opened, verify

    with opened(Settings.load()) as connection:
        report = verify(connection, head=Head.parse(head) if head else None)
    if as_json:
        typer.echo(json.dumps({**asdict(report), "head": str(report.head)}, ensure_ascii=False, indent=2))
    else:
        typer.echo("\n".join(report.lines()))
    if report.flawed:
        raise typer.Exit(1)
