"""What is read off a case before the model runs: clean masked text, place, cue words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from dispatch_model import privacy, transcript
from dispatch_model.cases import CHINA_TIME, Case
from dispatch_model.city import City
from dispatch_model.encoder import Predictions
from dispatch_model.explain import Cues
from dispatch_model.gazetteer import Gazetteer, Place
from dispatch_model.lexicon import Hit

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Reading:
    """One case as the pipeline sees it.

    :param text: the whole transcript, normalised and masked; spans in reasons count in it.
    :param model_text: what the encoder reads of it.
    :param city_name: full name of the own city; of another, what the case says, masked.
    :param city: the directory to resolve units in; None when the case names a city we do not know.
    :param received_at: with zone; a time without one is taken as China time.
    """

    case: Case
    text: str
    model_text: str
    contentless: bool
    city_name: str
    city: City | None
    place: Place
    cues: Sequence[Hit]
    received_at: datetime


@dataclass(frozen=True)
class Evidence:
    """What is known of some cases before any rule speaks.

    :param functions: `[cases, functions]` log-probabilities, duty and practice blended.
    :param levels: `[cases, levels]`, the same.
    """

    readings: list[Reading]
    predictions: Predictions
    functions: Floats
    levels: Floats


def read(case: Case, *, city: City | None, gazetteer: Gazetteer, cues: Cues, now: datetime) -> Reading:
    """Read one case.

    :raises DispatchError: TRANSCRIPT_EMPTY or TRANSCRIPT_TOO_LONG, see `transcript.check`.
    """
    turns = transcript.check(case)
    text = privacy.mask(transcript.as_text(turns)).text
    said = text if len(turns) == 1 else privacy.mask(transcript.model_text(turns)).text
    received = case.received_at or now
    return Reading(
        case=case,
        text=text,
        model_text=said,
        contentless=transcript.is_contentless(text) or transcript.says_nothing(turns),
        city_name=city.name if city else privacy.mask(transcript.normalise(case.city or "")).text,
        city=city,
        place=gazetteer.find(text, case.address) if city else Place(),
        cues=cues.scan(text),
        received_at=received if received.tzinfo else received.replace(tzinfo=CHINA_TIME),
    )
