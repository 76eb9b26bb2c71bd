"""Router.route(cases) → routings: the pipeline from transcript to ranked units.

Read (mask, normalise, place) → encode (one network) → rank under the access list's mask, exact
→ name the units → decide the disposition. Nothing here knows of HTTP, files of cases or a store.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from datetime import UTC, date, datetime
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dispatch_model import disposition
from dispatch_model.access_list import AccessList
from dispatch_model.backend import DEFAULT, BackendName
from dispatch_model.bundle import Bundle, BundleRef, Reference, blend_weights, practises
from dispatch_model.calendar import Calendar
from dispatch_model.cases import (
    CHINA_TIME,
    Address,
    Case,
    Disposition,
    ModelView,
    Reason,
    Routing,
    Suggestion,
    Timing,
    Versions,
)
from dispatch_model.catalogue import Catalogue
from dispatch_model.city import City, cities
from dispatch_model.disposition import Candidate
from dispatch_model.encoder import Encoder, Predictions
from dispatch_model.explain import Cues
from dispatch_model.gazetteer import Gazetteer
from dispatch_model.labels import LabelMaps
from dispatch_model.model_view import duty_note, model_view, plausible_note
from dispatch_model.ranking import Ranked, Ranker
from dispatch_model.reading import Evidence, Reading, read
from dispatch_model.recheck import Violation, violations
from dispatch_model.rules import RuleKind, RuleSet
from dispatch_model.suggestions import Rulebook, lacking
from dispatch_model.triggers import Triggers

DISTRICT = 2  # number of levels, from the top, that no access list restricts

Floats = NDArray[np.floating]


class Router:
    """A loaded model with one city's tables; safe to share between threads."""

    def __init__(self, encoder: Encoder, maps: LabelMaps, city: City, configs: Path) -> None:
        self.encoder = encoder
        self.maps = maps
        self.city = city
        self.gazetteer = Gazetteer.load(city)
        self.rules = Rulebook(
            maps,
            AccessList.load(configs / "access_list.csv", maps, city),
            Catalogue.load(configs / "catalogue.csv", maps),
            Cues.load(maps),
            Calendar.of(configs),
        )
        self.triggers = Triggers.load(configs / "triggers.csv")
        self._apply()
        self._names = dict(cities())
        closed = np.zeros(encoder.bundle.log_prior.shape, dtype=bool)
        closed[..., :DISTRICT] = True
        closed.flags.writeable = False
        self._closed = closed

    @classmethod
    def open(
        cls,
        bundle: Path | None = None,
        *,
        city: str = "haikou",
        configs: Path | None = None,
        backend: BackendName = DEFAULT,
    ) -> "Router":
        """Load everything once; None takes what travels with the package.

        :param city: folder name of the city in label maps and configs.
        :param backend: what runs the network, also of bundles that come later.
        :raises DispatchError: INVALID_BUNDLE, INVALID_LABEL_MAP or INVALID_RULES, naming file and row.
        """
        maps = LabelMaps.load()
        encoder = Encoder(Bundle.open(bundle, maps), backend)
        folder = configs or Path(str(files("configs"))) / city
        return cls(encoder, maps, City.load(city, maps), folder)

    @property
    def versions(self) -> Versions:
        """The artefacts that decide."""
        return Versions(
            bundle=self.encoder.bundle.version,
            access_list=self.rules.access_list.version,
            catalogue=self.rules.catalogue.version,
            label_maps=self.maps.fingerprint,
            triggers=self.triggers.version,
        )

    @property
    def bundle(self) -> BundleRef:
        """Which bundle answers."""
        return self.encoder.bundle.ref

    @property
    def reference(self) -> Reference | None:
        """How answers were spread on validation; None: the bundle does not say."""
        return self.encoder.bundle.manifest.reference

    @property
    def rule_sets(self) -> Mapping[RuleKind, RuleSet]:
        """The rules that decide."""
        return {
            RuleKind.ACCESS_LIST: self.rules.access_list,
            RuleKind.CATALOGUE: self.rules.catalogue,
            RuleKind.TRIGGERS: self.triggers,
        }

    def with_rules(
        self,
        *,
        access_list: AccessList | None = None,
        catalogue: Catalogue | None = None,
        triggers: Triggers | None = None,
    ) -> "Router":
        """A router under other rules that shares encoder, places and cues; this one stays as it is.

        :param access_list: and so for the others: None keeps the rule set in force.
        """
        other = copy(self)
        other.rules = replace(
            self.rules,
            access_list=access_list or self.rules.access_list,
            catalogue=catalogue or self.rules.catalogue,
        )
        other.triggers = triggers or self.triggers
        other._apply()
        return other

    def with_bundle(self, folder: Path) -> "Router":
        """A router with another bundle that shares rules and places; this one stays as it is.

        :raises DispatchError: INVALID_BUNDLE, naming the file.
        """
        other = copy(self)
        other.encoder = Encoder(Bundle.open(folder, self.maps), self.encoder.backend_name)
        other._apply()
        return other

    def compile(self, day: date) -> None:
        """Build the masks of every place on `day`, so that no request has to.

        :raises DispatchError: INVALID_RULES when list and catalogue together leave some place no admissible unit.
        """
        places = {frozenset(region.code for region in self.city.ancestors(code)) for code in self.city.regions}
        category, function, level = (np.zeros(size) for size in self.encoder.bundle.log_prior.shape)
        for place in (frozenset[str](), *places):
            self.ranker.rank(category, function, level, self.rules.access_list.mask(tuple(place), day))

    def _apply(self) -> None:
        """What follows from rules and bundle."""
        # What is declined and asked for depends on the city; danger is the same everywhere.
        self._emergencies = self.triggers.only(Disposition.EMERGENCY)
        bundle = self.encoder.bundle
        manifest = bundle.manifest
        self.ranker = Ranker(bundle.log_prior, manifest.beta, self.rules.catalogue.binding, manifest.temperature)
        self._ranker_elsewhere = Ranker(bundle.log_prior, manifest.beta, None, manifest.temperature, collapse=True)

    def route(self, cases: Sequence[Case], *, now: datetime | None = None) -> list[Routing]:
        """One routing per case, in order.

        :param now: taken for cases that say no `received_at`.
        :raises DispatchError: TRANSCRIPT_EMPTY or TRANSCRIPT_TOO_LONG for the first such case, before
            anything is inferred.
        """
        started = time.perf_counter()
        evidence = self.evidence(cases, now or datetime.now(UTC))
        predictions = evidence.predictions
        # All but the session: reading, tokens and the blend
        read_ms = (time.perf_counter() - started) * 1e3 - predictions.infer_ms
        share = 1.0 / max(1, len(cases))
        spent = (read_ms * share, predictions.infer_ms * share)
        return [
            self._answer(reading, predictions, row, evidence.functions[row], evidence.levels[row], spent)
            for row, reading in enumerate(evidence.readings)
        ]

    def recheck(self, case: Case, routing: Routing, now: datetime) -> Sequence[Violation]:
        """What of an answer just given the access list forbids: nothing, unless the program is wrong.

        :param now: with zone.
        """
        known = self._knows(case)
        return violations(case, routing, self.rules.access_list if known else None, self.gazetteer, now)

    def place(self, transcript: str, address: Address | None) -> tuple[str, ...]:
        """Codes of the region a transcript and an address speak of and of all it lies in; () when unknown."""
        return self.gazetteer.find(transcript, address).path

    def evidence(self, cases: Sequence[Case], now: datetime) -> Evidence:
        """Read and encode, no rule applied.

        :raises DispatchError: as `route` does.
        """
        readings = [self._read(case, now) for case in cases]
        predictions = self.encoder.predict([reading.model_text for reading in readings])
        cities = [reading.city_name for reading in readings]
        functions, levels = predictions.blended(blend_weights(self.encoder.bundle.manifest, cities))
        return Evidence(readings, predictions, functions, levels)

    def rank(self, reading: Reading, category: Floats, functions: Floats, levels: Floats) -> Ranked:
        """Rank one case, given its log-probabilities, under the rules in force where and when it arose."""
        day = reading.received_at.astimezone(CHINA_TIME).date()
        mask = self.rules.access_list.mask(reading.place.path, day) if reading.city else self._closed
        ranker = self.ranker if reading.city else self._ranker_elsewhere
        return ranker.rank(category, functions, levels, mask)

    def _read(self, case: Case, now: datetime) -> Reading:
        city = self.city if self._knows(case) else None
        return read(case, city=city, gazetteer=self.gazetteer, cues=self.rules.cues, now=now)

    def _knows(self, case: Case) -> bool:
        return not case.city or self._names.get(case.city) == self.city.slug

    def _answer(
        self,
        reading: Reading,
        predictions: Predictions,
        row: int,
        functions: Floats,
        levels: Floats,
        spent: tuple[float, float],
    ) -> Routing:
        started = time.perf_counter()
        ranked = self.rank(reading, predictions.category[row], functions, levels)
        view = model_view(self.maps, predictions, row, functions, levels)
        alone = dict(zip(self.maps.functions, np.exp(functions).tolist(), strict=True))
        suggestions = self.rules.suggest(reading, ranked, view.kind[0][0], alone)
        outcome = self._decide(reading, suggestions, dict(view.flags))
        return Routing(
            case_id=reading.case.case_id,
            transcript=reading.text,
            disposition=outcome.disposition,
            disposition_reason=outcome.reason,
            kind=view.kind[0][0],
            suggestions=suggestions,
            missing=outcome.missing,
            reasons=(*outcome.reasons, *self._notes(reading, suggestions, view, alone)),
            model=view,
            versions=self.versions,
            timing_ms=Timing(
                tokenize=round(spent[0], 3),
                infer=round(spent[1], 3),
                rank=round((time.perf_counter() - started) * 1e3, 3),
            ),
        )

    def _decide(
        self, reading: Reading, suggestions: Sequence[Suggestion], flags: Mapping[str, float]
    ) -> disposition.Outcome:
        return disposition.decide(
            flags,
            [_candidate(reading, one) for one in suggestions],
            place_known=reading.city is None or len(reading.place.path) > 1,
            text=reading.text,
            triggers=self.triggers if reading.city else self._emergencies,
            thresholds=self.encoder.bundle.manifest.thresholds,
            contentless=reading.contentless,
        )

    def _notes(
        self, reading: Reading, suggestions: Sequence[Suggestion], view: ModelView, functions: Mapping[str, float]
    ) -> Iterator[Reason]:
        """What the operator should know of the case as a whole."""
        if reading.city is None:
            told = f"{reading.city_name}尚无单位目录和规则表，只给出职能与层级"
            yield Reason(source="place", text=told)
        manifest = self.encoder.bundle.manifest
        if practises(manifest, reading.city_name):
            yield from duty_note(suggestions, view)
            yield from plausible_note(manifest.promise.sets if manifest.promise else None, functions)


def _candidate(reading: Reading, one: Suggestion) -> Candidate:
    unit = one.unit
    known, lacks = bool(unit.code), lacking(reading, one)
    name = unit.name if known else ""
    return Candidate(unit.function, unit.level, one.probability, known, lacks, name, one.co_handlers)
