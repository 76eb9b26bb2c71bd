"""Where past cases went and would go: from unit to unit, with examples and the row that moved each."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dispatch_model.access_list import AccessList
from dispatch_model.catalogue import BINDING, Catalogue
from dispatch_model.city import City
from dispatch_model.dispatches import Dispatches, Units
from dispatch_model.labels import LabelMaps
from dispatch_model.outputs import StoredOutputs
from dispatch_model.rules import RuleKind, RuleSet
from serving.rules.outputs import snippets

EXAMPLES = 5
_ILLUSTRATED = 200  # pairs of units that get examples: more than anybody reads

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Side:
    """One of the two rule sets, with the rest of the rules that are in force beside it."""

    name: str
    kind: RuleKind
    access_list: AccessList
    catalogue: Catalogue

    @property
    def compared(self) -> RuleSet:
        """The rule set in question."""
        return self.access_list if self.kind is RuleKind.ACCESS_LIST else self.catalogue


@dataclass(frozen=True)
class Basis:
    """What a comparison stands on: cases with their outputs, and the tables rules are read against."""

    cases: Path
    outputs: StoredOutputs
    maps: LabelMaps
    city: City

    def leaves(self) -> Rows:
        """[N] the likeliest category of each case, as a position among the leaves."""
        likeliest: Rows = self.outputs.category.argmax(axis=1)
        return likeliest


@dataclass(frozen=True)
class Example:
    """One past case that would go elsewhere; `text` is masked, `why` names the row that decides."""

    case_id: str
    day: str
    category: str
    text: str
    why: str


@dataclass(frozen=True)
class Pair:
    """Cases that would go from `old` to `new`: units, or (function · level)."""

    old: str
    new: str
    count: int
    examples: tuple[Example, ...] = ()


class Moves:
    """Where changed cases went before and would go now."""

    def __init__(self, basis: Basis, units: Units, before: Dispatches, after: Dispatches) -> None:
        self._of = basis
        self._units = units
        self._before = before
        self._after = after
        self._leaves = basis.leaves()

    def cells(self, changed: Rows) -> Iterable[Pair]:
        """From (function · level) to (function · level), the most frequent first."""
        cells = [
            side.function.astype(np.int32) * len(self._of.maps.levels) + side.level
            for side in (self._before, self._after)
        ]
        rows = changed[cells[0][changed] != cells[1][changed]]
        for (old, new), group in _grouped(cells[0][rows], cells[1][rows], rows):
            yield Pair(self._cell(old), self._cell(new), len(group))

    def units(self, changed: Rows, old: Side, new: Side) -> Iterable[Pair]:
        """From unit to unit, the most frequent first, with examples."""
        found = list(_grouped(self._before.unit[changed], self._after.unit[changed], changed))
        shown = np.concatenate([group[:EXAMPLES] for _, group in found[:_ILLUSTRATED]]) if found else changed
        texts = snippets(self._of.cases, self._of.outputs.offset[shown].tolist())
        for place, ((was, now), group) in enumerate(found):
            rows = group[:EXAMPLES].tolist() if place < _ILLUSTRATED else []
            examples = tuple(self._example(row, texts, old, new) for row in rows)
            yield Pair(self._unit(was), self._unit(now), len(group), examples)

    def _cell(self, at: int) -> str:
        function, level = divmod(at, len(self._of.maps.levels))
        return f"{tuple(self._of.maps.functions)[function]}·{self._of.maps.levels[level]}"

    def _unit(self, number: int) -> str:
        cell = self._units.cells[number]
        return cell.unit.name if cell.unit else f"{cell.function}（{cell.level}，属地待定）"

    def _example(self, row: int, texts: Mapping[int, str], old: Side, new: Side) -> Example:
        outputs, code = self._of.outputs, self._of.maps.leaves[int(self._leaves[row])]
        return Example(
            case_id=str(outputs.case_id[row]),
            day=str(outputs.day[row]),
            category=f"{code} {self._of.maps.path(code)[-1]}",
            text=texts.get(int(outputs.offset[row]), ""),
            why=self._why(row, code, old, new),
        )

    def _why(self, row: int, code: str, old: Side, new: Side) -> str:
        """The row that shut the old door, else the one that kept the new one shut; '' when neither did."""
        if old.kind is RuleKind.CATALOGUE:
            return _catalogue_says("新目录", new.catalogue, code) or _catalogue_says("旧目录", old.catalogue, code)
        outputs, maps = self._of.outputs, self._of.maps
        region = str(outputs.region_code[row])
        path = tuple(place.code for place in self._of.city.ancestors(region)) if region else ()
        for side, told, where in ((new, "新清单", self._before), (old, "旧清单", self._after)):
            function, level = tuple(maps.functions)[where.function[row]], maps.levels[where.level[row]]
            verdict = side.access_list.decide(code, function, level, path, outputs.day[row].item())
            if not verdict.allowed:
                return f"{told}：{verdict.text}"
        return ""


def _catalogue_says(told: str, catalogue: Catalogue, code: str) -> str:
    rows = catalogue.rows_for(code)
    if not rows:
        return ""
    must = "规定由" if rows[0].mode == BINDING else "一般由"
    ids, leads = ("、".join(words) for words in zip(*((row.id, row.lead_function) for row in rows), strict=True))
    return f"{told} {ids}：{must}{leads}主办"


def _grouped(before: NDArray[np.int32], after: NDArray[np.int32], rows: Rows) -> list[tuple[tuple[int, int], Rows]]:
    """`rows` by what they were and would be, the largest group first."""
    if not len(rows):
        return []
    both, group_of = np.unique(np.stack([before, after], axis=1), axis=0, return_inverse=True)
    order = np.argsort(group_of, kind="stable")
    groups = np.split(rows[order], np.cumsum(np.bincount(group_of))[:-1])
    found = [((int(old), int(new)), group) for (old, new), group in zip(both.tolist(), groups, strict=True)]
    return sorted(found, key=lambda item: -len(item[1]))
