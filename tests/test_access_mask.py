import time
from datetime import date, timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatch_model.access_list import AccessList
from dispatch_model.access_mask import AccessMasks
from dispatch_model.access_row import LISTS, AccessRow
from dispatch_model.labels import LEVELS

LEAVES = (
    *(f"{top:02}{second:02}{third:02}" for top in range(1, 14) for second in range(10) for third in range(4)),
    "9901",
)
FUNCTIONS = (*(f"职能{number}" for number in range(36)), "属地政府")
REGIONS = ("", "D1", "D1S1", "D2", "D2S1")
FIRST = date(2026, 1, 1)


def rows(rng: np.random.Generator, count: int, functions: tuple[str, ...] = FUNCTIONS) -> list[AccessRow]:
    """A list nobody would write: any prefix, list, place and dates, contradictions included."""
    found = []
    for number in range(count):
        level = str(rng.choice(list(LISTS)))
        start, end = (FIRST + timedelta(days=int(day)) for day in rng.integers(0, 12, size=2))
        found.append(
            AccessRow(
                id=f"R-{number:04d}",
                matter="事项",
                category=str(rng.choice(LEAVES))[: int(rng.choice([2, 4, 6]))],
                level=level,
                list=str(rng.choice(LISTS[level])),
                lead_function=str(rng.choice(["", *functions])),
                co_functions=(),
                duty="职责",
                region=str(rng.choice(REGIONS)),
                basis="依据",
                valid_from=start if rng.random() < 0.3 else None,
                valid_to=end if rng.random() < 0.3 else None,
                version="",
            )
        )
    return found


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.sampled_from([0, 1, 20, 400]))
def test_a_mask_holds_what_the_rule_says_of_each_triple(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    listed = rows(rng, count, FUNCTIONS[-4:])
    access_list = AccessList(listed, LEAVES, FUNCTIONS)
    place = tuple(str(code) for code in rng.choice(REGIONS[1:], 2))
    day = FIRST + timedelta(days=int(rng.integers(0, 12)))
    mask = AccessMasks(listed, LEAVES, FUNCTIONS).compile(frozenset(place), day)
    for c in rng.choice(len(LEAVES), 20):
        for f, level in np.ndindex(len(FUNCTIONS), len(LEVELS)):
            verdict = access_list.decide(LEAVES[c], FUNCTIONS[f], LEVELS[level], place, day)
            assert mask[c, f, level] == verdict.allowed, verdict.text


def test_an_empty_list_closes_streets_and_communities_only() -> None:
    mask = AccessMasks((), LEAVES, FUNCTIONS).compile(frozenset(), FIRST)
    assert mask.any(axis=(0, 1)).tolist() == mask.all(axis=(0, 1)).tolist() == [True, True, False, False]


def test_the_order_of_rows_and_leaves_means_nothing() -> None:
    rng = np.random.default_rng(1)
    listed = rows(rng, 300)
    mask = AccessMasks(listed, LEAVES, FUNCTIONS).compile(frozenset(["D1"]), FIRST)
    turned = AccessMasks(listed[::-1], LEAVES[::-1], FUNCTIONS[::-1]).compile(frozenset(["D1"]), FIRST)
    assert (mask == turned[::-1, ::-1]).all()


def test_a_row_that_names_a_function_off_the_axis_admits_the_government_alone() -> None:
    row = AccessRow("R", "事项", "0101", "镇街", "基本", "没有的职能", (), "职责", "", "依据", None, None, "")
    street = AccessMasks([row], LEAVES, FUNCTIONS).compile(frozenset(), FIRST)[LEAVES.index("010100"), :, 2]
    assert [FUNCTIONS[f] for f in np.flatnonzero(street)] == ["属地政府"]


def test_five_thousand_rows_compile_within_a_fifth_of_a_second() -> None:
    listed = rows(np.random.default_rng(3), 5_000)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        AccessList(listed, LEAVES, FUNCTIONS).mask(("D1S1", "D1"), FIRST)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.2
