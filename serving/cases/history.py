"""What happened to a case, in order: by what refers to what, as a clock may have been put back."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from serving.cases.entries import Row


class Told(NamedTuple):
    """One step.

    :param table: its name; of a review `return_reviews`.
    """

    table: str
    row: Row


def in_order(
    decisions: Sequence[Row], returns: Sequence[Row], reviews: Sequence[Row], steps: Sequence[Row]
) -> Iterator[Told]:
    """The steps after the routing, each sort given in the order it was written.

    A return names the decision it objects to, a decision the return it answers, a step the last of either before it.
    """
    review = {row["return_id"]: row for row in reviews}
    waiting = {"decisions": list(decisions), "returns": list(returns), "desk_steps": list(steps)}
    while any(waiting.values()):
        table = _next(*(rows[0] if rows else None for rows in waiting.values()))
        row = waiting[table].pop(0)
        yield Told(table, row)
        if table == "returns" and row["id"] in review:
            yield Told("return_reviews", review[row["id"]])


def _next(decision: Row | None, objection: Row | None, step: Row | None) -> str:
    """Which of the three that come next in their sort comes first."""
    if step and not _before(decision, step["decision_id"]) and not _before(objection, step["return_id"]):
        return "desk_steps"
    if objection is None or (step and not _before(objection, step["return_id"])):
        return "decisions"
    if decision is None or (step and not _before(decision, step["decision_id"])):
        return "returns"
    return "returns" if (objection["decision_id"] or 0) < decision["id"] else "decisions"


def _before(row: Row | None, last: int | None) -> bool:
    """Whether a row had been written when the one numbered `last` was the last of its sort."""
    return row is not None and row["id"] <= (last or 0)
