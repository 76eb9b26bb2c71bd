"""Repeats of one text that bear different labels: at most one of them is right."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from training.splits import text_group


@dataclass(frozen=True)
class Contradiction:
    """A row whose repeats say otherwise.

    :param row: its index.
    :param proposed: the label most of the other repeats bear.
    :param share: of its repeats, itself among them, that bear another label.
    :param others: indices of those.
    """

    row: int
    proposed: str
    share: float
    others: tuple[int, ...]


def contradictions(texts: Sequence[str], column: Sequence[str | None]) -> list[Contradiction]:
    """Every labelled row that bears another label than at least half of its repeats.

    Texts are repeats when they differ only in digits, blanks and punctuation.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for row, (text, label) in enumerate(zip(texts, column, strict=True)):
        if label:
            groups[text_group(text)].append(row)
    found = []
    for rows in groups.values():
        counts = Counter(column[row] for row in rows)
        for row in rows if len(counts) > 1 else ():
            others = tuple(other for other in rows if column[other] != column[row])
            if 2 * len(others) >= len(rows):
                proposed, _ = Counter(column[other] or "" for other in others).most_common(1)[0]
                found.append(Contradiction(row, proposed, len(others) / len(rows), others))
    return sorted(found, key=lambda one: one.row)
