"""`dispatch data next`, `import` and `curve`: what to label by reading, and what came back.

The work stands in `training`, which needs the train extra.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from dispatch_model.label_task import Candidate

Training = Callable[[str], ModuleType]  # a module of `training`, or what to install
Tool = Literal["label-studio", "argilla"]
Judged = Literal["validation", "test"]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="自哪天起的工单与决定；缺省为最早。")]


def _next(training: Training) -> Callable[..., None]:
    def next_(
        output: Annotated[
            Path, typer.Option(help="给标注工具的任务，JSON；其界面设置写在同名的 .xml 或 .settings.json。")
        ],
        n: Annotated[int, typer.Option("--n", min=1, help="选多少件。")] = 500,
        form: Annotated[Tool, typer.Option("--format", help="label-studio 或 argilla。")] = "label-studio",
        pool: Annotated[
            Path | None, typer.Option(help="从这个工单文件里选（同 dispatch batch 的输入），缺省从数据库里选。")
        ] = None,
        skip: Annotated[
            list[Path] | None, typer.Option(help="已给出或已标注的任务文件，不再选其中的；可重复。")
        ] = None,
        since: Day = None,
        most: Annotated[int, typer.Option(min=1, help="无人决定过的工单，至多看最新的多少件。")] = 5_000,
        bundle: Annotated[Path | None, typer.Option(help="模型包文件夹，缺省为随包附带的模型包。")] = None,
        blind: Annotated[bool, typer.Option("--blind", help="不附模型的猜测，标注人不受其影响。")] = False,
    ) -> None:
        """Choose cases and write them for an annotation tool."""
        from dispatch_model.labels import LabelMaps

        chooser = training("next_labels")
        seen = training("annotations").seen_cases(skip or ())
        chosen = chooser.next_labels(_candidates(training, pool, since, most), n, bundle=bundle, seen=seen, blind=blind)
        files = chooser.write_tasks(chosen.tasks, output, form, LabelMaps.load())
        typer.echo("\n".join([*chosen.lines(), f"→ {'、'.join(map(str, files))}"]))

    return next_


def _candidates(training: Training, pool: Path | None, since: datetime | None, most: int) -> "list[Candidate]":
    from dispatch_model.city import City
    from dispatch_model.labels import LabelMaps
    from serving.learning.label_pool import from_file, from_store
    from serving.learning.work_labels import Period
    from serving.settings import Settings
    from serving.store.audit import opened

    settings, clean = Settings.load(), training("leaks").strip_leaks
    city = City.load(settings.city, LabelMaps.load())
    if pool:
        return list(from_file(pool, city, clean))
    with opened(settings) as connection:
        return list(from_store(connection, city, Period(since.date() if since else None), most, clean))


def _import(training: Training) -> Callable[..., None]:
    def import_(
        source: Annotated[
            Path, typer.Option("--input", help="标注工具导出的 JSON（Label Studio，或 Argilla 的 to_json）。")
        ],
        output: Annotated[
            Path, typer.Option(help=".jsonl：训练行，供 --set data.worked=…；.csv：id 与各项标注，格式同 labels.csv。")
        ],
    ) -> None:
        """Read what annotators answered."""
        from dispatch_model.cases import CHINA_TIME
        from dispatch_model.labels import LabelMaps

        annotations = training("annotations")
        imported = annotations.import_answers(source, LabelMaps.load())
        count = annotations.write_import(imported, output, datetime.now(CHINA_TIME))
        typer.echo("\n".join([*imported.lines(), f"{count} 行 → {output}"]))

    return import_


def _curve(training: Training) -> Callable[..., None]:
    def curve_(
        out: Annotated[Path, typer.Option(help="写出 learning_curve.json 与 learning_curve.svg 的文件夹。")],
        part: Annotated[Judged, typer.Option(help="在哪部分上评判；测试集只在定稿时看一次。")] = "validation",
        config: Annotated[Path | None, typer.Option(help="训练配置，缺省为随包附带的。")] = None,
    ) -> None:
        """Compare chosen with drawn rows on the data at hand."""
        curve = training("learning_curve")
        points = curve.write_curve(training("config").load_config(config), out, part)
        for head in curve.HEADS:
            for strategy, told in curve.mean_hits(points, head).items():
                typer.echo(f"{head} {strategy}: " + " · ".join(f"{size} {mean:.3f}" for size, mean, *_ in told))

    return curve_


def add_label_commands(group: typer.Typer, training: Training) -> None:
    """Put the commands into `dispatch data`."""
    helps = {
        "next": (_next, "选下一批值得标注的工单：改派与成立的退单在前，其余按模型的不确定与彼此的差异；写给标注工具。"),
        "import": (_import, "读入标注工具导出的标注：多人标注须过半一致；写成训练行或标注表。"),
        "curve": (_curve, "学习曲线：同样多的标注，挑选的与随机抽取的相比。"),
    }
    for name, (command, told) in helps.items():
        group.command(name, help=told)(command(training))
