"""Two versions of a rule set on the same past cases: how many would be dispatched differently."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dispatch_model import rules
from dispatch_model.access_list import AccessList
from dispatch_model.bundle import Bundle
from dispatch_model.catalogue import Catalogue
from dispatch_model.city import City
from dispatch_model.dispatches import Dispatches, Units, first_units
from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LabelMaps
from dispatch_model.rule_kinds import kinds_in
from dispatch_model.rules import TITLES, RuleKind, RuleSet
from serving.rules.changes import RowChanges, row_changes
from serving.rules.check import shipped_rules
from serving.rules.moves import Basis, Moves, Pair, Rows, Side

COMPARED = (RuleKind.ACCESS_LIST, RuleKind.CATALOGUE)  # triggers decide what happens to a case, not who leads it


@dataclass(frozen=True)
class CategoryLine:
    """Cases the model puts under a category of 2 or 4 digits, and how many of them would go elsewhere."""

    code: str
    name: str
    cases: int
    changed: int


@dataclass(frozen=True)
class Diff:
    """What the change would have done.

    :param cases: of the own city; `outside` are of others, where no rule speaks.
    :param unit: cases whose first unit would be another; of these, `function` would go to another function,
        `raised` to a higher level and `lowered` to a lower one.
    :param terms: cases that keep their unit but get other co-handlers or another deadline.
    :param cells: from (function · level) to (function · level); `units` from unit to unit.
    """

    old: Side
    new: Side
    bundle: str
    cases: int
    outside: int
    unit: int
    function: int
    raised: int
    lowered: int
    terms: int
    rows: RowChanges
    categories: tuple[CategoryLine, ...]
    cells: tuple[Pair, ...]
    units: tuple[Pair, ...]

    @property
    def title(self) -> str:
        """The Chinese name of what was compared."""
        return TITLES[self.old.kind]


def load_sides(old: Path, new: Path, maps: LabelMaps, city: City, kind: RuleKind | None = None) -> tuple[Side, Side]:
    """Both files as rules beside the rest that is shipped for `city`.

    :param kind: None tells it by the headers.
    :raises DispatchError: INVALID_RULES, a file is wrong, or the two have no one kind that decides units in common.
    """
    kind = kind or _shared_kind(old, new)
    if kind not in COMPARED:
        told = f"{TITLES[kind]}不决定承办单位，不能这样比较；可比较的是{_titles(COMPARED)}。"
        raise DispatchError(ErrorKind.INVALID_RULES, told, field="kind", value=kind.value)
    shipped = shipped_rules(city.slug, maps, city)
    first, second = (
        _side(source, kind, {**shipped, kind: rules.load(kind, source, maps, city)}) for source in (old, new)
    )
    return first, second


def _side(source: Path, kind: RuleKind, together: Mapping[RuleKind, RuleSet]) -> Side:
    access_list, catalogue = together[RuleKind.ACCESS_LIST], together[RuleKind.CATALOGUE]
    if not isinstance(access_list, AccessList) or not isinstance(catalogue, Catalogue):
        raise TypeError(f"{source}: {type(access_list)}, {type(catalogue)}")
    return Side(source.name, kind, access_list, catalogue)


def _shared_kind(old: Path, new: Path) -> RuleKind:
    """The one kind both files hold."""
    before, after = kinds_in(old), kinds_in(new)
    both = [kind for kind in before if kind in after]
    if len(both) == 1:
        return both[0]
    decide = [kind for kind in both if kind in COMPARED]
    if len(decide) == 1:
        return decide[0]
    told = (
        f"{old.name} 与 {new.name} 都含{_titles(both)}，请用 --kind 指明比较哪一种。"
        if both
        else f"{old.name} 是{_titles(before)}，{new.name} 是{_titles(after)}，不是同一种规则表，无法比较。"
    )
    raise DispatchError(ErrorKind.INVALID_RULES, told, field="kind")


def _titles(kinds: Iterable[RuleKind]) -> str:
    return "、".join(TITLES[kind] for kind in kinds)


def compare(basis: Basis, bundle: Bundle, old: Side, new: Side) -> Diff:
    """Dispatch every case under both sides and count what differs.

    :param bundle: the one the outputs were made with.
    """
    units = Units(basis.city, basis.maps)
    before, after = (
        first_units(basis.outputs, bundle, side.access_list, side.catalogue, units, basis.city) for side in (old, new)
    )
    changed = np.flatnonzero(before.unit != after.unit)
    moves = Moves(basis, units, before, after)
    known = int(basis.outputs.known.sum())
    return Diff(
        old=old,
        new=new,
        bundle=bundle.version,
        cases=known,
        outside=len(basis.outputs) - known,
        unit=len(changed),
        function=int((before.function != after.function)[changed].sum()),
        raised=int((after.level < before.level)[changed].sum()),
        lowered=int((after.level > before.level)[changed].sum()),
        terms=_terms(basis, old, new, before, after),
        rows=row_changes(old.compared, new.compared),
        categories=tuple(_categories(basis, changed)),
        cells=tuple(moves.cells(changed)),
        units=tuple(moves.units(changed, old, new)),
    )


def _categories(basis: Basis, changed: Rows) -> Iterable[CategoryLine]:
    """Lines of 2 and then of 4 digits, each with the most changes first; none without a change."""
    leaves, width = basis.leaves(), len(basis.maps.leaves)
    every = np.bincount(leaves[basis.outputs.known], minlength=width).tolist()
    moved = np.bincount(leaves[changed], minlength=width).tolist()
    for digits in (2, 4):
        cases, differ = Counter[str](), Counter[str]()
        for leaf, count, other in zip(basis.maps.leaves, every, moved, strict=True):
            cases[leaf[:digits]] += count
            differ[leaf[:digits]] += other
        for code, count in sorted(differ.items(), key=lambda item: (-item[1], item[0])):
            if count:
                yield CategoryLine(code, " / ".join(basis.maps.path(code)), cases[code], count)


def _terms(basis: Basis, old: Side, new: Side, before: Dispatches, after: Dispatches) -> int:
    """Cases with the same unit whose co-handlers or deadline differ, by their likeliest category."""
    if old.catalogue is new.catalogue:
        return 0
    asked = np.stack([basis.leaves(), before.function, after.function, basis.outputs.kind], axis=1)
    same = asked[basis.outputs.known & (before.unit == after.unit)]
    found, counts = np.unique(same, axis=0, return_counts=True)
    differ = [
        _promise(basis, old, leaf, was, kind) != _promise(basis, new, leaf, now, kind)
        for leaf, was, now, kind in found.tolist()
    ]
    return int(counts[np.array(differ, dtype=bool)].sum())


def _promise(basis: Basis, side: Side, leaf: int, function: int, kind: int) -> tuple[tuple[str, ...], int | None]:
    """Co-handlers and working days."""
    row = side.catalogue.row_for(basis.maps.leaves[leaf], tuple(basis.maps.functions)[function])
    return (row.co_functions, row.days.get(basis.maps.kinds[kind])) if row else ((), None)
