"""What `dispatch rules explain` tells of one case."""

from datetime import date

from dispatch_model.cases import CategoryRef, Disposition, Frozen, Versions


class RowView(Frozen):
    """A row of the access list that speaks for a category here and now; `decides`: it has the last word."""

    id: str
    matter: str
    category: str
    level: str
    list: str
    lead_function: str
    region: str
    valid_from: date | None
    valid_to: date | None
    decides: bool


class Standing(Frozen):
    """One unit that could lead the case, and how it came to stand where it stands.

    :param rank: from 1; 0 where the rules let it not be ranked at all.
    :param probability: under the rules; `alone`: of the model without any rule.
    :param category: the category this unit would take the case as; `share` is its part of that.
    :param decided: why the access list lets it lead or not.
    :param why: what sets it apart from the first.
    """

    rank: int
    unit_code: str
    unit: str
    function: str
    level: str
    probability: float
    alone: float
    category: CategoryRef
    share: float
    allowed: bool
    decided: str
    rows: tuple[RowView, ...]
    catalogue: str
    why: str


class Explanation(Frozen):
    """The answer to one case, with all that led to it.

    :param categories: the likeliest categories with their probabilities, before any rule.
    :param standings: the first unit and the next three.
    :param forbidden: what the model alone would rather have said, and the rules do not let.
    """

    case_id: str
    transcript: str
    day: date
    place: str
    disposition: Disposition
    disposition_reason: str
    categories: tuple[tuple[CategoryRef, float], ...]
    standings: tuple[Standing, ...]
    forbidden: tuple[Standing, ...]
    versions: Versions
