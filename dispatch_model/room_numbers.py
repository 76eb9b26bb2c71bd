"""Room numbers of homes: what stands behind a building, a stairwell or "楼上". Roads, houses and buildings stay."""

import re
from collections.abc import Callable, Iterator

_SAID = "零〇幺一二三四五六七八九"
_TENS = "一二三四五六七八九十"
_SUFFIX = r"(?:室|号房间?|房号|房间|房|户|号)"
_UNIT = rf"(?:\d{{1,2}}|[{_TENS}]{{1,2}})单元[\s-]?"
_FLOOR = rf"(?:\d{{1,2}}|[{_TENS}]{{1,3}})[楼层]\s?"
# What makes three or four digits something else than a room.
_ELSE = (
    r"(?!天(?!天)|[\d年月日元块万千人名平米㎡多余个棵辆台度间套家位分秒斤吨次版款#.]|小时|公里|毫|厘|医院|公交|国道|省道|"
    r"号楼|号线|路|户[居家]|栋|幢|房间隔|房[屋价租东产地管贷款子源主型])"
)
_ROOM = rf"[A-Za-z]?\d{{3,4}}{_ELSE}{_SUFFIX}?"
_ROOM_SAID = rf"[{_SAID}]{{3,4}}(?![{_SAID}十百千万个年月层楼米单栋幢期、]|号楼){_SUFFIX}?"
_AND = r"[、和与跟及/]\s?"
_HOUSE = r"(?:栋|幢|座|号楼|单元|梯(?<!电梯)|#(?<=\d#)楼?|宿舍楼?|公寓楼)[\s-]?"
_NEAR = r"(?:楼上|楼下|对门|房号|房间号|门牌号?|室号)(?:[的是为:：]|\s)*"
_HOME = r"(?:住在?|家在|[我他她你]家在?|隔壁|对面)(?:[的是为:：]|\s)*"
_WHO = "业主|住户|租户|租客|户主|房东|邻居|[那这][户家]"
_DASH = "[–—-]"
_ITEM = re.compile(rf"(?:{_UNIT}|\d{{1,2}}{_DASH})?[A-Za-z]?\d{{3,4}}{_SUFFIX}?")
_DIGITS = re.compile(r"\d{3,5}")
_COUNTED = re.compile(r"(?:[共约近余全达超有]|涉及)$")
_OF_MANY = ("人", "都", "业", "村")
_ROAD = re.compile("[路街巷道村里弄线段组]")
_LAST_FLOOR = 60
_LAST_ROOM = 30
_LAST_HOME = 12
_THREE = re.compile(r"\d{3}")
_THREE_SAID = re.compile(rf"[{_SAID}]{{3}}")


def find(text: str) -> Iterator[tuple[int, int]]:
    """Where room numbers stand, as `(start, end)`; finds of different rules may overlap."""
    for gate, rules in _RULES:
        if gate.search(text):
            for pattern, holds in rules:
                for match in pattern.finditer(text):
                    if holds(match):
                        yield from _pieces(match)


def _pieces(match: re.Match[str]) -> list[tuple[int, int]]:
    """Each room of a list alone, so that the words between stay."""
    return [item.span() for item in _ITEM.finditer(match.string, *match.span(1))] or [match.span(1)]


def _is_any(_: re.Match[str]) -> bool:
    return True


def _is_room(match: re.Match[str], last: int = _LAST_ROOM) -> bool:
    """Floor and room as houses have them: 1203, 501; not 2999 or 500."""
    found = _DIGITS.search(match[1])
    floor, room = divmod(int(found[0]), 100) if found else (1, 1)
    return 0 <= floor <= _LAST_FLOOR and 1 <= room <= last


def _is_home(match: re.Match[str]) -> bool:
    """Before "业主" it may as well be a count of them, and "122号" a house of the road, which a unit must find."""
    text, (start, end) = match.string, match.span(1)
    if match[1].endswith("号") and _ROAD.search(text, max(0, start - 1), start):
        return False
    if text.startswith("的", end):
        return _is_room(match)
    return _is_room(match, _LAST_HOME) and not _COUNTED.search(text, max(0, start - 2), start)


def _is_no_count(match: re.Match[str]) -> bool:
    """A home, as in "8栋703户"; "3栋120户" are many."""
    if not match[1].endswith("户"):
        return True
    return _is_room(match, _LAST_HOME) and (
        len(match[1]) > 4 or match.string[match.end(1) : match.end(1) + 1] not in _OF_MANY
    )


def _is_on_floor(match: re.Match[str]) -> bool:
    """Whether the room says its floor again: "6楼603"."""
    found = _DIGITS.search(match[1])
    return found is not None and match[0].startswith(found[0][:-2]) and not match[0][len(found[0]) - 2].isdigit()


_Rules = tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], bool]], ...]
_IN_DIGITS: _Rules = (
    (re.compile(rf"([\d{_TENS}](?<![\d.].)[\d{_TENS}]?单元[\s-]?{_ROOM}(?:{_AND}{_ROOM})*)"), _is_any),
    (re.compile(rf"{_HOUSE}(?:{_FLOOR})?((?:{_UNIT}|\d-)?{_ROOM}(?:{_AND}(?:{_UNIT})?{_ROOM})*)"), _is_no_count),
    (
        re.compile(rf"\d(?<!\d\d)\d?[楼层]\s?({_ROOM})(?!.{{0,14}}(?:公司|商铺|铺面|门店|酒店|中心|店|吧))"),
        _is_on_floor,
    ),
    (re.compile(rf"{_NEAR}({_ROOM}(?:{_AND}{_ROOM})*)"), _is_room),
    (re.compile(rf"{_HOME}({_ROOM})(?=$|[\s,，。;；、）)的漏渗没停]|{_WHO})"), _is_room),
    (re.compile(rf"([\dA-Za-z](?<![\d.A-Za-z].)\d{{2,4}}[室房号]?)(?=的?(?:{_WHO}))"), _is_home),
    (
        re.compile(rf"[苑园区城庭湾府居邸里寓轩阁庄厦栋幢座期][A-Za-z]?\d{{1,2}}{_DASH}((?:\d{{1,2}}{_DASH})?{_ROOM})"),
        _is_room,
    ),
    (re.compile(rf"\d(?<![\d–—-].)\d?{_DASH}((?:\d{{1,2}}{_DASH})?\d{{3,4}}[室房户])(?!间)"), _is_room),
    (
        re.compile(r"(\d(?<![\d.A-Za-z].)\d{2,3}(?:室|号?房(?![间屋价租东产地管贷款子源主型])))(?!\d)"),
        _is_any,
    ),
)
_IN_WORDS: _Rules = (
    (re.compile(rf"(?:{_HOUSE}(?:{_FLOOR})?|{_NEAR})((?:{_UNIT})?{_ROOM_SAID})"), _is_any),
    (re.compile(rf"([\d{_TENS}][\d{_TENS}]?单元[\s-]?{_ROOM_SAID})"), _is_any),
    (re.compile(rf"([{_SAID}](?<![{_SAID}].)[{_SAID}]{{2,3}}(?:室|号房))"), _is_any),
)
_RULES = ((_THREE, _IN_DIGITS), (_THREE_SAID, _IN_WORDS))
