"""The command `dispatch`: a thin skin over functions that can be imported.

Heavy imports stand inside the commands, so that `dispatch --help` is immediate and the training
commands alone need the `train` extra.
"""

import importlib
import logging
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dispatch_model.errors import DispatchError, ErrorKind
from serving.bundles.promote_cli import gate_command, promote, rollback
from serving.city_cli import city_group
from serving.guard.cli import erase, keys
from serving.guard.operators_cli import operators
from serving.hooks.cli import hooks
from serving.learning.data_cli import data
from serving.learning.evaluate_cli import evaluate_command
from serving.learning.label_audit_cli import HELP as AUDIT_HELP
from serving.learning.label_audit_cli import audit_command
from serving.learning.label_cli import add_label_commands
from serving.learning.promise_cli import promise_command
from serving.rules.cli_cases import rules
from serving.store.audit_cli import audit

if TYPE_CHECKING:
    from serving.bulk.batch import Tally
    from serving.routing import Router

app = typer.Typer(
    name="dispatch",
    help="12345 热线智能派单：派单建议、批量处理、服务、训练与导出。",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
labels = typer.Typer(help="标签表与规则表。", no_args_is_help=True)
app.add_typer(labels, name="labels")
app.add_typer(rules, name="rules")
app.add_typer(keys, name="keys")
app.add_typer(operators, name="operators")
app.add_typer(hooks, name="hooks")
app.command(help="抹除：清空一位来电人或若干工单的转写、地址、答复文字和备注，编号与标签保留，审计可查。")(erase)
app.add_typer(audit, name="audit")
app.add_typer(data, name="data")

Bundle = Annotated[Path | None, typer.Option(help="模型包文件夹，缺省为随包附带的模型包。")]
City = Annotated[str, typer.Option(help="城市（label_maps/ 与 configs/ 下的文件夹名）。")]
TRAINING_PACKAGES = ("torch", "transformers", "datasets", "sklearn", "onnx", "matplotlib", "tqdm")


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: what went wrong is told in a sentence on stderr, exit status 1."""
    try:
        app(arguments)
    except DispatchError as error:
        typer.echo(f"错误（{error.kind.value}）：{error}", err=True)
        sys.exit(1)


@app.command(help="读一段诉求，列出建议的主办单位与理由。")
def route(
    text: Annotated[str, typer.Argument(help="通话转写或工单内容。")],
    address: Annotated[str | None, typer.Option(help="事发地址。")] = None,
    received_at: Annotated[str | None, typer.Option(help="受理时间，如 2025-05-03；缺省为现在。")] = None,
    bundle: Bundle = None,
    city: City = "haikou",
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON。")] = False,
) -> None:
    """Route one text and show the answer."""
    from rich.console import Console

    from serving.display import show
    from serving.routing import open_router
    from serving.web.problems import read_case

    case = read_case({"case_id": "cli", "transcript": text, "address": address, "received_at": received_at})
    routing = open_router(bundle, city).route([case])[0]
    if as_json:
        typer.echo(routing.model_dump_json(indent=2))
    else:
        show(routing, Console())


@app.command(help="逐行处理 JSONL：每行一件工单，同序输出派单结果；有误的行输出错误对象，不中断。")
def batch(
    source: Annotated[Path, typer.Option("--input", exists=True, help="工单，每行一个 JSON；ray 也可为文件夹。")],
    target: Annotated[Path, typer.Option("--output", help="派单结果，每行一个 JSON；ray 为文件夹。")],
    bundle: Bundle = None,
    city: City = "haikou",
    threads: Annotated[int | None, typer.Option(min=1, help="同时计算的线程数（ray：进程数），缺省为核数。")] = None,
    engine: Annotated[Literal["local", "ray"], typer.Option(help="本机，或 Ray 集群（RAY_ADDRESS）。")] = "local",
    part_lines: Annotated[int, typer.Option(min=1, help="ray：每部分的行数，完成的部分不重做。")] = 2000,
) -> None:
    """Route a file, or on Ray a folder of files, and say how many lines were wrong."""
    from serving.display import batch_progress
    from serving.routing import open_router

    run = _engine(engine, partial(open_router, bundle and bundle.resolve(), city), threads, part_lines)
    with batch_progress(source) as advance:
        tally = run(source, target, progress=advance)
    if tally.ignored:
        names = "、".join(f"{name}（{count} 行）" for name, count in tally.ignored.most_common(10))
        typer.echo(f"忽略了未知字段：{names}", err=True)
    typer.echo(f"{tally.lines} 行，其中 {tally.errors} 行有误 → {target}", err=True)


def _engine(name: str, opened: Callable[[], "Router"], threads: int | None, part_lines: int) -> Callable[..., "Tally"]:
    """What takes `(source, target, progress=…)` to a tally."""
    if name == "ray":
        from serving.bulk.ray_batch import route_history

        return partial(route_history, opened, workers=threads, lines=part_lines)
    from serving.bulk.batch import route_file

    return partial(route_file, opened(), threads=threads or os.cpu_count() or 1)


@app.command(help="启动 HTTP 服务；其余设置见 configs/service.toml 与 DISPATCH_* 环境变量。")
def serve(
    host: Annotated[str | None, typer.Option(help="监听地址，缺省 127.0.0.1。")] = None,
    port: Annotated[int | None, typer.Option(help="端口，缺省 8000。")] = None,
    workers: Annotated[int | None, typer.Option(help="进程数，缺省 1。")] = None,
) -> None:
    """Serve with the settings, the options of this command first."""
    from serving import server
    from serving.settings import Settings

    server.serve(Settings.load(options={"host": host, "port": port, "workers": workers}))


@app.command(help="派单员工作台单独成一个进程：serve 有多个进程时用；只有一个进程时工作台已在其 /console。")
def console(
    host: Annotated[str | None, typer.Option(help="监听地址，缺省 127.0.0.1。")] = None,
    port: Annotated[int | None, typer.Option(help="端口，缺省 8001。")] = None,
) -> None:
    """Serve the console from a process of its own."""
    from serving import server
    from serving.settings import Settings

    server.serve_console(Settings.load(options={"host": host, "console_port": port}))


@app.command(help="数据库：把数据表升级到本程序的版本；SQLite 在启动时自动升级，PostgreSQL 须先运行此命令。")
def migrate() -> None:
    """Bring the tables of the configured database up to date."""
    from serving.settings import Settings
    from serving.store.database import open_database
    from serving.store.migrate import upgrade

    settings = Settings.load()
    database = open_database(settings.database, timeout=settings.store_timeout)
    before, after = upgrade(database)
    told = "已是最新" if before == after else f"由 {before or '空库'} 升级而来"
    typer.echo(f"数据库 {database.name}：数据表版本 {after}，{told}。")


@app.command(help="继续预训练：编码器先通读训练文本（掩码语言模型），再由 dispatch train 学标签。")
def pretrain(
    out: Annotated[Path, typer.Option(help="运行文件夹；写出 encoder.safetensors。")],
    config: Annotated[Path | None, typer.Option(help="训练配置，缺省为随包附带的。")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="改一个参数；可重复。")] = None,
) -> None:
    """Masked-language training into a run folder."""
    _training("pretrain").pretrain(_training("config").load_config(config, settings or ()), out)


@app.command(help="按话务量估算所需核数、副本数、内存与存储；每件的处理器时间以实测为准。")
def size(
    calls: Annotated[float, typer.Argument(min=1, help="每天的工单数。")],
    cpu_ms: Annotated[float | None, typer.Option(min=0.1, help="每件的处理器毫秒数（bench/route_cpu.py）。")] = None,
    busy_hour: Annotated[float, typer.Option(min=1 / 24, max=1, help="最忙一小时占全天的比例。")] = 0.12,
    burst: Annotated[float, typer.Option(min=1, help="最忙一分钟与该小时平均之比。")] = 3.0,
    wait_ms: Annotated[float, typer.Option(min=0.1, help="百分之九十九的工单至多排队的毫秒数。")] = 50.0,
    replica_cores: Annotated[int, typer.Option(min=1, help="每个副本的核数。")] = 2,
) -> None:
    """Say what a volume of calls needs."""
    from serving.bulk.sizing import MEASURED, Volume
    from serving.bulk.sizing import size as sized
    from serving.display import show_size

    measured = replace(MEASURED, served_ms=cpu_ms or MEASURED.served_ms)
    typer.echo(show_size(sized(Volume(calls, busy_hour, burst, wait_ms), measured, replica_cores=replica_cores)))


@app.command(help="训练：按 configs/training.toml 微调编码器与各任务头，可中断后继续。")
def train(
    out: Annotated[Path, typer.Option(help="运行文件夹；已有检查点则继续。")],
    config: Annotated[Path | None, typer.Option(help="训练配置，缺省为随包附带的。")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="改一个参数，如 fit.epochs=2；可重复。")] = None,
) -> None:
    """Train into a run folder."""
    fit = _training("fit").fit
    _training("run_steps").train(fit, _training("config").load_config(config, settings or ()), out)


@app.command(help="导出：量化、校准、核对一致性，生成模型包。")
def export(
    run: Annotated[Path, typer.Option(exists=True, file_okay=False, help="dispatch train 的运行文件夹。")],
    out: Annotated[Path, typer.Option(help="模型包文件夹。")],
    name: Annotated[str, typer.Option(help="模型包名称。")] = "haikou",
) -> None:
    """Export a finished run to a bundle."""
    _training("run_steps").export(_training("export").export, run, out, name)


@labels.command(help="核对标签表、提示词、各城市的区域、单位与地标、准入清单、派单目录和触发词。")
def check() -> None:
    """Load everything; the first table that is wrong ends this with its errors."""
    from rich.console import Console

    from serving.display import show_counts
    from serving.tables import count_tables

    show_counts(count_tables(), Console())


def _training(name: str) -> ModuleType:
    """A module of `training`, or MISSING_EXTRA with what to install."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        return importlib.import_module(f"training.{name}")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in TRAINING_PACKAGES:
            raise
        raise DispatchError(
            ErrorKind.MISSING_EXTRA,
            f"缺少训练所需的 {error.name}；请先安装训练扩展：pip install 'hotline-dispatch[train]'。",
            field=error.name,
        ) from None


app.command(name="evaluate", help="评测：与 TF-IDF 基线同行同场比较，写出 HTML 报告；或比较干净与带识别错误的文本。")(
    evaluate_command(_training)
)
app.command(
    name="promise", help="承诺：为各职能选自动派发的门槛，使错派比例有置信度地不超过上限；候选职能集合；写入模型包。"
)(promise_command(_training))
app.command(name="gate", help="门禁：挑战者与现行模型包同题比较，有一项不合即拒绝，退出码为 1，并列出原因。")(
    gate_command(_training)
)
app.command(name="promote", help="启用：把通过门禁的模型包放入 bundles_dir 并生效；没有对现行模型包的通过记录则拒绝。")(
    promote
)
app.command(name="rollback", help="退回：此前的模型包重新生效。")(rollback)
app.add_typer(city_group(_training), name="city")
data.command(name="audit", help=AUDIT_HELP)(audit_command(_training))
add_label_commands(data, _training)
