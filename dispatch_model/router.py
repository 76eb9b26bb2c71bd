"""Router.route(cases) → routings: the pipeline from transcript to ranked units.

Read (mask, normalise, place) → encode (one ONNX session) → rank under the access list's mask, exact
→ name the units → decide the disposition. Nothing here knows of HTTP, files of cases or a store.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dispatch_model import disposition
from dispatch_model.access_list import AccessList
from dispatch_model.bundle import Bundle, blend_weights, practises
from dispatch_model.cases import (
    CHINA_TIME,
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
from dispatch_model.ranking import Ranker
from dispatch_model.reading import Reading, read
from dispatch_model.suggestions import Rulebook, lacking
from dispatch_model.triggers import Triggers

TOP = 5
SURE_OF_DUTY = 0.6  # from here on a different duty is worth a line to the operator
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
        )
        self.triggers = Triggers.load(configs / "triggers.csv")
        # What is declined and asked for depends on the city; danger is the same everywhere.
        self._emergencies = Triggers(row for row in self.triggers.rows if row.disposition is Disposition.EMERGENCY)
        bundle = encoder.bundle
        manifest = bundle.manifest
        self.ranker = Ranker(bundle.log_prior, manifest.beta, self.rules.catalogue.binding, manifest.temperature)
        self._ranker_elsewhere = Ranker(bundle.log_prior, manifest.beta, None, manifest.temperature)
        self._names = dict(cities())
        closed = np.zeros(bundle.log_prior.shape, dtype=bool)
        closed[..., :DISTRICT] = True
        closed.flags.writeable = False
        self._closed = closed

    @classmethod
    def open(cls, bundle: Path | None = None, *, city: str = "haikou", configs: Path | None = None) -> "Router":
        """Load everything once; None takes what travels with the package.

        :param city: folder name of the city in label maps and configs.
        :raises DispatchError: INVALID_BUNDLE, INVALID_LABEL_MAP or INVALID_RULES, naming file and row.
        """
        maps = LabelMaps.load()
        encoder = Encoder(Bundle.open(bundle, maps))
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
        )

    def route(self, cases: Sequence[Case], *, now: datetime | None = None) -> list[Routing]:
        """One routing per case, in order.

        :param now: taken for cases that say no `received_at`.
        :raises DispatchError: TRANSCRIPT_EMPTY or TRANSCRIPT_TOO_LONG for the first such case, before
            anything is inferred.
        """
        now = now or datetime.now(UTC)
        started = time.perf_counter()
        readings = [self._read(case, now) for case in cases]
        read_ms = (time.perf_counter() - started) * 1e3
        predictions = self.encoder.predict([reading.model_text for reading in readings])
        share = 1.0 / max(1, len(cases))
        tokenize, infer = (read_ms + predictions.tokenize_ms) * share, predictions.infer_ms * share
        cities = [reading.city_name for reading in readings]
        functions, levels = predictions.blended(blend_weights(self.encoder.bundle.manifest, cities))
        return [
            self._answer(reading, predictions, row, functions[row], levels[row], (tokenize, infer))
            for row, reading in enumerate(readings)
        ]

    def _read(self, case: Case, now: datetime) -> Reading:
        known = not case.city or self._names.get(case.city) == self.city.slug
        return read(case, city=self.city if known else None, gazetteer=self.gazetteer, cues=self.rules.cues, now=now)

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
        day = reading.received_at.astimezone(CHINA_TIME).date()
        mask = self.rules.access_list.mask(reading.place.path, day) if reading.city else self._closed
        ranker = self.ranker if reading.city else self._ranker_elsewhere
        ranked = ranker.rank(predictions.category[row], functions, levels, mask)
        view = self._view(predictions, row, functions, levels)
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
            reasons=(*outcome.reasons, *self._notes(reading, suggestions, view)),
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

    def _notes(self, reading: Reading, suggestions: Sequence[Suggestion], view: ModelView) -> Iterator[Reason]:
        """What the operator should know of the case as a whole."""
        if reading.city is None:
            told = f"{reading.city_name}尚无单位目录和规则表，只给出职能与层级"
            yield Reason(source="place", text=told)
        if practises(self.encoder.bundle.manifest, reading.city_name):
            yield from _duty_note(suggestions, view)

    def _view(self, predictions: Predictions, row: int, functions: Floats, levels: Floats) -> ModelView:
        """What the model alone says: top five per head."""
        maps = self.maps
        flags = zip(maps.flags, predictions.flags[row].tolist(), strict=True)
        return ModelView(
            function=_top(tuple(maps.functions), functions),
            level=_top(maps.levels, levels),
            duty_function=_top(tuple(maps.functions), predictions.function[row]),
            duty_level=_top(maps.levels, predictions.level[row]),
            category=_top(maps.leaves, predictions.category[row]),
            kind=_top(maps.kinds, predictions.kind[row]),
            flags=tuple((flag, round(p, 4)) for flag, p in flags),
        )


def _candidate(reading: Reading, one: Suggestion) -> Candidate:
    unit = one.unit
    return Candidate(unit.function, unit.level, one.probability, bool(unit.code), lacking(reading, one))


def _duty_note(suggestions: Sequence[Suggestion], view: ModelView) -> tuple[Reason, ...]:
    """Says so when practice and duty point to different functions."""
    function, probability = view.duty_function[0]
    if not suggestions or suggestions[0].unit.function == function or probability < SURE_OF_DUTY:
        return ()
    told = f"按职责更像由{function}·{view.duty_level[0][0]}主办（{probability:.2f}），以往同类多由首选单位办理；请留意"
    return (Reason(source="model", text=told),)


def _top(labels: Sequence[str], log_probability: Floats) -> tuple[tuple[str, float], ...]:
    best = np.argsort(-log_probability, kind="stable")[:TOP]
    probabilities = np.exp(log_probability[best]).tolist()
    return tuple((labels[index], round(p, 6)) for index, p in zip(best.tolist(), probabilities, strict=True))
