"""`dispatch promise`: its options; the work stands in `training.promise`, which needs the train extra."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Annotated, Literal

import typer

Scope = Literal["each", "together", "whole"]  # `dispatch_model.promise.Scope`, written out: it would load pydantic


def promise_command(training: Callable[[str], ModuleType]) -> Callable[..., None]:
    """The command.

    :param training: gives a module of `training`, or says what to install.
    """

    def promise(
        out: Annotated[Path, typer.Option(help="报告文件夹：promise.json 与 promise.svg。")],
        bundle: Annotated[
            Path | None, typer.Option(exists=True, file_okay=False, help="模型包文件夹；缺省为随包附带的，只可预演。")
        ] = None,
        alpha: Annotated[float, typer.Option(min=0.001, max=0.5, help="自动派发中错派比例的上限。")] = 0.1,
        confidence: Annotated[float, typer.Option(min=0.5, max=0.999, help="置信度。")] = 0.95,
        scope: Annotated[
            Scope, typer.Option(help="对谁承诺：each 逐个职能；together 所有职能同时；whole 全部自动派发的合计。")
        ] = "each",
        coverage: Annotated[float, typer.Option(min=0.5, max=0.99, help="候选职能集合对各职能的覆盖率。")] = 0.9,
        city: Annotated[str, typer.Option(help="城市（label_maps/ 与 configs/ 下的文件夹名）。")] = "haikou",
        rehearse: Annotated[
            bool, typer.Option("--rehearse", help="预演：只出报告，不改模型包；没有专用工单时用验证集。")
        ] = False,
        test: Annotated[bool, typer.Option("--test", help="再在测试集上核对；测试集只在定稿时看一次。")] = False,
        config: Annotated[Path | None, typer.Option(help="训练配置，缺省为随包附带的。")] = None,
    ) -> None:
        """Choose thresholds of automatic dispatch and write them into a bundle."""
        training("promise").promise(
            bundle,
            training("config").load_config(config),
            out,
            alpha=alpha,
            confidence=confidence,
            scope=scope,
            coverage=coverage,
            city=city,
            rehearse=rehearse,
            test=test,
        )

    return promise
