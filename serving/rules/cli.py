"""`dispatch rules …`: the group for everything an office asks of its rule sets.

Like `serving.cli` this only parses: what a command does stands in a module it imports when it runs.
"""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

Kind = Literal["access_list", "catalogue", "triggers"]  # `RuleKind`, written out: importing it would load numpy
KindOrAll = Literal["access_list", "catalogue", "triggers", "all"]

rules = typer.Typer(help="规则表（准入清单、派单目录、触发词）：检查、导出、解释与比较。", no_args_is_help=True)

City = Annotated[str, typer.Option(help="城市（label_maps/ 与 configs/ 下的文件夹名）。")]
AsJson = Annotated[bool, typer.Option("--json", help="输出 JSON。")]


@rules.command(help="检查一份规则表（CSV 或 xlsx）：列出错误与警告及行号；有错误时退出码为 1。")
def check(
    source: Annotated[Path, typer.Argument(metavar="LIST", exists=True, dir_okay=False, help="规则表文件。")],
    kind: Annotated[Kind | None, typer.Option(help="规则表种类，缺省由表头判断。")] = None,
    city: City = "haikou",
    day: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="从哪一天起使用，如 2026-05-01；缺省为今天。")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show every finding; exit status 1 when the file would be refused."""
    import json

    from rich.console import Console

    from dispatch_model.cases import CHINA_TIME
    from dispatch_model.finding import Severity
    from dispatch_model.rules import RuleKind
    from serving.rules.check import check_file, show

    first_day = (day or datetime.now(CHINA_TIME)).date()
    reports = check_file(source, city, first_day, RuleKind(kind) if kind else None)
    if as_json:
        typer.echo(json.dumps([report.as_dict() for report in reports], ensure_ascii=False, indent=2))
    else:
        show(reports, Console())
    if any(report.count(Severity.ERROR) for report in reports):
        raise typer.Exit(1)


@rules.command(help="导出随程序安装的规则表：xlsx 带下拉选项，可在 Excel 中编辑；或 CSV。")
def export(
    xlsx: Annotated[Path | None, typer.Option(dir_okay=False, help="写出工作簿，每种规则表一张工作表。")] = None,
    csv: Annotated[Path | None, typer.Option(help="写出 CSV：一种规则表为文件，全部时为文件夹。")] = None,
    kind: Annotated[KindOrAll, typer.Option(help="规则表种类，all 为全部三种。")] = "all",
    city: City = "haikou",
) -> None:
    """Write one rule set or all three."""
    from dispatch_model.rules import RuleKind
    from serving.rules.export import export as write

    if xlsx is None and csv is None:
        raise typer.BadParameter("请用 --xlsx 或 --csv 指明写到哪里。")
    kinds = tuple(RuleKind) if kind == "all" else (RuleKind(kind),)
    for path in write(city, kinds, xlsx=xlsx, csv=csv):
        typer.echo(f"→ {path}", err=True)
