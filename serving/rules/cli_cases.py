"""`dispatch rules explain` and `dispatch rules diff`: questions about rules that take cases to answer."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from serving.rules.cli import AsJson, City, rules

if TYPE_CHECKING:
    from dispatch_model.cases import Case

__all__ = ["rules"]  # the group with these commands in it

Kind = Literal["access_list", "catalogue"]  # of `RuleKind`, those that decide the unit

Bundle = Annotated[Path | None, typer.Option(help="模型包文件夹，缺省为随包附带的模型包。")]


@rules.command(name="explain", help="解释一件工单：为什么是这个单位，为什么不是后面三个，查了哪些行、哪一行决定。")
def explain_command(
    source: Annotated[
        Path | None, typer.Option("--case", exists=True, dir_okay=False, help="工单文件：一件工单的 JSON。")
    ] = None,
    text: Annotated[str | None, typer.Option(help="通话转写或工单内容，代替 --case。")] = None,
    address: Annotated[str | None, typer.Option(help="事发地址，与 --text 同用。")] = None,
    received_at: Annotated[str | None, typer.Option(help="受理时间，如 2026-05-03，与 --text 同用。")] = None,
    bundle: Bundle = None,
    city: City = "haikou",
    as_json: AsJson = False,
) -> None:
    """Explain one case."""
    from rich.console import Console

    from dispatch_model.router import Router
    from serving.rules.explain import explain
    from serving.rules.explain_view import show

    case = _case(source, text, address, received_at)
    explanation = explain(Router.open(bundle, city=city), case)
    if as_json:
        typer.echo(explanation.model_dump_json(indent=2))
    else:
        show(explanation, Console())


def _case(source: Path | None, text: str | None, address: str | None, received_at: str | None) -> "Case":
    """The case of a file, or one made of the options."""
    from dispatch_model.errors import DispatchError, ErrorKind
    from serving.bulk.batch import Failure, Tally, parse_line
    from serving.web.problems import read_case

    if (source is None) == (text is None):
        raise typer.BadParameter("请用 --case 给工单文件，或用 --text 给内容，二者择一。")
    if source is None:
        return read_case({"case_id": "cli", "transcript": text, "address": address, "received_at": received_at})
    if address or received_at:
        raise typer.BadParameter("--address 与 --received-at 只与 --text 同用；文件里的工单自带地址与时间。")
    found = parse_line(1, source.read_bytes(), Tally())
    if isinstance(found, Failure):
        told = f"{source.name}：{found.error.message}"
        raise DispatchError(ErrorKind.INVALID_CASE, told, field=found.error.field, details=found.error.details)
    return found


@rules.command(
    name="diff", help="比较两份准入清单或派单目录：历史工单中有多少会改派，按类别与单位列出，可出 HTML 报告。"
)
def diff_command(
    old: Annotated[Path, typer.Argument(metavar="OLD", exists=True, dir_okay=False, help="旧表，CSV 或 xlsx。")],
    new: Annotated[Path, typer.Argument(metavar="NEW", exists=True, dir_okay=False, help="新表，CSV 或 xlsx。")],
    cases: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="历史工单，每行一个 JSON。")],
    outputs: Annotated[
        Path | None, typer.Option(dir_okay=False, help="已存的模型输出（npz），没有则生成；缺省放在工单文件旁。")
    ] = None,
    report: Annotated[Path | None, typer.Option(dir_okay=False, help="写出 HTML 报告。")] = None,
    kind: Annotated[Kind | None, typer.Option(help="规则表种类，缺省由表头判断。")] = None,
    bundle: Bundle = None,
    city: City = "haikou",
) -> None:
    """Compare two rule sets on past cases; encode them on first use."""
    from datetime import UTC, datetime

    from rich.console import Console

    from dispatch_model.bundle import Bundle as ModelBundle
    from dispatch_model.city import City as Directory
    from dispatch_model.labels import LabelMaps
    from dispatch_model.rules import RuleKind
    from serving.display import batch_progress
    from serving.rules.diff import compare, load_sides
    from serving.rules.diff_report import show, write
    from serving.rules.moves import Basis
    from serving.rules.outputs import outputs_for

    maps = LabelMaps.load()
    directory, model = Directory.load(city, maps), ModelBundle.open(bundle, maps)
    before, after = load_sides(old, new, maps, directory, RuleKind(kind) if kind else None)
    stored = outputs_for(cases, model, directory, target=outputs, watch=batch_progress)
    diff = compare(Basis(cases, stored, maps, directory), model, before, after)
    show(diff, Console())
    if report:
        write(diff, report, created=datetime.now(UTC))
        typer.echo(f"报告 → {report}", err=True)
