"""Invented texts for measuring the masking, and the measure itself.

Four files, each written in other words than the ones before and measured once before any rule was changed for it;
`docs/benchmarks.md` has those first figures. `masking_open.txt` lay open while the rules were written, `held_out`,
`fresh` and `last` came after, in this order. A line is a template under the heading of its form; headings
`keep …` hold what must stay, `name unannounced` names that nothing near them announces: measured, not promised.
`{mobile}` and the like are drawn from `masking_values`; the personal ones and all between `<` and `>` must go.
Nothing is taken from real calls.
"""

import random
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dispatch_model.privacy import mask
from tests.masking_values import DRAW, PERSONAL

FILES = ("open", "held_out", "fresh", "last")
UNANNOUNCED = "name unannounced"
DRAWS = 3
_MARK = re.compile(r"[<>]|\{(\w+)\}")


@dataclass(frozen=True)
class Example:
    """`text` with what must go at `spans`; none where all must stay."""

    form: str
    text: str
    spans: tuple[tuple[int, int], ...]


@dataclass
class Score:
    """Counts over some examples: personal pieces and those hidden, masked spans and those that hide nothing else."""

    pieces: int = 0
    hidden: int = 0
    masked: int = 0
    right: int = 0

    @property
    def recall(self) -> float:
        """Share of the personal pieces of which no character is left."""
        return self.hidden / self.pieces if self.pieces else 1.0

    @property
    def precision(self) -> float:
        """Share of the masked spans that lie wholly in a personal piece."""
        return self.right / self.masked if self.masked else 1.0


def examples(name: str) -> list[Example]:
    """The examples of `masking_<name>.txt`; the same at every call."""
    chosen = random.Random(name)
    found: dict[str, Example] = {}
    form = ""
    for line in (Path(__file__).parent / f"masking_{name}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            form = line.removeprefix("## ")
        elif line:
            drawn = (_fill(form, line, chosen) for _ in range(DRAWS))
            found.update((example.text, example) for example in drawn)
    return list(found.values())


def scores(cases: list[Example]) -> dict[str, Score]:
    """The score of each form, in the order of the examples, then of `all`."""
    table = {form: Score() for form in [*dict.fromkeys(case.form for case in cases), "all"]}
    for case in cases:
        masked = [(start, end) for start, end, _ in mask(case.text).spans]
        covered = Counter(at for span in masked for at in range(*span))
        for score in (table[case.form], table["all"]):
            score.pieces += len(case.spans)
            score.hidden += sum(all(covered[at] for at in range(*span)) for span in case.spans)
            score.masked += len(masked)
            score.right += sum(
                any(left <= start and end <= right for left, right in case.spans) for start, end in masked
            )
    return table


def failures(cases: list[Example]) -> Iterator[str]:
    """The examples with something left or something masked for nothing, one line each."""
    for case in cases:
        score = scores([case])["all"]
        if score.hidden < score.pieces or score.right < score.masked:
            yield f"{case.form}: {case.text} → {mask(case.text).text}"


def _fill(form: str, template: str, chosen: random.Random) -> Example:
    text, spans, opened, at = "", [], -1, 0
    for mark in _MARK.finditer(template):
        text += template[at : mark.start()]
        at = mark.end()
        if mark[0] == "<":
            opened = len(text)
        elif mark[0] == ">":
            spans.append((opened, len(text)))
            opened = -1
        else:
            value = DRAW[mark[1]](chosen)
            if mark[1] in PERSONAL and opened < 0:
                spans.append((len(text), len(text) + len(value)))
            text += value
    return Example(form, text + template[at:], tuple(spans))
