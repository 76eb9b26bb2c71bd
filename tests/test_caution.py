import asyncio
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest

from dispatch_model.bundle import BundleRef, Reference
from dispatch_model.cases import Case, Disposition, ModelView, Routing
from serving.bundles.caution import LEAST, Caution
from serving.engine import Engine
from serving.monitoring.drift import BINS
from serving.routing import Router
from serving.settings import Settings
from serving.store.store import Store
from tests.canned import CannedRouter

KINDS = ("投诉", "求助")
EVEN = Reference(
    labels={"kind": {"投诉": 0.5, "求助": 0.5}, "function": {"城管": 1.0}}, scores=[0.0] * (BINS - 1) + [1.0]
)


class Referenced(CannedRouter):
    """A router whose bundle says how its answers were spread."""

    reference: Reference | None = EVEN  # type: ignore[assignment]


def answer(router: Router, kind: str, disposition: Disposition = Disposition.AUTO) -> Routing:
    told = router.route([Case(case_id="1", transcript="路灯不亮")])[0]
    view = ModelView(
        function=(("城管", 0.95),),
        duty_function=(("城管", 0.95),),
        level=(("区", 0.9),),
        category=(),
        kind=((kind, 0.9),),
    )
    return told.model_copy(update={"model": view, "disposition": disposition, "disposition_reason": "达到门槛"})


def after(caution: Caution, router: Router, kinds: tuple[str, ...], count: int) -> Routing:
    """The last of `count` automatic answers, whose kinds take turns."""
    for number in range(count):
        last = caution(router, answer(router, kinds[number % len(kinds)]))
    return last


def test_nothing_goes_automatically_before_drift_can_be_told() -> None:
    caution, router = Caution(allowed=True), Referenced()
    early = after(caution, router, KINDS, LEAST - 1)
    assert early.disposition is Disposition.SUGGEST
    assert "未满 500 件" in early.disposition_reason
    assert caution(router, answer(router, "投诉")).disposition is Disposition.AUTO


def test_nothing_goes_automatically_until_the_office_allows_it() -> None:
    told = after(Caution(allowed=False), Referenced(), KINDS, 2 * LEAST)
    assert told.disposition is Disposition.SUGGEST
    assert "auto_dispatch" in told.disposition_reason


def test_the_service_allows_it_only_by_its_setting() -> None:
    assert not Settings().auto_dispatch


def test_drift_stops_automatic_dispatch_and_says_which_distribution() -> None:
    caution, router = Caution(allowed=True), Referenced()
    assert after(caution, router, KINDS, 600).disposition is Disposition.AUTO
    drifted = after(caution, router, ("投诉",), 900)
    assert drifted.disposition is Disposition.SUGGEST
    assert "诉求类型的分布已偏离" in drifted.disposition_reason


def test_what_was_stopped_stays_stopped_when_answers_are_as_before() -> None:
    caution, router = Caution(allowed=True), Referenced()
    after(caution, router, ("投诉",), 600)
    assert after(caution, router, KINDS, 2000).disposition is Disposition.SUGGEST


def test_another_bundle_begins_anew() -> None:
    caution, router = Caution(allowed=True), Referenced()
    after(caution, router, ("投诉",), 600)
    other = Referenced(bundle=BundleRef("bundle-2", router.bundle.folder, "2" * 64))
    assert after(caution, other, KINDS, LEAST).disposition is Disposition.AUTO


def test_without_a_reference_nothing_goes_automatically() -> None:
    router = Referenced()
    router.reference = None
    assert "没有答复分布的参照" in after(Caution(allowed=True), router, KINDS, LEAST).disposition_reason


@pytest.mark.parametrize("disposition", [one for one in Disposition if one is not Disposition.AUTO])
def test_no_other_disposition_is_ever_changed(disposition: Disposition) -> None:
    router = Referenced()
    told = answer(router, "投诉", disposition)
    assert Caution(allowed=True)(router, told) is told


def test_the_engine_stores_and_gives_what_caution_leaves(tmp_path: Path) -> None:
    class Bold(Referenced):
        def route(self, cases: Sequence[Case], *, now: datetime | None = None) -> list[Routing]:
            told = super().route(cases, now=now)
            return [one.model_copy(update={"disposition": Disposition.AUTO}) for one in told]

    store = Store.open(tmp_path / "dispatch.db")
    engine = Engine(Bold(), store, str)
    engine.caution = Caution(allowed=True)
    reply = json.loads(asyncio.run(engine.answer(Case(case_id="1", transcript="路灯不亮"))))
    engine.close()
    store.close()
    assert reply["disposition"] == "suggest"
    assert "尚不能核对是否偏移" in reply["disposition_reason"]
