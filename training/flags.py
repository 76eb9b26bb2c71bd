"""How good triggers and the model's flags are, each alone and together as the service joins them.

Every figure is of cases read for their flags, with Wilson intervals: the flags are rare, and a bootstrap of
three hits says nothing. Figures go into `evaluation.json` and the report.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import as_file, files
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from dispatch_model import privacy
from dispatch_model.bundle import Manifest
from dispatch_model.cases import Disposition
from dispatch_model.city import cities
from dispatch_model.disposition import ORDER, Thresholds, endangers
from dispatch_model.encoder import Floats
from dispatch_model.labels import LabelMaps
from dispatch_model.transcript import as_text, parse
from dispatch_model.triggers import Fired, Triggers
from training.corpus import titled
from training.metrics import Bools, Score
from training.prepare import Part
from training.scorecard import FlagFigure
from training.targets import MISSING

PARTS = ("validation", "test", "calls")
SOURCES = ("triggers", "model", "both")
Z = 1.959964  # of a 95 % interval


def wilson(hits: int, n: int) -> Score:
    """The share hits/n with its 95 % Wilson score interval; of nothing, 0 anywhere from 0 to 1."""
    if n == 0:
        return Score(0.0, 0.0, 1.0, 0)
    share, spread = hits / n, Z * Z / n
    centre = (share + spread / 2) / (1 + spread)
    half = Z * sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return Score(share, max(0.0, min(centre - half, share)), min(1.0, max(centre + half, share)), n)


@dataclass(frozen=True)
class Judge:
    """What says a flag of one case in the service.

    :param triggers: of the own city.
    :param own: names of the city whose declines and questions count; elsewhere only danger does.
    """

    triggers: Triggers
    thresholds: Thresholds
    own: Collection[str]

    @classmethod
    def of(cls, manifest: Manifest, slug: str = "haikou") -> "Judge":
        """With the rules of the own city that travel with the package."""
        with as_file(files("configs") / slug) as folder:
            triggers = Triggers.load(folder / "triggers.csv")
        return cls(triggers, manifest.thresholds, {"", *(name for name, city in cities().items() if city == slug)})

    def says(self, text: str, city: str, flags: Mapping[str, float]) -> Iterator[tuple[str, tuple[bool, bool, bool]]]:
        """Per flag: whether triggers alone, the model alone, and both together say it.

        :param text: as the service reads it, see `service_text`.
        :param flags: the model's probability of each flag.
        """
        fired = self.triggers.fire(text)
        if city not in self.own:
            fired = tuple(found for found in fired if found.trigger.disposition is Disposition.EMERGENCY)
        for flag, probability in flags.items():
            cued = any(_means(found) == flag for found in fired)
            sure = probability >= getattr(self.thresholds, flag)
            both = cued or sure
            if flag == "urgent":
                both = endangers(probability, fired, text, self.triggers, self.thresholds) is not None
            yield flag, (cued, sure, both)


def _means(found: Fired) -> str:
    """The flag a trigger stands for."""
    disposition = found.trigger.disposition
    if disposition is Disposition.ASK:
        return "status" if found.trigger.channel.startswith(ORDER) else "vague"
    return "urgent" if disposition is Disposition.EMERGENCY else "refuse"


def service_text(transcript: str, title: str) -> str:
    """The transcript in which the service looks for triggers: both speakers, masked (see `reading.read`)."""
    return privacy.mask(as_text(parse(titled(transcript, title)))).text


def flag_figures(name: str, part: Part, flags: Floats, judge: Judge, maps: LabelMaps) -> Iterator[FlagFigure]:
    """Figures of each flag that occurs in one part.

    :param flags: `[rows, flags]` the model's probabilities.
    """
    rows = np.flatnonzero(part.targets["flags"][:, 0] != MISSING)
    said: NDArray[np.bool_] = np.zeros((len(SOURCES), len(rows), len(maps.flags)), dtype=np.bool_)
    for at, row in enumerate(rows):
        text = service_text(part.rows["text"][row], part.rows["title"][row])
        given = dict(zip(maps.flags, flags[row].tolist(), strict=True))
        for column, (_, answers) in enumerate(judge.says(text, part.rows["city"][row], given)):
            said[:, at, column] = answers
    for column, flag in enumerate(maps.flags):
        truth = part.targets["flags"][rows, column] == 1
        if truth.any():
            for index, source in enumerate(SOURCES):
                yield _figure(name, flag, source, truth, said[index, :, column])


def _figure(part: str, flag: str, source: str, truth: Bools, said: Bools) -> FlagFigure:
    hits, positives, named = int((truth & said).sum()), int(truth.sum()), int(said.sum())
    return FlagFigure(
        part=part,
        flag=flag,
        source=source,
        n=len(truth),
        precision=wilson(hits, named),
        recall=wilson(hits, positives),
        f1=2 * hits / max(1, positives + named),
    )
