"""The dialogs of the case page as HTML, each with what it begins with."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from dispatch_model.labels import LabelMaps
from serving.cases.overrides import find_unit
from serving.console.case_forms import OVERRIDE_REASONS, RETURN_REASONS, category_code, chosen
from serving.console.case_keys import Act
from serving.console.case_view import CasePage
from serving.console.suggestion_view import Card
from serving.console.templates import render
from serving.console.unit_search import FoundUnit, unit_search
from serving.console.why_not import why_not
from serving.routing import Router

TITLES = {
    Act.OVERRIDE: "查找单位",
    Act.CONSULT: "会商：请谁提出意见",
    Act.ASK: "待补充：须向来电人问明",
    Act.MERGE: "并案",
    Act.RETURN: "登记退单",
    Act.REVIEW: "审核退单",
}
_TICKED = 2  # suggestions whose units a consultation begins with


@dataclass(frozen=True)
class Asked:
    """A unit that a consultation may ask."""

    code: str
    name: str
    ticked: bool


def dialog(act: Act, page: CasePage) -> str:
    """The dialog that an act needs."""
    if act is Act.OVERRIDE:
        return _form("search", "更正：查找单位" if page.replaces is not None else "改派：查找单位")
    if act is Act.CONSULT:
        return _form("consult", TITLES[act], units=_asked(page))
    if act is Act.ASK:
        return _form("ask", TITLES[act], missing=page.answer.missing)
    if act is Act.RETURN:
        return _form("return", TITLES[act], reasons=RETURN_REASONS)
    if act is Act.REVIEW:
        return _form("review", TITLES[act], objection=page.objection)
    return _form("merge", TITLES[act])


def override_dialog(router: Router, page: CasePage, code: str, *, may_force: bool) -> str:
    """The second half of an override: unit chosen, category and reason as guessed.

    :raises DispatchError: INVALID_DECISION for a unit that the directory does not have.
    """
    unit = find_unit(router.city, code, "unit")
    region = router.city.region_path(unit.region)
    form = chosen(page, FoundUnit(unit.code, unit.name, unit.function, unit.level, region), router.maps)
    standing = standing_of(router, page, code, form.category, may_force=may_force)
    title = "更正" if form.is_correction else "改派"
    return _form("override", title, form=form, reasons=OVERRIDE_REASONS, standing=Markup(standing))


def found(router: Router, text: str) -> str:
    """The units that fit what is being typed."""
    return render("case_found.html.j2", units=unit_search(router.city).find(text, limit=12), text=text)


def standing_of(router: Router, page: CasePage, code: str, category: str = "", *, may_force: bool = False) -> str:
    """Whether a unit may have the case, and why not.

    :param category: as the field has it; "" for that of the first suggestion.
    :param may_force: show where to force it, if that can be.
    """
    standing = why_not(router, page, code, category=category_code(category, router.maps))
    return render("case_standing.html.j2", standing=standing, offer_force=may_force)


def categories(maps: LabelMaps) -> str:
    """What the field for a category offers."""
    return render("case_categories.html.j2", options=[(code, maps.path(code)) for code in maps.leaves])


def _asked(page: CasePage) -> Sequence[Asked]:
    named = {card.code: card for card in reversed(page.answer.cards) if card.code}
    return [Asked(code, card.unit, card.rank <= _TICKED) for code, card in sorted(named.items(), key=_rank)]


def _rank(item: tuple[str, Card]) -> int:
    return item[1].rank


def _form(kind: str, title: str, **values: object) -> str:
    return render("case_dialog.html.j2", kind=kind, title=title, **values)
