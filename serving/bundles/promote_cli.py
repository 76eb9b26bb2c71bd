"""`dispatch gate`, `dispatch promote`, `dispatch rollback`: from a trained bundle to the one in force, and back."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated

import typer

from dispatch_model.backend import DEFAULT, BackendName

if TYPE_CHECKING:
    from dispatch_model.gate_record import GateRecord
    from serving.bundles.promotion import Place

GATES = Path("runs/gates")

Folder = Annotated[Path | None, typer.Option(file_okay=False, help="模型包文件夹，缺省为随包附带的模型包。")]
Gates = Annotated[Path, typer.Option(help="门禁记录的文件夹。")]
Run = Annotated[Path | None, typer.Option(help="运行文件夹；结果一并记入其 record.json。")]
Url = Annotated[str | None, typer.Option(help="运行中的服务；缺省直接写入设置中的数据库，服务两秒内跟上。")]
Key = Annotated[
    str | None, typer.Option(envvar="DISPATCH_ADMIN_KEY", help="有 admin 权限的 API 密钥；宜以环境变量给出。")
]
Note = Annotated[str, typer.Option(help="说明，记入历次变更。")]


def gate_command(training: Callable[[str], ModuleType]) -> Callable[..., None]:
    """The command `dispatch gate`.

    :param training: gives a module of `training`, or says what to install.
    """

    def gate(
        challenger: Folder = None,
        champion: Folder = None,
        decisions: Annotated[Path | None, typer.Option(help="近期决定：dispatch data export 导出的行。")] = None,
        learned: Annotated[Path | None, typer.Option(help="挑战者训练用过的导出行；文字相同的决定不参与比较。")] = None,
        config: Annotated[Path | None, typer.Option(help="训练配置（数据文件夹），缺省为随包附带的。")] = None,
        city: Annotated[str, typer.Option(help="以哪个城市的准入清单核对。")] = "haikou",
        pairs: Annotated[int, typer.Option(min=1, help="随机核对准入清单的件数。")] = 2000,
        shown: Annotated[bool, typer.Option("--shown", help="各职能只拒绝确有的（p < 0.05）下降。")] = False,
        backend: Annotated[BackendName, typer.Option(help="以哪个后端运行挑战者；现行者用缺省后端。")] = DEFAULT,
        out: Gates = GATES,
        run: Run = None,
    ) -> None:
        """Judge a challenger beside the champion; exit status 1 when it is refused."""
        settings = training("config").load_config(config)
        order = training("gate").Order(settings, decisions, learned, city, pairs, shown, backend)
        told = _told(training, training("gate").gate(champion, challenger, order, out), out, run)
        if not told.passed:
            raise typer.Exit(1)

    return gate


def _told(training: Callable[[str], ModuleType], record: "GateRecord", out: Path, run: Path | None) -> "GateRecord":
    """The record shown, and noted in its run."""
    from rich.console import Console

    training("gate_report").show(record, Console())
    folder = out / record.folder
    typer.echo(f"{'通过' if record.passed else '拒绝'} → {folder}", err=True)
    if run is not None:
        training("run_steps").note_gate(run, record, folder)
    return record


def promote(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="模型包文件夹。")],
    gates: Gates = GATES,
    bundles_dir: Annotated[Path | None, typer.Option(help="服务可载入的模型包文件夹，缺省为设置 bundles_dir。")] = None,
    url: Url = None,
    key: Key = None,
    note: Note = "",
    run: Run = None,
) -> None:
    """Put a bundle in force that passed the gate against the one in force."""
    from serving.bundles import promotion
    from serving.settings import Settings

    settings = Settings.load()
    bundles = bundles_dir or settings.bundles_dir
    with _place(url, key, bundles) as place:
        before, after = promotion.promote(folder, place, gates, bundles, note=note, backend=settings.backend)
    if before == after:
        typer.echo(f"{after.version}（{after.sha256[:12]}）已是现行模型包，未作改动。", err=True)
        return
    told = f"{after.version}（{after.sha256[:12]}）生效，替换 {before.version}（{before.sha256[:12]}）。"
    typer.echo(told, err=True)
    if run is not None:
        from training.run_record import RunRecord

        figures = {"version": after.version, "replaced": before.version, "url": url or "数据库"}
        RunRecord.load(run).note("promote", run, {"bundle": after.sha256, "replaced": before.sha256}, (), figures)


def rollback(
    version: Annotated[str, typer.Option(help="退回到的版本，缺省为此前的一版。")] = "",
    url: Url = None,
    key: Key = None,
    note: Note = "",
) -> None:
    """Put an earlier bundle in force again."""
    with _place(url, key, None) as place:
        before = place.current()
        after = place.rollback(version, note)
    typer.echo(f"已由 {before.version} 退回到 {after.version}（{after.sha256[:12]}）。", err=True)


@contextmanager
def _place(url: str | None, key: str | None, bundles: Path | None) -> "Iterator[Place]":
    """The service at a URL, or the database of the settings."""
    if url is not None:
        from serving.bundles.promotion_http import Service

        with closing(Service(url, key)) as service:
            yield service
        return
    from serving.bundles.promotion import at_desk
    from serving.guard.cli import operator
    from serving.settings import Settings

    with at_desk(Settings.load(), bundles, operator()) as desk:
        yield desk
