"""`dispatch city`: a new city's tables drafted, checked, and what the model can be trusted with there."""

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import date, datetime
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from dispatch_model.city_check import CityReport

SHOWN = 20  # findings of one file
Depth = Literal["区", "镇街", "村居"]
Root = Annotated[
    Path | None, typer.Option(file_okay=False, help="含 label_maps/ 与 configs/ 的文件夹，缺省为程序所在的。")
]
Division = Annotated[Path | None, typer.Option(dir_okay=False, help="全国区划表 CSV（列见 docs/new-city.md）。")]


def city_group(training: Callable[[str], ModuleType]) -> typer.Typer:
    """The group of commands.

    :param training: gives a module of `training`, or says what to install.
    """
    group = typer.Typer(help="接入新城市：起草、核对、迁移评测。", no_args_is_help=True)
    group.command(help="起草：由区划表生成区域与单位目录，规则表取自已有城市；不改动已有文件。")(init)
    group.command(help="核对：列出城市各表的错误、相近名称、职能缺口与未核实项；有错误时退出码为 1。")(check)

    def transfer(
        name: Annotated[str, typer.Argument(help="城市全称，如 上海市。")],
        out: Annotated[Path, typer.Option(help="报告文件夹：transfer.json。")],
        division: Division = None,
        bundle: Annotated[Path | None, typer.Option(help="模型包文件夹，缺省为随包附带的模型包。")] = None,
        answers: Annotated[Path | None, typer.Option(help="已有答案的文件夹（门禁或此前运行留下的）。")] = None,
        config: Annotated[Path | None, typer.Option(help="训练配置（数据文件夹），缺省为随包附带的。")] = None,
    ) -> None:
        """What carries over into a city or districts that were not trained on."""
        settings = training("config").load_config(config)
        training("transfer").transfer(bundle, settings, name, out, division=division, answers=answers)

    group.command(name="transfer", help="迁移：没有学过该市、或没有学过某些区时，职能和层级还能判对多少。")(transfer)
    return group


def init(
    name: Annotated[str, typer.Argument(help="城市，如 上海市。")],
    division: Annotated[Path, typer.Option(dir_okay=False, help="全国区划表 CSV（列见 docs/new-city.md）。")],
    level: Annotated[Depth, typer.Option(help="区域起草到哪一级。")] = "村居",
    slug: Annotated[str, typer.Option(help="文件夹名，缺省为拼音。")] = "",
    like: Annotated[str, typer.Option(help="规则表取自哪个已有城市。")] = "haikou",
    root: Root = None,
) -> None:
    """Draft a city and write it."""
    from dispatch_model import city_draft
    from dispatch_model.labels import LabelMaps

    draft = city_draft.draft(name, division, LabelMaps.load(), depth=level, slug=slug, like=like)
    folders = city_draft.write(draft, root or Path(str(files("label_maps"))).parent)
    for folder in folders:
        typer.echo(f"→ {folder}", err=True)
    told = f"{draft.name}：{len(draft.regions)} 个区域，{len(draft.units)} 个单位；待核实 {len(draft.to_confirm)} 项"
    typer.echo(f"{told}，见 to_confirm.csv。下一步：dispatch city check {draft.slug}", err=True)


def check(
    slug: Annotated[str | None, typer.Argument(help="城市文件夹名；缺省为全部城市。")] = None,
    root: Root = None,
    day: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="规则从哪天起用，缺省今天。")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON。")] = False,
) -> None:
    """Check one city, or all."""
    from dispatch_model.city_check import check_city
    from dispatch_model.directory import slugs
    from dispatch_model.finding import Severity
    from dispatch_model.labels import LabelMaps

    maps, when = LabelMaps.load(), day.date() if day else date.today()
    names = [slug] if slug else slugs(root / "label_maps" if root else None)
    reports = [check_city(one, maps, root=root, day=when) for one in names]
    if as_json:
        typer.echo(json.dumps([_wire(one) for one in reports], ensure_ascii=False, indent=2))
    else:
        for report in reports:
            _show(report, len(maps.functions) - 1)
    if any(report.of(Severity.ERROR) for report in reports):
        raise typer.Exit(1)


def _show(report: "CityReport", functions: int) -> None:
    from dispatch_model.finding import Severity

    errors, warnings = report.of(Severity.ERROR), report.of(Severity.WARNING)
    rows = "，".join(f"{file} {count} 行" for file, count in report.counts.items())
    covered = f"；职能 {report.covered}/{functions} 有承办单位" if report.counts else ""
    typer.echo(f"{report.name or report.slug}：{errors} 处错误，{warnings} 处提醒；{rows or '未能读出'}{covered}")
    for file, findings in report.found.items():
        for one in findings[:SHOWN]:
            place = " ".join(part for part in (f"第 {one.row} 行" if one.row else "", one.id, one.column) if part)
            word = "错误" if one.severity is Severity.ERROR else "提醒"
            typer.echo(f"  {word} {file}{' ' if place else ''}{place}：{one.text}")
        if len(findings) > SHOWN:
            typer.echo(f"  {file} 另有 {len(findings) - SHOWN} 处，见 --json")


def _wire(report: "CityReport") -> dict[str, object]:
    found = {file: [asdict(one) for one in findings] for file, findings in report.found.items() if findings}
    return {"city": report.name, "slug": report.slug, "rows": report.counts, "covered": report.covered, "found": found}
