"""A router without a model, for what is not about the model."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from dispatch_model.bundle import MANIFEST, BundleRef, read_manifest, sha256
from dispatch_model.cases import (
    Address,
    Case,
    CategoryRef,
    Disposition,
    ModelView,
    Reason,
    Routing,
    Suggestion,
    Timing,
    UnitRef,
    Versions,
)
from dispatch_model.city import City
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LabelMaps
from dispatch_model.recheck import Violation
from dispatch_model.rules import RuleKind, RuleSet

if TYPE_CHECKING:  # torch and datasets are loaded only by the tests that train
    pass

VERSIONS = Versions(bundle="bundle-1", access_list="list-1", catalogue="catalogue-1", label_maps="maps-1")
BUNDLE = BundleRef("bundle-1", Path("bundle-1"), "1" * 64)
UNIT = UnitRef(code="u1", name="龙华区城市管理局", function="城管", level="区", region="海口市/龙华区")
SUGGESTION = Suggestion(
    rank=1,
    unit=UNIT,
    category=CategoryRef(code="030703", path=("城乡建设", "市容环境", "占道经营")),
    kind="投诉",
    probability=0.9,
    reasons=(Reason(source="model", text="出现占道"),),
)
MODEL = ModelView(function=(("城管", 0.9),), level=(("区", 0.8),), category=(("030703", 0.7),))


class CannedRouter:
    """Answers every case alike; a blank transcript is refused and 崩溃 breaks it.

    :param rule_sets: the rules it goes by, as its versions say; none unless told.
    :param bundle: what it says to have.
    """

    def __init__(self, rule_sets: Mapping[RuleKind, RuleSet] | None = None, bundle: BundleRef = BUNDLE) -> None:
        self.bundle = bundle
        self.rule_sets: Mapping[RuleKind, RuleSet] = rule_sets or {}
        self.days: list[date] = []

    @property
    def versions(self) -> Versions:
        """Canned, but for the rules."""
        told = {kind.value: rules.version for kind, rules in self.rule_sets.items()}
        return VERSIONS.model_copy(update={"bundle": self.bundle.version, **told})

    @property
    def maps(self) -> LabelMaps:
        """The shipped label maps."""
        return shipped()[0]

    @property
    def city(self) -> City:
        """A shipped city."""
        return shipped()[1]

    def with_rules(self, **changed: RuleSet | None) -> "CannedRouter":
        """The same under other rules."""
        told = {RuleKind(kind): rules for kind, rules in changed.items() if rules}
        return CannedRouter({**self.rule_sets, **told}, self.bundle)

    def with_bundle(self, folder: Path) -> "CannedRouter":
        """The same with what the manifest of a folder says."""
        ref = BundleRef(read_manifest(folder).version, folder, sha256(folder / MANIFEST))
        return CannedRouter(self.rule_sets, ref)

    @property
    def reference(self) -> None:
        """No reference."""

    def place(self, transcript: str, address: Address | None) -> tuple[str, ...]:
        """The street that the address, or else the transcript, is the name of, with all it lies in."""
        name = address.street if address else transcript
        named = [code for code, region in self.city.regions.items() if region.name == name]
        return tuple(region.code for code in named for region in self.city.ancestors(code))

    def recheck(self, case: Case, routing: Routing, now: datetime) -> Sequence[Violation]:
        """Finds fault with a case that says so."""
        breach = Violation(1, "030703", "城管", "镇街", "J-1", f"{routing.case_id} {now:%Y}")
        return [breach] if case.transcript == "越权" else []

    def compile(self, day: date) -> None:
        """Only notes the day."""
        self.days.append(day)

    def route(self, cases: Sequence[Case], *, now: datetime | None = None) -> list[Routing]:
        """One canned routing per case."""
        for case in cases:
            if isinstance(case.transcript, str) and not case.transcript.strip():
                raise DispatchError(ErrorKind.TRANSCRIPT_EMPTY, "转写为空；请填诉求内容。", field="transcript")
            if case.transcript == "崩溃":
                raise RuntimeError(f"broke on {case.transcript} at {now}")
        return [
            Routing(
                case_id=case.case_id,
                transcript="路灯不亮",
                disposition=Disposition.SUGGEST,
                disposition_reason="概率足够",
                kind="投诉",
                suggestions=(SUGGESTION,),
                model=MODEL,
                versions=self.versions,
                timing_ms=Timing(infer=2.5),
            )
            for case in cases
        ]


@lru_cache(maxsize=1)
def shipped() -> tuple[LabelMaps, City]:
    maps = LabelMaps.load()
    return maps, City.load("haikou", maps)
