"""What must hold for every list, model output, day and place: drawn at random, none of them likely."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dispatch_model.access_list import AccessList
from dispatch_model.access_row import LISTS, AccessRow
from dispatch_model.labels import LEVELS
from dispatch_model.ranking import Ranker

LEAVES = ("010101", "010102", "010201", "020101", "9901")
CODES = ("01", "0101", "010101", "010102", "0102", "010201", "02", "0201", "020101", "99", "9901")
FUNCTIONS = ("城管", "住建", "民政", "属地政府")
REGIONS = ("", "", "D1", "D1S1", "D2")
PATHS = ((), ("city",), ("D1", "city"), ("D1S1", "D1", "city"), ("D2", "city"))
FIRST = date(2026, 1, 1)
DAYS = tuple(FIRST + timedelta(days=count) for count in range(8))
SHAPE = (len(LEAVES), len(FUNCTIONS), len(LEVELS))
CASES = 50

Floats = NDArray[np.float64]
Grouping = NDArray[np.intp]


@dataclass(frozen=True)
class World:
    """One list, one place and day, a model and its outputs for some cases."""

    rows: tuple[AccessRow, ...]
    path: tuple[str, ...]
    day: date
    ranker: Ranker
    heads: tuple[Floats, Floats, Floats]
    seed: int

    def listed(self, rows: Sequence[AccessRow] | None = None) -> AccessList:
        return AccessList(self.rows if rows is None else rows, LEAVES, FUNCTIONS)

    def tables(self, rows: Sequence[AccessRow] | None = None) -> Floats:
        return self.ranker.tables(*self.heads, self.listed(rows).mask(self.path, self.day))


def plain(category: str, level: str, name: str, region: str = "") -> AccessRow:
    """A row without end that names no function."""
    return AccessRow(
        f"{level}{category}", "事项", category, level, name, "", (), "职责", region, "依据", None, None, ""
    )


@st.composite
def access_row(draw: st.DrawFn, number: int = 0) -> AccessRow:
    level = draw(st.sampled_from(tuple(LISTS)))
    day = st.none() | st.sampled_from(DAYS)
    return AccessRow(
        id=f"R-{number:03d}",
        matter="事项",
        category=draw(st.sampled_from(CODES)),
        level=level,
        # Mostly open, or little would be left that a change could close
        list=draw(st.sampled_from((*LISTS[level], LISTS[level][0]))),
        lead_function=draw(st.sampled_from(("", "", *FUNCTIONS))),
        co_functions=(),
        duty="职责",
        region=draw(st.sampled_from(REGIONS)),
        basis="依据",
        valid_from=draw(day),
        valid_to=draw(day),
        version="",
        row=number,
    )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Any list, contradictions included, and models from the clueless to the certain, tilted to any level."""
    rows = [draw(access_row(number)) for number in range(draw(st.integers(0, 10)))]
    if draw(st.booleans()):
        rows += [plain(code, level, names[0]) for code in ("01", "02", "99") for level, names in LISTS.items()]
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    sharpness = draw(st.sampled_from([0.0, 1.0, 3.0, 30.0]))
    tilt = np.array([draw(st.sampled_from([0.0, 0.0, 2.0, 5.0])) for _ in LEVELS])
    category, function, level = (sharpness * rng.standard_normal((CASES, size)) for size in SHAPE)
    binding = rng.random(SHAPE[:2]) < draw(st.sampled_from([0.4, 1.0]))
    binding[~binding.any(axis=1)] = True
    ranker = Ranker(
        2 * rng.standard_normal(SHAPE),
        draw(st.sampled_from([0.0, 0.3, 1.0])),
        binding,
        draw(st.sampled_from([0.5, 1.0, 1.2, 3.0])),
    )
    path, day = draw(st.sampled_from(PATHS)), draw(st.sampled_from(DAYS))
    return World(tuple(rows), path, day, ranker, (category, function, level + tilt), seed)


def one_cell_each() -> Grouping:
    return np.arange(SHAPE[1] * SHAPE[2]).reshape(SHAPE[1:])


def one_street_office() -> Grouping:
    """The street's office answers for every function, the community has a unit for each."""
    return np.where(np.arange(SHAPE[2]) == LEVELS.index("镇街"), -1, one_cell_each())


def units(seed: int) -> Grouping:
    """[F, L] a unit for each cell: of one level, or of 市 and 区 together; few units or many, by level."""
    rng = np.random.default_rng(seed)
    above, street, community = (rng.integers(0, rng.integers(1, 5), SHAPE[1]) for _ in range(3))
    groups: Grouping = np.stack([above, rng.permutation(above), 10 + street, 20 + community], axis=1)
    return groups


def answers(tables: Floats, grouping: Grouping) -> tuple[Floats, NDArray[np.intp]]:
    """Per case and unit the probability, and the level of its likeliest cell: [N, U] each."""
    codes = np.unique(grouping)
    shares = np.stack([tables[:, grouping == code].sum(axis=1) for code in codes], axis=1)
    likeliest = [np.where(grouping == code, tables, -1.0).max(axis=1).argmax(axis=1) for code in codes]
    return shares, np.stack(likeliest, axis=1)


def level_of(tables: Floats, grouping: Grouping, *, lowest: bool = False) -> NDArray[np.intp]:
    """[N] the level of the first unit; of equal ones the highest, or the lowest."""
    shares, level = answers(tables, grouping)
    first = shares >= shares.max(axis=1, keepdims=True) * (1 - 1e-9)
    found: NDArray[np.intp] = (
        np.where(first, level, -1).max(axis=1) if lowest else np.where(first, level, 9).min(axis=1)
    )
    return found


@settings(max_examples=100, deadline=None)
@given(world=worlds())
def test_every_ranked_cell_and_category_is_lawful_and_they_sum_to_one(world: World) -> None:
    access_list = world.listed()
    mask = access_list.mask(world.path, world.day)
    for number in range(3):
        category, function, level_head = world.heads
        ranked = world.ranker.rank(category[number], function[number], level_head[number], mask)
        assert abs(ranked.table.sum() - 1) < 1e-9
        cells = ranked.top(99)
        assert len(cells) == np.count_nonzero(ranked.table)
        for f, level, _ in cells:
            posterior = ranked.category_for(f, level)
            assert abs(posterior.sum() - 1) < 1e-9
            for c in np.flatnonzero(posterior):
                verdict = access_list.decide(LEAVES[c], FUNCTIONS[f], LEVELS[level], world.path, world.day)
                assert verdict.allowed, verdict.text
                assert mask[c, f, level]


@settings(max_examples=60, deadline=None)
@given(world=worlds())
def test_mask_and_decide_agree_everywhere(world: World) -> None:
    access_list = world.listed()
    for path in PATHS:
        mask = access_list.mask(path, world.day)
        for c, f, level in np.ndindex(SHAPE):
            verdict = access_list.decide(LEAVES[c], FUNCTIONS[f], LEVELS[level], path, world.day)
            assert mask[c, f, level] == verdict.allowed


@settings(max_examples=150, deadline=None)
@given(
    world=worlds(),
    level=st.sampled_from(tuple(LISTS)),
    category=st.sampled_from(CODES),
    here=st.booleans(),
    switched=st.booleans(),
)
def test_a_matter_taken_back_never_lowers_the_level_of_the_answer(
    world: World, level: str, category: str, here: bool, switched: bool
) -> None:
    """收回 at 镇街 and 负面 at 村居, as a new row or as a new list of old rows, for cells and for units."""
    worst = LISTS[level][-1]
    region = world.path[0] if here and world.path and world.path[0] in REGIONS else ""
    rows = [*world.rows, plain(category, level, worst, region)]
    if switched:
        rows = [replace(row, list=worst) if row.level == level else row for row in world.rows]
    before, after = world.tables(), world.tables(rows)
    for grouping in (one_cell_each(), one_street_office(), *(units(world.seed + number) for number in range(4))):
        lowered = level_of(after, grouping) > level_of(before, grouping, lowest=True)
        assert not lowered.any(), np.flatnonzero(lowered)


@settings(max_examples=60, deadline=None)
@given(world=worlds(), data=st.data())
def test_row_order_is_irrelevant(world: World, data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(world.rows))
    assert (world.tables() == world.tables(shuffled)).all()
    assert world.listed().version == world.listed(shuffled).version


@settings(max_examples=60, deadline=None)
@given(world=worlds(), new=access_row(99), change=st.sampled_from(["ended", "not begun", "elsewhere"]))
def test_a_row_not_in_force_or_for_elsewhere_changes_nothing(world: World, new: AccessRow, change: str) -> None:
    unrelated = {
        "ended": replace(new, valid_from=None, valid_to=world.day - timedelta(days=1)),
        "not begun": replace(new, valid_from=world.day + timedelta(days=1), valid_to=None),
        "elsewhere": replace(new, region="D9"),
    }[change]
    assert (world.tables() == world.tables([*world.rows, unrelated])).all()


@settings(max_examples=60, deadline=None)
@given(world=worlds(), new=access_row(99))
def test_a_row_for_another_matter_changes_no_verdict_about_this_one(world: World, new: AccessRow) -> None:
    before, after = world.listed(), world.listed([*world.rows, new])
    others = [c for c, leaf in enumerate(LEAVES) if not leaf.startswith(new.category)]
    masks = [access_list.mask(world.path, world.day)[others] for access_list in (before, after)]
    assert (masks[0] == masks[1]).all()
    for leaf in (LEAVES[c] for c in others):
        verdicts = [one.decide(leaf, "城管", new.level, world.path, world.day) for one in (before, after)]
        assert verdicts[0] == verdicts[1]
