"""`dispatch data audit`: its options; the work stands in `training.suspects`, which needs the train extra."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from training.metrics import Score
    from training.planted import Trial
    from training.suspects import Found

HELP = "标注核查：折外置信学习与同文矛盾，列出多半有误的标注，存疑最大的在前；在工作台的“标注”页逐条定案。"
_HOWS = {"even": "各标注均等", "common": "按常见程度", "near": "最易混淆"}


def audit_command(training: Callable[[str], ModuleType]) -> Callable[..., None]:
    """The command.

    :param training: gives a module of `training`, or says what to install.
    """

    def audit(
        output: Annotated[
            Path | None, typer.Option(help="存疑标注的 CSV；缺省为数据文件夹（data_dir）的 suspects.csv。")
        ] = None,
        settled: Annotated[
            Path | None, typer.Option(help="已定案的标注，不再列出；缺省为同一文件夹的 settled.csv。")
        ] = None,
        field: Annotated[
            list[str] | None,
            typer.Option(
                help="核查哪一项，可重复：category、function、level、kind（缺省四项）、handler_function、handler_level。"
            ),
        ] = None,
        limit: Annotated[int, typer.Option(min=1, help="至多列出几条。")] = 500,
        planted: Annotated[
            bool,
            typer.Option("--planted", help="演练：在副本上种下一成错误标注，看能找回多少、改正后好多少。"),
        ] = False,
        how: Annotated[
            Literal["even", "common", "near"],
            typer.Option(help="演练：错误标注如何取：均等、按常见程度、最易混淆的。"),
        ] = "common",
        seed: Annotated[int, typer.Option(help="演练：抽取的种子。")] = 1,
        rows: Annotated[int, typer.Option(min=100, help="演练：核查的行数；另取其半数检验。")] = 8000,
        config: Annotated[Path | None, typer.Option(help="训练配置，缺省为随包附带的。")] = None,
        settings: Annotated[list[str] | None, typer.Option("--set", help="改一个参数；可重复。")] = None,
    ) -> None:
        """Write the list, or rehearse on planted labels."""
        from serving.settings import Settings

        loaded = training("config").load_config(config, settings or ())
        suspects = training("suspects")
        if planted:
            _show_trials(training("planted").on_copy(loaded, rows, how, seed))
            return
        path = output or Settings.load().data_dir / "suspects.csv"
        beside = settled or path.with_name("settled.csv")
        found = suspects.audit(loaded, path, fields=field or suspects.READ, settled=beside, limit=limit)
        _show_found(found)
        typer.echo(f"至多 {limit} 条 → {path}", err=True)

    return audit


def _show_found(found: Sequence["Found"]) -> None:
    from rich.console import Console
    from rich.table import Table

    from dispatch_model.suspect import FIELDS

    table = Table("标注项", "有标注", "可核查", "估计有误", "同文矛盾", "已定案")
    for one in found:
        counts = (one.labelled, one.judged, one.estimated, one.contradicting, one.settled)
        table.add_row(FIELDS[one.field], *map(str, counts))
    Console().print(table)


def _show_trials(trials: Sequence["Trial"]) -> None:
    from rich.console import Console
    from rich.table import Table

    from dispatch_model.suspect import FIELDS

    heads = ("标注项", "种法", "行数", "种下", "前一成中", "有错时", "去掉后", "改正后", "无错时", "改正之得")
    table = Table(*heads, title="种下的错误标注")
    for one in trials:
        scores = (one.precision, one.noisy, one.dropped, one.settled, one.clean, one.gain)
        counts = (str(one.rows), str(one.planted))
        table.add_row(FIELDS[one.field], _HOWS[one.how], *counts, *map(_told, scores))
    Console().print(table)


def _told(score: "Score") -> str:
    return f"{100 * score.value:.1f} [{100 * score.low:.1f}, {100 * score.high:.1f}]"
