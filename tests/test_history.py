from typing import Any

import pytest

from serving.cases.history import in_order


def decision(number: int) -> dict[str, Any]:
    return {"id": number}


def returned(number: int, decision_id: int | None) -> dict[str, Any]:
    return {"id": number, "decision_id": decision_id}


def step(number: int, return_id: int | None, decision_id: int | None) -> dict[str, Any]:
    return {"id": number, "return_id": return_id, "decision_id": decision_id}


@pytest.mark.parametrize(
    ("decisions", "returns", "reviewed", "steps", "expected"),
    [
        ([], [], [], [], ""),
        ([1], [(1, 1)], [1], [], "D1 R1 V1"),
        ([1, 2], [(1, 1), (2, 2)], [1], [], "D1 R1 V1 D2 R2"),
        ([1], [(1, None)], [1], [], "R1 V1 D1"),
        ([1], [], [], [(1, None, None), (2, None, None)], "S1 S2 D1"),
        # A decision undone, another step, decided again.
        ([1, 2], [], [], [(1, None, None), (2, None, 1), (3, None, 1)], "S1 D1 S2 S3 D2"),
        # Consulted before and after an upheld return; the second decision undone and made anew.
        (
            [1, 2, 3],
            [(1, 1)],
            [1],
            [(1, None, None), (2, 1, 1), (3, 1, 2)],
            "S1 D1 R1 V1 S2 D2 S3 D3",
        ),
        # Dispatched automatically, overridden, that undone, and only then sent back.
        ([1, 2], [(1, None)], [1], [(1, None, 1), (2, 1, 1)], "D1 S1 R1 V1 S2 D2"),
        ([1], [(1, None)], [1], [(1, 1, None)], "R1 V1 S1 D1"),
    ],
)
def test_the_order_follows_from_what_refers_to_what(
    decisions: list[int],
    returns: list[tuple[int, int | None]],
    reviewed: list[int],
    steps: list[tuple[int, int | None, int | None]],
    expected: str,
) -> None:
    told = in_order(
        [decision(number) for number in decisions],
        [returned(*one) for one in returns],
        [{"id": number, "return_id": number} for number in reviewed],
        [step(*one) for one in steps],
    )
    letters = {"decisions": "D", "returns": "R", "return_reviews": "V", "desk_steps": "S"}
    assert " ".join(f"{letters[table]}{row['id']}" for table, row in told) == expected
