"""What an office should look at again in a rule set that loads: `lint(kind, rules, …)` → findings.

Nothing here refuses a rule set: what must be refused is told by its loader, all of it at once, and
`finding.errors_of` puts it into the same shape.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime

from dispatch_model.access_list import AccessList
from dispatch_model.calendar import CLOSING_TIME, FILE, PUBLIC, Calendar, known_until
from dispatch_model.catalogue import Catalogue
from dispatch_model.city import City
from dispatch_model.finding import Finding, Severity, errors_of, listing, warning
from dispatch_model.labels import LabelMaps
from dispatch_model.lint_access import check_access_list
from dispatch_model.lint_coverage import Coverage
from dispatch_model.rules import RuleKind, RuleSet
from dispatch_model.triggers import DEFINE, HAPPENING, Trigger, Triggers

__all__ = ["Finding", "Severity", "errors_of", "lint"]

# (…+)+ and its like: time may double with every character of a text
_NESTED_REPEAT = re.compile(r"[^\\][*+]\)(?:[*+]|\{\d*,\})")
_LAST = 10**9  # what concerns no one row comes after every row


def lint(
    kind: RuleKind,
    rules: RuleSet,
    maps: LabelMaps,
    city: City,
    *,
    other: Mapping[RuleKind, RuleSet],
    day: date,
    calendar: Calendar = PUBLIC,
) -> tuple[Finding, ...]:
    """Warnings about one rule set, in row order; those about the whole file come last.

    :param other: the rule sets in force beside it; without them what they say together is not checked.
    :param day: the day from which on the rules are to serve.
    :param calendar: the one deadlines are counted by.
    """
    found = [*_own(rules, maps, city, day), *_together(kind, rules, maps, city, other, day)]
    if isinstance(rules, Catalogue):
        found += _calendar(rules, day, calendar)
    return tuple(sorted(found, key=lambda one: one.row or _LAST))


def _own(rules: RuleSet, maps: LabelMaps, city: City, day: date) -> Iterator[Finding]:
    """What a rule set says by itself."""
    if isinstance(rules, AccessList):
        return check_access_list(rules, maps, city, day)
    return _catalogue(rules, maps) if isinstance(rules, Catalogue) else _triggers(rules.rows)


def _together(
    kind: RuleKind, rules: RuleSet, maps: LabelMaps, city: City, other: Mapping[RuleKind, RuleSet], day: date
) -> Iterator[Finding]:
    """What access list, catalogue and directory say to one another; triggers have no part in it."""
    if isinstance(rules, Triggers):
        return iter(())
    both = {**other, kind: rules}
    access_list, catalogue = both.get(RuleKind.ACCESS_LIST), both.get(RuleKind.CATALOGUE)
    return Coverage(
        kind,
        access_list if isinstance(access_list, AccessList) else None,
        catalogue if isinstance(catalogue, Catalogue) else None,
        maps,
        city,
        day,
    ).check()


def _catalogue(rules: Catalogue, maps: LabelMaps) -> Iterator[Finding]:
    """Rows that never speak, that name the lead twice or set no deadline, and leaves without a row."""
    speaking = {row.id for leaf in maps.leaves for row in rules.rows_for(leaf)}
    for row in rules.rows:
        if row.id not in speaking:
            below = listing(one.id for one in rules.rows if one.category.startswith(row.category) and one is not row)
            told = f"永远不会生效：{row.category} 之下的每个类别都已由更具体的条目规定（{below}）；请删去本条"
            yield warning(row.row, row.id, "category", told)
        if row.lead_function in row.co_functions:
            told = f"协办职能中又写了主办职能“{row.lead_function}”，请从协办中删去"
            yield warning(row.row, row.id, "co_functions", told)
        if not row.days:
            yield warning(row.row, row.id, "", "六种诉求类型都没有办理时限，派单时将没有到期日；请补上工作日数")
    silent = [leaf for leaf in maps.leaves if not rules.rows_for(leaf)]
    if silent:
        told = f"末级类别 {listing(silent)} 没有派单目录条目，派单时没有协办单位和到期日；请补上条目或更短的前缀"
        yield warning(None, "", "", told)


def _calendar(rules: Catalogue, day: date, calendar: Calendar) -> Iterator[Finding]:
    """Deadlines of cases received on `day` that end in a year whose public holidays nobody has entered yet."""
    longest = max((days for row in rules.rows for days in row.days.values()), default=0)
    last = calendar.due_at(datetime.combine(day, CLOSING_TIME), longest).date()
    known = max(known_until().year, *(day.year for day in calendar.overrides), 0)
    if last.year > known:
        told = (
            f"节假日和调休只公布到 {known} 年底：{day} 受理的工单时限最长 {longest} 个工作日，到期可至 {last}，"
            f"{known + 1} 年起暂按周一至周五计；公布后请在 {FILE} 中填写或更新程序"
        )
        yield warning(None, "", "", told)


def _triggers(rows: Sequence[Trigger]) -> Iterator[Finding]:
    """Rows that repeat another, that never fire or serve nobody, or whose pattern may take for ever."""
    first: dict[tuple[str, str], Trigger] = {}
    for row in rows:
        twin = first.setdefault((row.disposition, row.pattern), row)
        if twin is not row:
            told = f"与第 {twin.row} 行（{twin.id}）的处置方式和匹配式相同；请合并为一条"
            yield warning(row.row, row.id, "pattern", told)
        if row.unless == row.pattern:
            told = "永远不会触发：排除式与匹配式相同；请写明什么上下文不算"
            yield warning(row.row, row.id, "unless", told)
        if row.disposition == DEFINE and row.id != HAPPENING and not _is_used(row, rows):
            told = f"没有任何条目引用 {{{row.id}}}；请引用，或删去这条定义"
            yield warning(row.row, row.id, "id", told)
        for column, pattern in (("pattern", row.pattern), ("unless", row.unless)):
            if _NESTED_REPEAT.search(pattern):
                told = "有嵌套的重复（如 (…+)+），遇到长文本可能极慢；请改写为一层重复"
                yield warning(row.row, row.id, column, told)


def _is_used(definition: Trigger, rows: Sequence[Trigger]) -> bool:
    name = f"{{{definition.id}}}"
    return any(name in row.pattern or name in row.unless for row in rows)
