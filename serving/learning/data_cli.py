"""`dispatch data …`: the group for who learns from what was decided."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

data = typer.Typer(help="训练数据：由日常派单得来的标注。", no_args_is_help=True)


@data.command(
    "export", help="导出训练行：采纳、改派、成立的退单与并案，一件一行，已脱敏；抹除的工单与撤销的步骤不在其中。"
)
def export_command(
    output: Annotated[Path, typer.Option(help="训练行，每行一个 JSON。")],
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="自哪天起作出的决定，含当天；缺省为最早。")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="至哪天为止，不含当天；缺省为现在。")
    ] = None,
    conflicts: Annotated[Path | None, typer.Option(help="另存矛盾行（同文不同标注）的 CSV。")] = None,
) -> None:
    """Export from the database the settings name."""
    from serving.learning.data_export import export
    from serving.learning.work_labels import Period
    from serving.settings import Settings
    from training.leaks import strip_leaks

    period = Period(since.date() if since else None, until.date() if until else None)
    report = export(Settings.load(), period, output, conflicts, clean=strip_leaks)
    typer.echo("\n".join(report.lines()))
