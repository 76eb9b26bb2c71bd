"""Where a decision sends a case: a unit of the city's directory, held against the access list."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from dispatch_model.access_list import AccessList, Verdict
from dispatch_model.access_row import LISTS
from dispatch_model.cases import CategoryRef, Routing, UnitRef
from dispatch_model.city import City, cities
from dispatch_model.directory import GOVERNMENT, Unit
from dispatch_model.errors import DispatchError, ErrorKind, near
from dispatch_model.labels import LEVELS
from dispatch_model.rules import RuleKind
from serving.cases_wire import Accept, Override
from serving.masking import quote
from serving.routing import Router


@dataclass(frozen=True)
class Target:
    """The unit that is to lead, and for what."""

    unit: UnitRef
    category: CategoryRef
    rank: int | None = None


def target_of(router: Router, routing: Routing, wish: Accept | Override, *, city: str | None) -> Target:
    """What a decision asks for, completed from the stored answer and the directory.

    :param city: as the case says it.
    :raises DispatchError: INVALID_DECISION, naming what the directory or the label maps do not have.
    """
    if isinstance(wish, Accept):
        return _accepted(router, routing, wish.rank, city)
    return _named(router, routing, wish, city)


def check(router: Router, target: Target, path: Sequence[str], day: date, *, city: str | None) -> Verdict:
    """Whether the access list in force that day lets the unit lead there.

    The place is that of the case, unless the unit stands for another: whoever overrides has found the place misread.

    :param path: region codes of the place of the case, as `Router.place` says them.
    """
    unit = target.unit
    if not is_own(router, city):
        return Verdict(unit.level not in LISTS, None, "没有准入清单的城市只能由市、区主办")
    access_list = router.rule_sets[RuleKind.ACCESS_LIST]
    if not isinstance(access_list, AccessList):
        raise TypeError(f"{type(access_list)} is no access list. This is a bug.")
    known = units(router.city).get(unit.code)
    if known and known[0].region not in path:
        path = [region.code for region in router.city.ancestors(known[0].region)]
    return access_list.decide(target.category.code, unit.function, unit.level, path, day)


def is_own(router: Router, city: str | None) -> bool:
    """Whether a case is of the city whose directory and rules these are."""
    return not city or _slugs().get(city) == router.city.slug


def find_unit(city: City, wanted: str, field: str) -> Unit:
    """The unit with that code, name, alias or former name.

    :param field: of the request, for the error.
    :raises DispatchError: INVALID_DECISION, with near names, or with the codes of all that bear the name.
    """
    known = units(city)
    found = known.get(wanted, ())
    if len(found) == 1:
        return found[0]
    if found:
        told = f"有多个：{'、'.join(f'{unit.code}（{city.region_path(unit.region)}）' for unit in found)}；请填代码"
    else:
        told = f"不在{city.name}单位目录中；{near(wanted, known) or '请填 units.csv 中的代码或名称'}"
    raise invalid(field, f"单位“{quote(wanted)}”{told}", wanted)


@lru_cache(maxsize=4)
def units(city: City) -> Mapping[str, tuple[Unit, ...]]:
    """The units of a city by code and by every name, the committees of all communities among them."""
    committees = (
        city.resolve(GOVERNMENT, region.level, region.code).unit
        for region in city.regions.values()
        if region.level == LEVELS[-1]
    )
    found: dict[str, tuple[Unit, ...]] = {}
    every = {unit.code: unit for unit in (*city.units.values(), *committees) if unit}
    for unit in every.values():
        for name in dict.fromkeys((unit.code, unit.name, *unit.aliases, *unit.former)):
            found[name] = (*found.get(name, ()), unit)
    return found


def invalid(field: str, told: str, value: object = None) -> DispatchError:
    """The error for a decision or return that says what cannot be; the value is masked."""
    shown = None if value is None else quote(value)
    return DispatchError(ErrorKind.INVALID_DECISION, f"{told}。", field=field, value=shown)


def _accepted(router: Router, routing: Routing, rank: int, city: str | None) -> Target:
    found = next((one for one in routing.suggestions if one.rank == rank), None)
    if found is None:
        told = f"有 {len(routing.suggestions)} 条建议，没有第 {rank} 条；请改 rank，或用 override 指定单位"
        raise invalid("rank", told, rank)
    if not found.unit.code and is_own(router, city):
        told = f"第 {rank} 条建议在单位目录中没有对应单位（{found.unit.name}）；请用 override 指定单位"
        raise invalid("rank", told, rank)
    return Target(found.unit, found.category, rank)


def _named(router: Router, routing: Routing, wish: Override, city: str | None) -> Target:
    if not is_own(router, city):
        told = f"{city}没有单位目录，不能指定单位；请采纳建议，或在{router.city.name}的工单上改派"
        raise invalid("unit", told, wish.unit)
    unit = find_unit(router.city, wish.unit, "unit")
    level, function = _level(unit, wish.level), _function(router, unit, wish.function)
    region = router.city.region_path(unit.region)
    shown = UnitRef(code=unit.code, name=unit.name, function=function, level=level, region=region)
    return Target(shown, _category(router, routing, wish.category))


def _level(unit: Unit, wanted: str) -> str:
    """A street's office acts as nothing else; one above may act where there is none of the level asked for."""
    level = wanted or unit.level
    allowed = (unit.level,) if unit.level in LISTS else LEVELS[LEVELS.index(unit.level) :]
    if level not in allowed:
        told = f"{unit.name}（{unit.level}）不能以“{quote(level)}”层级主办，可用：{'、'.join(allowed)}"
        raise invalid("level", told, wanted)
    return level


def _function(router: Router, unit: Unit, wanted: str) -> str:
    """The office that stands for a whole place answers for many functions, any other unit for its own."""
    function = wanted or unit.function
    allowed = tuple(router.maps.functions) if unit.function == GOVERNMENT else (unit.function,)
    if function not in allowed:
        told = f"{unit.name}的职能为“{unit.function}”，不是“{quote(wanted)}”；{near(wanted, allowed) or '可不填'}"
        raise invalid("function", told, wanted)
    return function


def _category(router: Router, routing: Routing, wanted: str) -> CategoryRef:
    if wanted:
        if wanted not in router.maps.leaves:
            hint = near(wanted, router.maps.leaves) or "请查 categories.csv"
            raise invalid("category", f"类别“{quote(wanted)}”不是末级诉求类别的代码；{hint}", wanted)
        return CategoryRef(code=wanted, path=router.maps.path(wanted))
    if not routing.suggestions:
        raise invalid("category", "该工单没有派单建议，无从取类别；请填 category")
    return routing.suggestions[0].category


@lru_cache(maxsize=1)
def _slugs() -> Mapping[str, str]:
    return cities()
