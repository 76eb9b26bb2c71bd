"""Why a unit may not have a case, or how likely it seemed: what a search shows before anything is decided."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dispatch_model.access_row import AccessRow
from dispatch_model.cases import ModelView, Routing, UnitRef
from dispatch_model.errors import DispatchError
from serving.cases.overrides import check, target_of, units
from serving.cases_wire import Override
from serving.console.case_view import CasePage
from serving.console.suggestion_view import percent, row_link
from serving.routing import Router


@dataclass(frozen=True)
class WhyNot:
    """How a unit stands to a case.

    :param allowed: whether an override to it would be written without force.
    :param forcible: not allowed, but a supervisor may force it; False where it cannot be done at all.
    :param text: why, in words; the same as an override would get.
    :param row: id of the access-list row that decided; "" when none did. `link` to it.
    :param row_text: matter, list and basis of the row.
    :param seen: how the answer saw it: suggestion, probabilities of function and level.
    :param place: a mismatch of places, in words; "" when there is none.
    """

    allowed: bool
    forcible: bool
    text: str
    row: str = ""
    link: str = ""
    row_text: str = ""
    seen: tuple[str, ...] = ()
    place: str = ""


def why_not(
    router: Router, page: CasePage, unit: str, *, category: str = "", level: str = "", function: str = ""
) -> WhyNot:
    """How the unit with that code or name stands to the case of a page that is open.

    Parameters `category`, `level` and `function` as in an override, "" for its defaults. Reads no database.
    """
    wish = Override(
        action="override", unit=unit, category=category, level=level, function=function, reason_code="职能不符"
    )
    try:
        target = target_of(router, page.routing, wish, city=page.city)
        verdict = check(router, target, page.path, page.day, city=page.city)
    except DispatchError as error:
        return WhyNot(allowed=False, forcible=False, text=error.message)
    row = verdict.row
    return WhyNot(
        allowed=verdict.allowed,
        forcible=not verdict.allowed,
        text=verdict.text,
        row=row.id if row else "",
        link=row_link(row.id) if row else "",
        row_text=_row_text(row) if row else "",
        seen=tuple(_seen(page.routing, target.unit)),
        place=_mismatch(router, page, target.unit),
    )


def _row_text(row: AccessRow) -> str:
    return f"{row.matter}（{row.list}），依据{row.basis}"


def _seen(routing: Routing, unit: UnitRef) -> Iterator[str]:
    found = next((one for one in routing.suggestions if one.unit.code == unit.code), None)
    if found:
        yield f"第 {found.rank} 条建议，概率 {percent(found.probability)}"
    model: ModelView = routing.model
    yield f"模型看职能：{unit.function} {_share(model.function, unit.function)}"
    yield f"模型看层级：{unit.level} {_share(model.level, unit.level)}"


def _share(listed: Sequence[tuple[str, float]], label: str) -> str:
    """The probability the answer tells; it tells only those of the first few."""
    found = dict(listed).get(label)
    return f"前 {len(listed)} 名之外" if found is None else percent(found)


def _mismatch(router: Router, page: CasePage, unit: UnitRef) -> str:
    known = units(router.city).get(unit.code)
    if not known or known[0].region == router.city.root.code:
        return ""
    if not page.path:
        return f"工单没有认出地点，{unit.name}管{unit.region}；请核对"
    if known[0].region in page.path:
        return ""
    inside = any(region.code == page.path[0] for region in router.city.ancestors(known[0].region))
    if inside:
        return f"工单地点只到{page.place}，{unit.name}管{unit.region}；请核对"
    return f"工单地点为{page.place}，{unit.name}管{unit.region}；地点不符"
