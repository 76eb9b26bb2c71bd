"""What carries over into a city, or districts, that nobody trained on.

    dispatch city transfer 上海市 --out runs/shanghai --division ../shared/data/regions.csv

Three answers to three questions, on the test rows of the city:

* `bundle` – the bundle as it is, whose train rows may hold the city: by places whose offices stood in the
  train rows, and others;
* `linear` – n-grams, once with everything, once without the city, once without the districts of the row:
  the difference is what knowing the place was worth;
* `place` – district and street read by a directory drafted from the division table, as on a new city's first day.

Leaves `transfer.json` in the out folder. It holds no text.
"""

import json
import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from dispatch_model import city_draft
from dispatch_model.city import City
from dispatch_model.encoder import Encoder, Predictions
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.gazetteer import Gazetteer
from dispatch_model.labels import LabelMaps
from training import frozen, metrics
from training.baseline import head_sizes
from training.config import TrainingConfig
from training.held_out import HEADS, Linear, Scores, folds
from training.metrics import Bools, Score
from training.prepare import Part, load_parts
from training.served import handling_places
from training.targets import MISSING

_ENDING = re.compile("(新区|区|县)$")
FEWEST = 20  # rows of a figure; fewer say nothing
# question → the list that answers it, the truth it is held against, the ranks that are looked at
QUESTIONS = {
    "handler_function": ("handler_function", "handler_function", (1, 3)),
    "handler_level": ("handler_level", "handler_level", (1,)),
    "function": ("function", "function", (1, 3)),
    "level": ("level", "level", (1,)),
    # what goes out in a city whose practice was not learned, against its practice all the same
    "duty_function_handled": ("function", "handler_function", (1, 3)),
    "duty_level_handled": ("level", "handler_level", (1,)),
}
TITLES = {
    "handler_function": "职能（实办）",
    "handler_level": "层级（实办）",
    "function": "职能（应办）",
    "level": "层级（应办）",
    "duty_function_handled": "职能（应办答实办）",
    "duty_level_handled": "层级（应办答实办）",
    "district": "区",
    "street": "镇街",
}
EVERYTHING, WITHOUT_CITY, WITHOUT_DISTRICTS = "everything", "without_city", "without_districts"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Figure:
    """One figure, and where there is one with everything known, the change against that on the same rows."""

    answers: str
    where: str
    question: str
    top: int
    score: Score
    change: Score | None = None


@dataclass(frozen=True)
class Rows:
    """The judged rows of the city: positions in the test part, and the place of the unit that handled each."""

    index: NDArray[np.intp]
    districts: tuple[str, ...]
    places: tuple[str, ...]

    def slices(self, known: frozenset[str]) -> Iterator[tuple[str, Bools]]:
        """Named subsets; `known` are the places that some train row was handled at."""
        places, districts = np.array(self.places), np.array(self.districts)
        seen = np.array([place in known for place in self.places])
        street = np.array(["/" in place for place in self.places])
        yield "all", np.ones(len(places), dtype=np.bool_)
        yield "street_seen", street & seen
        yield "street_unseen", street & ~seen
        yield "place_seen", (places != "") & seen
        yield "place_unseen", (places != "") & ~seen
        yield "whole_city", places == ""
        for name, _ in Counter(name for name in self.districts if name).most_common():
            yield name, districts == name


def _rows(part: Part, city: str, places: Mapping[str, str]) -> Rows:
    index = np.flatnonzero(np.array(part.rows["city"], dtype=object) == city)
    if not len(index):
        known = "、".join(sorted({name for name in part.rows["city"] if name}))
        told = f"测试集中没有“{city}”的工单，有工单的城市：{known}；请改用其中之一。"
        raise DispatchError(ErrorKind.INVALID_CONFIG, told, field="city", value=city)
    where = tuple(places.get(part.rows["id"][row], "") for row in index)
    return Rows(index, tuple(place.partition("/")[0] for place in where), where)


def _figures(
    answers: str, where: str, scores: Scores, part: Part, index: NDArray[np.intp], known: Scores | None = None
) -> Iterator[Figure]:
    """Every question on some rows; `scores` and `known` are of these rows, in this order."""
    for question, (head, target, tops) in QUESTIONS.items():
        known_rows = np.flatnonzero(part.targets[target][index] != MISSING)
        if len(known_rows) < FEWEST:
            continue
        truth = part.targets[target][index][known_rows]
        for top in tops:
            own = metrics.mean_of(metrics.top_k_hits(scores[head][known_rows], truth, top))
            change = None
            if known is not None:
                rival = metrics.mean_of(metrics.top_k_hits(known[head][known_rows], truth, top))
                change = metrics.difference(own, rival, len(known_rows))
            yield Figure(answers, where, question, top, metrics.score(own, len(known_rows)), change)


def bundle_figures(found: Predictions, part: Part, rows: Rows, known: frozenset[str]) -> Iterator[Figure]:
    """The bundle's own answers."""
    for where, chosen in rows.slices(known):
        index = rows.index[chosen]
        scores = {head: np.asarray(getattr(found, head)[index], dtype=np.float64) for head in HEADS}
        yield from _figures("bundle", where, scores, part, index)


def linear_figures(
    parts: Mapping[str, Part], city: str, rows: Rows, places: Mapping[str, str], maps: LabelMaps
) -> Iterator[Figure]:
    """The linear model, told everything, nothing of the city, nothing of the districts it is asked about."""
    train, test = parts["train"], parts["test"]
    own = np.array(train.rows["city"], dtype=object) == city
    linear = Linear.of(train.texts, [test.texts[row] for row in rows.index], train.targets, head_sizes(maps))
    everyone = np.arange(len(rows.index))
    everything = linear.scores(np.ones(len(train), dtype=np.bool_), everyone)
    yield from _figures(EVERYTHING, "all", everything, test, rows.index)
    yield from _figures(WITHOUT_CITY, "all", linear.scores(~own, everyone), test, rows.index, everything)
    blind = {head: values.copy() for head, values in everything.items()}
    asked = np.array(rows.districts, dtype=object)
    for group in folds(rows.districts):
        these = np.flatnonzero(np.isin(asked, list(group)))
        gone = own & about(train, group, places)
        logger.info("without %s: %d rows gone, %d asked", "、".join(sorted(group)), gone.sum(), len(these))
        for head, values in linear.scores(~gone, these).items():
            blind[head][these] = values
    slices = [("all", asked != ""), *((name, asked == name) for name in sorted(set(asked) - {""}))]
    for where, chosen in slices:
        here, known = ({head: values[chosen] for head, values in one.items()} for one in (blind, everything))
        yield from _figures(WITHOUT_DISTRICTS, where, here, test, rows.index[chosen], known)


def about(part: Part, districts: frozenset[str], places: Mapping[str, str]) -> Bools:
    """Which rows one of the districts handled, or name one.

    Were those that the city handled to stay, a district's name would come to mean the city's level.
    """
    stems = re.compile("|".join(re.escape(_ENDING.sub("", name)) for name in sorted(districts)))
    handled = [places.get(name, "").partition("/")[0] in districts for name in part.rows["id"]]
    named = [stems.search(text) is not None for text in part.texts]
    return np.array(handled, dtype=np.bool_) | np.array(named, dtype=np.bool_)


def place_figures(division: Path, city: str, part: Part, rows: Rows, maps: LabelMaps) -> Iterator[Figure]:
    """District and street of the office that handled a case, read from its text by a drafted directory."""
    with TemporaryDirectory() as folder:
        draft = city_draft.draft(city, division, maps)
        city_draft.write(draft, Path(folder))
        drafted = City.load(draft.slug, maps, Path(folder) / "label_maps")
    gazetteer = Gazetteer(drafted)
    found = [gazetteer.find(part.texts[row]) for row in rows.index]
    names = [drafted.region_path(one.region_code).split("/")[1:] if one.region_code else [] for one in found]
    for depth, question in enumerate(("district", "street"), start=1):
        # offices of development zones are no nodes of the division table: they count as missed
        told = [i for i, place in enumerate(rows.places) if place.count("/") >= depth - 1 and place]
        right = np.array([names[i][:depth] == rows.places[i].split("/")[:depth] for i in told], dtype=np.bool_)
        said = np.array([len(names[i]) >= depth for i in told], dtype=np.bool_)
        if len(told) >= FEWEST:
            yield Figure("place", "found", question, 1, metrics.score(metrics.mean_of(right), len(told)))
        if said.sum() >= FEWEST:
            exact = metrics.mean_of(right[said])
            yield Figure("place", "right_where_said", question, 1, metrics.score(exact, int(said.sum())))


def transfer(
    bundle: Path | None, config: TrainingConfig, city: str, out: Path, *, division: Path | None, answers: Path | None
) -> list[Figure]:
    """Compute, write and show all figures.

    :param division: the national division table; None: places are not judged.
    :param answers: folder of answers kept by an earlier run or gate.
    """
    maps = LabelMaps.load()
    parts = load_parts(config, maps)
    places = handling_places(config.data.folder)
    rows = _rows(parts["test"], city, places)
    known = frozenset(
        places.get(name, "")
        for name, where in zip(parts["train"].rows["id"], parts["train"].rows["city"], strict=True)
        if where == city
    )
    found = frozen.answers(Encoder.open(bundle), parts["test"], answers or out / "answers")
    figures = [
        *bundle_figures(found, parts["test"], rows, known),
        *(place_figures(division, city, parts["test"], rows, maps) if division else ()),
        *linear_figures(parts, city, rows, places, maps),
    ]
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(told(figures), ensure_ascii=False, indent=1)
    (out / "transfer.json").write_text(text + "\n", encoding="utf-8")
    show(figures, Console())
    return figures


def told(figures: Sequence[Figure]) -> list[dict[str, Any]]:
    """The figures as JSON."""
    return [asdict(one) for one in figures]


def show(figures: Sequence[Figure], console: Console) -> None:
    """All figures as a table."""
    table = Table("答案", "工单", "问题", "前 N", "准确率 [95 %]", "n", "与全知之差，点")
    for one in figures:
        change = one.change
        told = f"{100 * change.value:+.1f} [{100 * change.low:+.1f}, {100 * change.high:+.1f}]" if change else ""
        score = f"{one.score.value:.3f} [{one.score.low:.3f}, {one.score.high:.3f}]"
        table.add_row(one.answers, one.where, TITLES[one.question], str(one.top), score, str(one.score.n), told)
    console.print(table)
