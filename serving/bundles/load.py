"""A bundle made ready beside the one in force: verified, tried on a few cases, warm before it answers anybody."""

import logging
import math
from datetime import datetime
from pathlib import Path

from dispatch_model.bundle import BundleRef
from dispatch_model.cases import CHINA_TIME, Case, Routing
from dispatch_model.errors import DispatchError, ErrorKind
from serving.give_way import giving_way
from serving.monitoring.logs import place_of
from serving.routing import Router

_LONG = "小区门口的路灯坏了三天，晚上漆黑一片，老人摔过跤，物业说归市政，市政说归物业，请尽快派人来修。" * 4
logger = logging.getLogger(__name__)
TRIAL = (
    Case(case_id="trial-1", transcript="路灯不亮。"),
    Case(case_id="trial-2", transcript=_LONG),
    Case(case_id="trial-3", transcript="想问一下外地看病的医保怎么报销。", city="海口市"),
)


def load(router: Router, folder: Path) -> Router:
    """`router` with the bundle of `folder`, ready to answer; this takes a second or two.

    :raises DispatchError: INVALID_BUNDLE, naming what is missing, changed, unreadable, or cannot answer.
    """
    with giving_way():
        try:
            loaded = router.with_bundle(folder)
            loaded.compile(datetime.now(CHINA_TIME).date())
            answers = loaded.route(TRIAL)
        except DispatchError:
            raise
        except Exception as error:  # network and tokenizer raise whatever their files bring them to
            logger.error("bundle %s cannot answer: %s", folder, place_of(error))
            raise _unfit(folder, f"载入或试算失败（{type(error).__name__}）") from error
    if not all(math.isfinite(number) for answer in answers for number in _numbers(answer)):
        raise _unfit(folder, "试算得出的概率不是数")
    return loaded


def load_exactly(router: Router, bundle: BundleRef) -> Router:
    """`load` of a bundle that was in force before, as it was then.

    :raises DispatchError: INVALID_BUNDLE also when the folder holds another by now.
    """
    loaded = load(router, bundle.folder)
    if loaded.bundle.sha256 != bundle.sha256:
        raise _unfit(bundle.folder, f"内容已不是当时的 {bundle.version}（bundle.json 的 SHA-256 不同）")
    return loaded


def _numbers(answer: Routing) -> list[float]:
    view = answer.model
    return [number for labels in (view.duty_function, view.category, view.flags) for _, number in labels]


def _unfit(folder: Path, problem: str) -> DispatchError:
    return DispatchError(
        ErrorKind.INVALID_BUNDLE,
        f"模型包 {folder}：{problem}；请重新导出（dispatch export）或恢复原模型包。",
        field="path",
        value=str(folder),
    )
