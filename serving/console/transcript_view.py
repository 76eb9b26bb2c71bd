"""A transcript as the case page shows it: who speaks, the words that argue for something, what was masked."""

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from dispatch_model import transcript
from dispatch_model.cases import Routing
from serving.console.templates import visible

TAG = re.compile(r"\[[\u4e00-\u9fff]{2,6}\]")  # what masking leaves of personal data
SUMMARY = 60  # characters
_READ_FOR_SUMMARY = 1500
_SPEAKERS = {"坐席": "agent", "市民": "citizen"}
_LABEL = re.compile(rf"(?:^| )({'|'.join(_SPEAKERS)})：")
_STRENGTH = ("trigger", "place", "model", "repeat", "access_list", "catalogue")  # strongest first


@dataclass(frozen=True)
class Segment:
    """A run of characters that look alike.

    :param text: made visible, not escaped.
    :param cls: CSS classes: "" plain; "tag" personal data masked; "cue model", "cue place", "cue trigger", "cue repeat"
        by the source of the strongest reason that points at it; both when a masked datum is pointed at.
    :param title: what the words argue for, one reason a line; "" when they argue for nothing.
    :param ranks: of the suggestions they argue for; empty when they speak of the whole case.
    """

    text: str
    cls: str = ""
    title: str = ""
    ranks: tuple[int, ...] = ()


@dataclass(frozen=True)
class SpokenTurn:
    """What one side says until the other does.

    :param speaker: "agent" or "citizen"; "" when the transcript does not say who speaks.
    :param name: 坐席, 市民 or "".
    """

    speaker: str
    name: str
    segments: tuple[Segment, ...]

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(segment.text for segment in self.segments)


class _Mark(NamedTuple):
    """A reason that points at some characters; rank 0: of the whole case."""

    start: int
    end: int
    source: str
    text: str
    rank: int


def spoken_turns(routing: Routing) -> tuple[SpokenTurn, ...]:
    """The masked transcript of an answer with the words its reasons point at; () when it was erased."""
    text, marks = routing.transcript, list(_marks(routing))
    tags = [match.span() for match in TAG.finditer(text)]
    cuts = sorted({edge for mark in marks for edge in (mark.start, mark.end)} | {edge for tag in tags for edge in tag})
    return tuple(
        SpokenTurn(_SPEAKERS.get(name, ""), name, tuple(_segments(text, start, end, cuts, marks, tags)))
        for name, start, end in _turns(text)
        if end > start
    )


def summary_of(text: str) -> str:
    """What a masked transcript is about, in one line: of a dialogue without greetings and questions of form."""
    said = visible(transcript.model_text(transcript.parse(text[:_READ_FOR_SUMMARY])))
    return said if len(said) <= SUMMARY else f"{said[: SUMMARY - 1]}…"


def _turns(text: str) -> Iterator[tuple[str, int, int]]:
    """Name of who speaks, from where and to where; speakers are named only where both speak."""
    labels = list(_LABEL.finditer(text))
    if not labels or labels[0].start() != 0 or len({label[1] for label in labels}) < len(_SPEAKERS):
        yield "", 0, len(text)
        return
    ends = [label.start() for label in labels[1:]] + [len(text)]
    for label, end in zip(labels, ends, strict=True):
        yield label[1], label.end(), end


def _marks(routing: Routing) -> Iterator[_Mark]:
    grounds = [(0, routing.reasons), *((one.rank, one.reasons) for one in routing.suggestions)]
    for rank, reasons in grounds:
        for reason in reasons:
            for span in reason.spans:
                end = min(span.end, len(routing.transcript))
                if 0 <= span.start < end:
                    yield _Mark(span.start, end, reason.source, reason.text, rank)


def _segments(
    text: str, start: int, end: int, cuts: Sequence[int], marks: Sequence[_Mark], tags: Sequence[tuple[int, int]]
) -> Iterator[Segment]:
    first, last = bisect_right(cuts, start), bisect_right(cuts, end - 1)
    edges = [start, *cuts[first:last], end]
    for left, right in pairwise(edges):
        pointing = [mark for mark in marks if mark.start <= left and right <= mark.end]
        inside = bisect_right(tags, (left, len(text))) - 1
        masked = inside >= 0 and right <= tags[inside][1]
        yield _segment(visible(text[left:right]), pointing, masked)


def _segment(text: str, pointing: Sequence[_Mark], masked: bool) -> Segment:
    cls = ["tag"] if masked else []
    if pointing:
        cls += ["cue", min((mark.source for mark in pointing), key=_STRENGTH.index)]
    ranks = sorted({mark.rank for mark in pointing if mark.rank})
    return Segment(text, " ".join(cls), visible("\n".join(_told(pointing))), tuple(ranks))


def _told(pointing: Sequence[_Mark]) -> Iterator[str]:
    """Each reason once, with the suggestions that it is given for."""
    ranks: dict[str, list[str]] = {}
    for mark in pointing:
        ranks.setdefault(mark.text, []).extend([str(mark.rank)] if mark.rank else [])
    for text, of in ranks.items():
        yield f"建议 {'、'.join(dict.fromkeys(of))}：{text}" if of else text
