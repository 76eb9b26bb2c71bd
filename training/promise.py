"""Promises of a bundle: thresholds of automatic dispatch per function, and sets of plausible functions.

    dispatch promise --bundle build/bundle --out runs/promise

Chosen on the part `promise` (`data.promise_share` of the train split), which neither taught the bundle nor chose
anything of it, through the service's own pipeline under today's rules. Of a bundle trained without such a part only
a rehearsal on validation is possible, which is never written into it.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from dispatch_model.bundle import Manifest, read_manifest, write_manifest
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.promise import Kept, Promise, Scope
from dispatch_model.router import Router
from training import selective
from training.config import TrainingConfig
from training.conformal import fit_sets
from training.manifest import reference
from training.prepare import Part, load_parts
from training.promise_report import PromiseReport, judge, show
from training.served import Answers, answers, handling_places, open_everything

logger = logging.getLogger(__name__)


def cut_as(config: TrainingConfig, manifest: Manifest) -> TrainingConfig:
    """`config` with the data cut as it was when the bundle was trained."""
    told = manifest.config.get("data", {})
    shares = {"validation_share": told.get("validation_share", config.data.validation_share)}
    data = config.data.model_copy(update={**shares, "promise_share": told.get("promise_share", 0.0)})
    return config.model_copy(update={"data": data})


def make_promise(
    calibration: Answers, router: Router, rows: str, *, alpha: float, confidence: float, scope: Scope, coverage: float
) -> Promise:
    """Thresholds and sets of the cases of one part.

    :param rows: its name, see `Promise.rows`.
    """
    found = selective.choose(calibration.served, alpha, confidence, scope)
    names = tuple(router.maps.functions)
    sets = fit_sets(calibration.functions, calibration.truth, names, coverage) if len(calibration.truth) else None
    return Promise.model_validate(
        {
            **{"alpha": alpha, "confidence": confidence, "scope": scope, "city": router.city.name, "rows": rows},
            **{"n": len(calibration.served), "functions": found, "sets": sets},
            "whole": selective.together(calibration.served, thresholds_of(found), confidence),
        }
    )


def thresholds_of(found: Mapping[str, Kept]) -> dict[str, float]:
    """Function → threshold."""
    return {name: kept.threshold for name, kept in found.items()}


def write_promise(folder: Path, promise: Promise, spread: Mapping[str, Any] | None = None) -> Manifest:
    """Put a promise into a bundle: thresholds, what they were chosen for, and the record.

    :param spread: how answers to its cases are distributed, as `bundle.Reference`: a promise holds for cases like
        these, so that drift is measured from them; None leaves what the bundle says.
    :raises DispatchError: INVALID_BUNDLE as `write_manifest` does; INVALID_CONFIG for a rehearsal.
    """
    if promise.rows != "promise":
        raise DispatchError(
            ErrorKind.INVALID_CONFIG,
            f"模型包 {folder} 没有专用于承诺的工单，预演的门槛不能写入；请以 data.promise_share=0.08 重新训练并导出",
            field="data.promise_share",
            value=0.0,
        )
    fields: dict[str, Any] = read_manifest(folder).model_dump(exclude={"format_version", "sha256"})
    fields["thresholds"] = {**fields["thresholds"], "auto": thresholds_of(promise.functions) or None}
    fields["bounds"] = {**fields["bounds"], "auto": promise.told()}
    if spread:
        fields["reference"] = spread
    return write_manifest(folder, {**fields, "promise": promise})


def promise(
    bundle: Path | None,
    config: TrainingConfig,
    out: Path,
    *,
    alpha: float = 0.1,
    confidence: float = 0.95,
    scope: Scope = "each",
    coverage: float = 0.9,
    city: str = "haikou",
    rehearse: bool = False,
    test: bool = False,
    console: Console | None = None,
) -> PromiseReport:
    """Choose thresholds and sets, write them into the bundle, and leave `promise.json` and `promise.svg` in `out`.

    :param bundle: None: the one that travels with the package, to rehearse only.
    :param rehearse: look, on validation if there is nothing better, and leave the bundle as it is.
    :param test: also see on the test split whether the promise is kept.
    :raises DispatchError: INVALID_CONFIG where a bundle has no cases to promise on, before anything is computed.
    """
    router = Router.open(bundle, city=city)
    folder = router.encoder.bundle.folder
    config = cut_as(config, router.encoder.bundle.manifest)
    rows = "promise" if config.data.promise_share else "validation"
    if not rehearse and (bundle is None or rows == "validation"):
        raise DispatchError(
            ErrorKind.INVALID_CONFIG,
            f"模型包 {folder} 不能写入承诺：随包附带的模型包不改动，训练时没有留出 data.promise_share 的模型包没有"
            "既未参与训练也未参与选型的工单；请加 --rehearse 只看结果，或以 data.promise_share=0.08 重新训练并导出",
            field="data.promise_share",
            value=config.data.promise_share,
        )
    parts = load_parts(config, router.maps)
    seen = _answers(router, parts, [rows, *(["test"] if test else [])], config.data.folder)
    made = make_promise(seen[rows], router, rows, alpha=alpha, confidence=confidence, scope=scope, coverage=coverage)
    report = judge(made, seen, tuple(router.maps.functions), bundle=router.encoder.bundle.version)
    report.save(out)
    show(report, console or Console())
    if not rehearse:
        write_promise(folder, made, reference(seen[rows].heads, router.maps) if seen[rows].heads else None)
        logger.info("%s: %s", folder, made.told())
    return report


def _answers(router: Router, parts: Mapping[str, Part], names: list[str], data: Path) -> dict[str, Answers]:
    open_everything(router)
    places = handling_places(data)
    return {name: answers(router, parts[name], places, name) for name in names}
