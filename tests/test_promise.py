import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from dispatch_model.bundle import MANIFEST, Bundle, read_manifest
from dispatch_model.cases import Case, Disposition
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.promise import Kept, PlausibleSets, Promise
from dispatch_model.router import Router
from training.config import TrainingConfig
from training.promise import cut_as, promise, thresholds_of, write_promise
from training.served import handling_places, open_everything

QUIET = Console(quiet=True)
KEPT = Kept(threshold=0.7, n=60, wrong=0, bound=0.05)
MADE = Promise(
    alpha=0.05,
    confidence=0.95,
    scope="each",
    city="海口市",
    rows="promise",
    n=200,
    functions={"城管": KEPT},
    whole=KEPT,
)


@pytest.fixture
def bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A copy that may be written to."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


def trained_with(bundle: Path, share: float) -> Path:
    """The bundle, as if that share had been kept for promises when it was trained."""
    path = bundle / MANIFEST
    content = json.loads(path.read_text(encoding="utf-8"))
    content["config"]["data"]["promise_share"] = share
    path.write_text(json.dumps(content), encoding="utf-8")
    return bundle


def test_a_promise_is_in_the_bundle_with_what_it_was_chosen_for(bundle: Path) -> None:
    before = read_manifest(bundle)
    write_promise(bundle, MADE, {"labels": {"kind": {"投诉": 1.0}}, "scores": [0.1] * 10})
    after = Bundle.open(bundle).manifest
    assert after.thresholds.auto == {"城管": 0.7}
    assert after.promise == MADE
    assert "错派不超过 5%" in after.bounds["auto"]
    assert "依据 200 件海口市工单，1 个职能" in after.bounds["auto"]
    assert after.reference is not None
    assert after.reference.labels == {"kind": {"投诉": 1.0}}
    assert (after.sha256, after.version) == (before.sha256, before.version)


def test_where_nothing_can_be_promised_nothing_is_dispatched(bundle: Path) -> None:
    write_promise(bundle, MADE.model_copy(update={"functions": {}, "whole": None}))
    manifest = read_manifest(bundle)
    assert manifest.thresholds.auto is None
    assert manifest.bounds["auto"].startswith("不自动派发：依据 200 件")


def test_a_rehearsal_is_never_written(bundle: Path) -> None:
    before = (bundle / MANIFEST).read_bytes()
    with pytest.raises(DispatchError, match="预演的门槛不能写入") as caught:
        write_promise(bundle, MADE.model_copy(update={"rows": "validation"}))
    assert caught.value.kind is ErrorKind.INVALID_CONFIG
    assert (bundle / MANIFEST).read_bytes() == before


def test_a_bundle_without_cases_to_promise_on_is_refused_at_once(
    bundle: Path, tiny_config: TrainingConfig, tmp_path: Path
) -> None:
    for named in (bundle, None):
        with pytest.raises(DispatchError, match="promise_share") as caught:
            promise(named, tiny_config, tmp_path / "out", console=QUIET)
        assert caught.value.field == "data.promise_share"
    assert not (tmp_path / "out").exists()


def test_a_rehearsal_looks_at_validation_and_leaves_the_bundle(
    bundle: Path, tiny_config: TrainingConfig, tmp_path: Path
) -> None:
    before = (bundle / MANIFEST).read_bytes()
    report = promise(bundle, tiny_config, tmp_path / "out", rehearse=True, test=True, console=QUIET)
    assert (report.promise.rows, report.promise.functions) == ("validation", {})
    assert {one.part for one in report.judged} == {"validation", "test"}
    assert (bundle / MANIFEST).read_bytes() == before
    told = json.loads((tmp_path / "out" / "promise.json").read_text(encoding="utf-8"))
    assert told["bundle"] == read_manifest(bundle).version
    assert (tmp_path / "out" / "promise.svg").read_text(encoding="utf-8").startswith("<svg")


def test_what_was_kept_when_it_was_trained_is_what_it_promises_on(
    bundle: Path, tiny_config: TrainingConfig, tmp_path: Path
) -> None:
    trained_with(bundle, 0.4)
    report = promise(bundle, tiny_config, tmp_path / "out", console=QUIET)
    manifest = read_manifest(bundle)
    assert manifest.promise == report.promise
    assert report.promise.rows == "promise"
    assert report.promise.n > 0
    assert manifest.thresholds.auto is None  # a dozen cases promise nothing
    assert report.promise.sets is not None
    assert manifest.reference is not None
    assert sum(manifest.reference.labels["level"].values()) == pytest.approx(1, abs=0.01)


def test_the_data_is_cut_as_the_bundle_says(bundle: Path, tiny_config: TrainingConfig) -> None:
    assert cut_as(tiny_config, read_manifest(bundle)).data.promise_share == 0.0
    cut = cut_as(tiny_config, read_manifest(trained_with(bundle, 0.25))).data
    assert (cut.promise_share, cut.validation_share) == (0.25, 0.3)


def test_the_service_dispatches_what_was_promised_and_nothing_else() -> None:
    case = Case(case_id="1", transcript="海口市龙华区国贸路口红绿灯坏了，车都堵住了，请交警来指挥交通")
    router = Router.open()
    bundle, plain = router.encoder.bundle, router.route([case])[0]
    assert plain.disposition is Disposition.SUGGEST
    best, thresholds = plain.suggestions[0], bundle.manifest.thresholds
    for auto, expected in (
        ({best.unit.function: best.probability}, Disposition.AUTO),
        ({best.unit.function: best.probability + 1e-6}, Disposition.SUGGEST),
        ({"燃气": 0.0}, Disposition.SUGGEST),
    ):
        bundle.manifest = bundle.manifest.model_copy(update={"thresholds": replace(thresholds, auto=auto)})
        assert router.route([case])[0].disposition is expected


def test_plausible_functions_are_told_where_practice_was_learned() -> None:
    router = Router.open()
    bundle = router.encoder.bundle
    sets = PlausibleSets(coverage=0.9, cutoffs=dict.fromkeys(router.maps.functions, 0.001), n=100, own=())
    bundle.manifest = bundle.manifest.model_copy(update={"promise": MADE.model_copy(update={"sets": sets})})
    here, elsewhere = (
        [reason.text for reason in router.route([Case(case_id="1", transcript="路灯坏了", city=city)])[0].reasons]
        for city in ("海口市", "成都市")
    )
    assert any(told.startswith("不能排除的职能：") for told in here)
    assert not any(told.startswith("不能排除的职能：") for told in elsewhere)


def test_everything_open_changes_nothing_but_the_thresholds() -> None:
    router = Router.open()
    before = router.encoder.bundle.manifest
    open_everything(router)
    after = router.encoder.bundle.manifest
    assert after.thresholds.auto == dict.fromkeys(router.maps.functions, 0.0)
    assert replace(after.thresholds, auto=None) == before.thresholds
    assert after.model_copy(update={"thresholds": before.thresholds}) == before


def test_thresholds_are_per_function() -> None:
    assert thresholds_of({"城管": KEPT}) == {"城管": 0.7}


def test_places_are_those_of_the_units_that_handled(tiny_data: Path) -> None:
    places = handling_places(tiny_data)
    assert all(place and not place.startswith("海口市") for place in places.values())
