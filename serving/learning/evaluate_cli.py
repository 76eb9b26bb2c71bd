"""`dispatch evaluate`: its options; the work stands in `training.evaluate` and `training.noisy`."""

from collections.abc import Callable
from enum import StrEnum
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from dispatch_model.backend import DEFAULT, BackendName


class Part(StrEnum):
    """Rows that noise may be tried on."""

    VALIDATION = "validation"
    TEST = "test"
    CALLS = "calls"


def evaluate_command(training: Callable[[str], ModuleType]) -> Callable[..., None]:
    """The command.

    :param training: gives a module of `training`, or says what to install.
    """

    def evaluate(
        out: Annotated[Path, typer.Option(help="报告文件夹。")],
        bundle: Annotated[Path | None, typer.Option(help="模型包文件夹，缺省为随包附带的模型包。")] = None,
        config: Annotated[Path | None, typer.Option(help="训练配置，缺省为随包附带的。")] = None,
        run: Annotated[Path | None, typer.Option(help="运行文件夹；结果一并记入其 record.json。")] = None,
        backend: Annotated[BackendName, typer.Option(help="以哪个后端运行模型。")] = DEFAULT,
        noise: Annotated[
            str | None, typer.Option(help="改为比较干净文本与带语音识别错误的文本：字错误率，如 0.05,0.1,0.2。")
        ] = None,
        part: Annotated[
            list[str] | None, typer.Option(help="--noise 所用的部分：validation、test、calls，可重复；缺省 test。")
        ] = None,
        rows: Annotated[
            int | None, typer.Option(min=1, help="--noise 只随机取这么多行（每次相同），缺省全部。")
        ] = None,
    ) -> None:
        """Evaluate a bundle on the dev-test split, or under speech noise."""
        settings = training("config").load_config(config)
        if noise is None:
            work = partial(training("evaluate").evaluate, backend=backend)
            training("run_steps").evaluate(work, bundle, settings, out, run, backend=backend)
            return
        noisy = training("noisy")
        rates, parts = noisy.parse_rates(noise), part or [Part.TEST]
        noisy.evaluate_noise(bundle, settings, out, rates, parts, sample=rows, backend=backend)

    return evaluate
