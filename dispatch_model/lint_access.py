"""What may be wrong with an access list although every cell of it is lawful."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from dispatch_model.access_list import AccessList
from dispatch_model.access_row import AccessRow
from dispatch_model.city import City
from dispatch_model.finding import Finding, listing, warning
from dispatch_model.labels import LabelMaps
from dispatch_model.precedence import Precedence, can_lead

SEASON_DAYS = 300  # a row in force for less than this has a season; a longer one has a term
DRIFT_DAYS = 45  # by so much a season may move between years: Spring Festival moves by a month
SEASONS_APART_DAYS = 60  # different matters further apart than this have nothing to do with each other
_YEAR_DAYS = 365
_ONE_DAY = timedelta(days=1)


def check_access_list(rules: AccessList, maps: LabelMaps, city: City, day: date) -> Iterator[Finding]:
    """Warnings about rows that ended, that never decide or that repeat or cross others, and about gaps in dates.

    :param day: what ended before it is expired; whether a row ever decides is asked from it on.
    """
    order = Precedence(rules.rows, maps, city)
    for row in rules.rows:
        if not _is_over(row, day):
            yield from _in_force(row, order, city, day)
        if row.lead_function and row.lead_function in row.co_functions:
            told = f"协办职能中又写了主办职能“{row.lead_function}”，请从协办中删去"
            yield warning(row.row, row.id, "co_functions", told)
    yield from _expired([row for row in rules.rows if _is_over(row, day)], order, day)
    yield from _gaps(rules.rows)


def _in_force(row: AccessRow, order: Precedence, city: City, day: date) -> Iterator[Finding]:
    eclipse = order.eclipse(row, day)
    if eclipse:
        yield warning(row.row, row.id, "list", _eclipsed(row, eclipse))
        return
    for other in order.same_in_wider(row):
        if _says(other) == _says(row) and _within(row, other):
            where = city.region_path(other.region) if other.region else "全市"
            told = f"与{_named(other)}（{where}）的清单和职能相同，不改变派单结果；如无本地特殊要求，可删去本条"
            yield warning(row.row, row.id, "region", told)
            break
    found = order.revoked_above(row, day) if row.level == "村居" and can_lead(row) else None
    if found:
        other, leaf = found
        told = f"村居可以主办 {leaf}，而{_named(other)}不许镇街主办、收归上级；村居不应承接镇街无权办的事，请核对两条"
        yield warning(row.row, row.id, "list", told)


def _expired(rows: Iterable[AccessRow], order: Precedence, day: date) -> Iterator[Finding]:
    """Ended rows still decide past cases and may stay; a season needs its next year, with it one line tells of all."""
    renewed = []
    for row in rows:
        ended = f"已于 {row.valid_to} 失效，不再用于 {day} 及以后的工单"
        if not _is_season(row):
            yield warning(row.row, row.id, "valid_to", f"{ended}；如不再需要作历史依据，可删去")
        elif all(_is_over(twin, day) for twin in order.twins(row)):
            told = f"{ended}；是季节性条目，年份已过，如今后仍适用，请补上新一年的日期"
            yield warning(row.row, row.id, "valid_to", told)
        else:
            renewed.append(f"第 {row.row} 行（{row.id}）")
    if renewed:
        told = f"季节已过、已有新一年条目接续的：{listing(renewed)}；只用于当时的工单，可保留"
        yield warning(None, "", "valid_to", told)


def _eclipsed(row: AccessRow, rivals: Iterable[AccessRow]) -> str:
    stricter = [other for other in rivals if other.category == row.category]
    if not stricter:
        named = listing(map(_named, rivals), 3)
        return f"永远不会生效：{row.category} 之下的每个类别都已由更具体的条目规定（{named}）；请删去本条或缩小那些条目"
    told = f"永远不会生效：同一类别 {row.category} 从严，已被{listing(map(_named, stricter), 3)}覆盖"
    if any(other.region != row.region for other in stricter):
        told += "；区域条目不能放宽更大范围的规定，要放宽请写更长的类别代码"
    return f"{told}；请删去其中一条"


def _gaps(rows: Iterable[AccessRow]) -> Iterator[Finding]:
    """Days between two rows of one matter and place on which neither is in force; a season returning is none."""
    groups: dict[tuple[str, str, str], list[AccessRow]] = defaultdict(list)
    for row in rows:
        groups[row.level, row.category, row.region].append(row)
    for group in groups.values():
        ordered = sorted(group, key=lambda row: (row.valid_from or date.min, row.id))
        last = ordered[0]
        for row in ordered[1:]:
            end = last.valid_to or date.max
            if row.valid_from and (row.valid_from - end).days > 1 and not _seasons_apart(last, row):
                told = (
                    f"与{_named(last)}之间有空档：{end + _ONE_DAY} 至 {row.valid_from - _ONE_DAY} 两条都不在有效期内，"
                    "只按更短的类别前缀办理，没有则不得主办；请把日期接上"
                )
                yield warning(row.row, row.id, "valid_from", told)
            last = max(last, row, key=lambda row: row.valid_to or date.max)


def _seasons_apart(one: AccessRow, other: AccessRow) -> bool:
    """Whether the days between are meant: the same season of different years, or two matters with a season each."""
    if not (_is_season(one) and _is_season(other) and one.valid_from and one.valid_to and other.valid_from):
        return False
    if one.matter != other.matter and (other.valid_from - one.valid_to).days > SEASONS_APART_DAYS:
        return True
    apart = (other.valid_from - one.valid_from).days
    off = apart % _YEAR_DAYS
    return apart > DRIFT_DAYS and min(off, _YEAR_DAYS - off) <= DRIFT_DAYS


def _is_over(row: AccessRow, day: date) -> bool:
    return (row.valid_to or date.max) < day


def _is_season(row: AccessRow) -> bool:
    return bool(row.valid_from and row.valid_to and (row.valid_to - row.valid_from).days < SEASON_DAYS)


def _says(row: AccessRow) -> tuple[str, str, tuple[str, ...]]:
    return row.list, row.lead_function, row.co_functions


def _within(row: AccessRow, other: AccessRow) -> bool:
    starts = (other.valid_from or date.min) <= (row.valid_from or date.min)
    return starts and (row.valid_to or date.max) <= (other.valid_to or date.max)


def _named(row: AccessRow) -> str:
    return f"第 {row.row} 行（{row.id}，{row.list}）"
