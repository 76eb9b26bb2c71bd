"""The shadow against the live model: how often they agree, where they differ, and whom the operators followed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serving.console.ledger import HEADS, Facts, Table

MOST_PAIRS = 20


@dataclass(frozen=True)
class Verdicts:
    """What operators decided where the two suggest different functions.

    :param live: cases sent to the function of the live model; `shadow`: to that of the shadow; `other`: to neither.
    """

    live: int
    shadow: int
    other: int

    @property
    def decided(self) -> int:
        """Cases somebody decided."""
        return self.live + self.shadow + self.other


@dataclass(frozen=True)
class Difference:
    """Cases in which the live model suggests one function and the shadow another; '' stands for no suggestion."""

    live: str
    shadow: str
    cases: int
    verdicts: Verdicts


@dataclass(frozen=True)
class Comparison:
    """Cases that both answered.

    :param agreed: by head, in how many the two say the same.
    :param differing: in how many the functions differ; `pairs`: the commonest of those.
    """

    bundle: str
    cases: int
    agreed: Mapping[str, int]
    differing: int
    verdicts: Verdicts
    pairs: Sequence[Difference]


def compare(facts: Facts, bundle: str, since: float) -> Comparison | None:
    """What `bundle` answered in the shadow of others since a moment.

    :param bundle: '' takes the one that answered last.
    :param since: seconds since 1970.
    :returns: None when nothing answered in the shadow.
    """
    rows = facts.shadowed[facts.shadowed["at"] >= since]
    rows = rows[rows["bundle"] != rows["live_bundle"]]
    if len(rows) and not bundle:
        bundle = facts.words[rows["bundle"][-1]]
    rows = _last_each(rows[rows["bundle"] == facts.number(bundle)])
    if not len(rows):
        return None
    decided = _decided(facts, rows)
    apart = rows["function"] != rows["live_function"]
    agreed = {head: int((rows[head] == rows[f"live_{head}"]).sum()) for head in HEADS}
    pairs = _pairs(facts, rows[apart], decided[apart])
    return Comparison(bundle, len(rows), agreed, int(apart.sum()), _verdicts(rows[apart], decided[apart]), pairs)


def _last_each(rows: Table) -> Table:
    """Where a case was answered more than once, the last answer."""
    _, places = np.unique(rows["routing"][::-1], return_index=True)
    return rows[len(rows) - 1 - places]


def _decided(facts: Facts, rows: Table) -> NDArray[np.int32]:
    """The function that each case was sent to in the end; 0: not decided."""
    standing = facts.decided[facts.standing]
    order = np.argsort(standing["routing"], kind="stable")  # later decisions of a case stay later
    sent = standing[order]
    places = np.searchsorted(sent["routing"], rows["routing"], side="right") - 1
    known = (places >= 0) & (sent["routing"][places] == rows["routing"]) if len(sent) else np.zeros(len(rows), bool)
    found = np.zeros(len(rows), np.int32)
    found[known] = sent["decided"][places[known]]
    return found


def _verdicts(rows: Table, decided: NDArray[np.int32]) -> Verdicts:
    done = decided > 0
    live, shadow = (int((done & (decided == rows[name])).sum()) for name in ("live_function", "function"))
    return Verdicts(live, shadow, int(done.sum()) - live - shadow)


def _pairs(facts: Facts, rows: Table, decided: NDArray[np.int32]) -> Sequence[Difference]:
    both = np.stack([rows["live_function"], rows["function"]])
    pairs, counts = np.unique(both, axis=1, return_counts=True)
    found = []
    for place in np.argsort(-counts, kind="stable")[:MOST_PAIRS]:
        live, shadow = pairs[:, place]
        these = (both[0] == live) & (both[1] == shadow)
        verdicts = _verdicts(rows[these], decided[these])
        found.append(Difference(facts.words[live], facts.words[shadow], int(counts[place]), verdicts))
    return found
