"""The dialogs of the case page: what they begin with, and the wish that what was typed comes to."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from dispatch_model.errors import DispatchError, ErrorKind
from dispatch_model.labels import LabelMaps
from serving.cases.api import invalid_decision
from serving.cases_wire import (
    MOST_CONSULTED,
    OTHER,
    Accept,
    Ask,
    Consult,
    Merge,
    Override,
    OverrideReason,
    Return,
    ReturnReason,
    Review,
)
from serving.console.case_view import CasePage
from serving.console.unit_search import FoundUnit

OVERRIDE_REASONS: tuple[str, ...] = get_args(OverrideReason)
RETURN_REASONS: tuple[str, ...] = get_args(ReturnReason)
Wish = Accept | Override | Consult | Ask | Merge | Return | Review
Values = Mapping[str, str | Sequence[str]]  # of a form: a name that occurs several times has several
_CODE = re.compile(r"\s*(\d{2,6})\b")
_W = TypeVar("_W", bound=BaseModel)


@dataclass(frozen=True)
class Chosen:
    """The form of an override, as it begins.

    :param reason: guessed from what differs from the first suggestion.
    :param category: code and name, as the field shows it.
    """

    unit: FoundUnit
    reason: str
    category: str
    is_correction: bool


def chosen(page: CasePage, unit: FoundUnit, maps: LabelMaps) -> Chosen:
    """The form for an override to a unit."""
    first = page.answer.cards[0] if page.answer.cards else None
    code = page.decision.category if page.decision else first.category if first else ""
    return Chosen(unit, _reason(page, unit), category_text(code, maps), page.replaces is not None)


def _reason(page: CasePage, unit: FoundUnit) -> str:
    against: Any = page.decision or (page.answer.cards[0] if page.answer.cards else None)
    if against is None:
        return OTHER
    if against.function != unit.function:
        return "职能不符"
    if against.level != unit.level:
        return "层级不符"
    return "属地不符" if against.region != unit.region else "类别不符"


def category_text(code: str, maps: LabelMaps) -> str:
    """A category as a field shows it: code and the names of its path."""
    return f"{code} {' / '.join(maps.path(code))}" if code in maps.categories else code


def category_code(text: str, maps: LabelMaps) -> str:
    """The code that was meant: what the text begins with, or the one category of that name; else the text itself."""
    if found := _CODE.match(text):
        return found[1]
    wanted = text.strip()
    named = [code for code in maps.leaves if maps.categories[code].name == wanted]
    return named[0] if len(named) == 1 else wanted


def wish_of(kind: str, values: Values, page: CasePage, maps: LabelMaps, operator: str) -> Wish:
    """What the form of that kind asks for.

    :raises DispatchError: INVALID_DECISION for what cannot be, in words.
    """
    if kind == "override":
        return override_of(values, page, maps, operator)
    if kind == "consult":
        return consult_of(values, operator)
    if kind == "ask":
        return ask_of(values, operator)
    if kind == "merge":
        return merge_of(_one(values, "into"), operator, _one(values, "note"))
    if kind == "return":
        return return_of(values, operator)
    return review_of(values, operator)


def override_of(values: Values, page: CasePage, maps: LabelMaps, operator: str) -> Override:
    """An override as the form has it.

    :raises DispatchError: INVALID_DECISION for what cannot be, in words.
    """
    told = {name: _one(values, name) for name in ("unit", "reason_code", "note")}
    if told["reason_code"] == OTHER and not told["note"]:
        raise _missing("note", "原因为“其他”时须写说明")
    force = _one(values, "force") == "on"
    if force and not told["note"]:
        raise _missing("note", "强制派出须写明理由")
    more = {"category": category_code(_one(values, "category"), maps), "force": force}
    return _wish(Override, {"action": "override", **told, **more, "replaces": page.replaces, "operator": operator})


def consult_of(values: Values, operator: str) -> Consult:
    """A consultation as the form has it.

    :raises DispatchError: INVALID_DECISION when nobody is asked, or too many are.
    """
    units, supervisor = list(dict.fromkeys(_many(values, "units"))), _one(values, "supervisor") == "on"
    if not units and not supervisor:
        raise _missing("units", "须勾选至少一个单位，或请主管提出意见")
    if len(units) > MOST_CONSULTED:
        raise _missing("units", f"勾选了 {len(units)} 个单位，至多 {MOST_CONSULTED} 个")
    told = {"units": units, "supervisor": supervisor, "note": _one(values, "note"), "operator": operator}
    return _wish(Consult, {"action": "consult", **told})


def ask_of(values: Values, operator: str) -> Ask:
    """A question as the form has it: what is ticked, then what was typed.

    :raises DispatchError: INVALID_DECISION when nothing is to be asked.
    """
    question = "；".join(part for part in (*_many(values, "missing"), _one(values, "question")) if part)
    if not question:
        raise _missing("question", "须勾选或写明要问什么")
    return _wish(Ask, {"action": "ask", "question": question, "note": _one(values, "note"), "operator": operator})


def merge_of(into: str, operator: str, note: str = "") -> Merge:
    """A merging into the case of that number.

    :raises DispatchError: INVALID_DECISION without one.
    """
    if not into.strip():
        raise _missing("into", "须填并入的工单号")
    return _wish(Merge, {"action": "merge", "into": into, "note": note, "operator": operator})


def return_of(values: Values, operator: str) -> Return:
    """A return as the form has it.

    :raises DispatchError: INVALID_DECISION for what cannot be, in words.
    """
    told = {name: _one(values, name) for name in ("reason", "clause", "proposed_unit", "note")}
    if told["reason"] == OTHER and not told["note"]:
        raise _missing("note", "理由为“其他”时须写说明")
    return _wish(Return, {**told, "operator": operator})


def review_of(values: Values, operator: str) -> Review:
    """A review as the form has it.

    :raises DispatchError: INVALID_DECISION without a verdict.
    """
    if not _one(values, "verdict"):
        raise _missing("verdict", "须选择退单成立或驳回")
    return _wish(Review, {**{name: _one(values, name) for name in ("verdict", "note")}, "operator": operator})


def accept_of(page: CasePage, rank: int, operator: str) -> Accept:
    """Acceptance of a suggestion."""
    return Accept(action="accept", rank=rank, replaces=page.replaces, operator=operator)


def _one(values: Values, name: str) -> str:
    value = values.get(name, "")
    return (value if isinstance(value, str) else next(iter(value), "")).strip()


def _many(values: Values, name: str) -> list[str]:
    value = values.get(name, ())
    return [one.strip() for one in ([value] if isinstance(value, str) else value) if one.strip()]


def _missing(field: str, told: str) -> DispatchError:
    return DispatchError(ErrorKind.INVALID_DECISION, f"{told}。", field=field)


def _wish(kind: type[_W], told: Mapping[str, Any]) -> _W:
    try:
        return kind.model_validate(told)
    except ValidationError as error:
        raise invalid_decision(error.errors()) from None
