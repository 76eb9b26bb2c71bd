"""Numbers that name a person: telephone, identity papers, bank card, plate, mail and chat accounts.

A number counts by its shape (check digits, a date, a known prefix) or by the word beside it.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

_ORDER_CUE = re.compile(
    r"(?:单号|工单|订单|编号|编码|文号|案号|案件号?|流水|发票|条码|批号|运单|快递|物流|序列号|信用代码|票号|户号|缴费号|回执|查询码|取件码|准考证|许可证|执照|"
    r"产权证|房产证|合同|备案|税号|学号|工号|表号|受理号?|登记号|凭证)(?:[号码单编的是为:：#（(\s]|显示|如下)*$"
)
_ORDER_AFTER = re.compile(r"(?:这个|那个|的|号)?(?:工单|订单|单号|单子)")
_CUE_REACH = 14
_PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_PROVINCE_CODE = re.compile(r"1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]")
_GAP = re.compile(r"[ -]")
_COUNTRY = re.compile(r"^[+(0]*(?:86)?\)?[- ]?(?=1)")
_AS_DATE = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])")


@dataclass(frozen=True)
class _Rule:
    """What group 1 of `pattern` finds is a `tag`, if `gate` occurs in the text and `holds` agrees."""

    tag: str
    gate: re.Pattern[str]
    pattern: re.Pattern[str]
    holds: Callable[[re.Match[str]], bool] | None


def find(text: str) -> Iterator[tuple[int, int, str]]:
    """`(start, end, tag)` of each number, the surest rules first; finds of different rules may overlap."""
    opened: dict[re.Pattern[str], bool] = {}
    for rule in _RULES:
        if rule.gate not in opened:
            opened[rule.gate] = rule.gate.search(text) is not None
        if opened[rule.gate]:
            for match in rule.pattern.finditer(text):
                if rule.holds is None or rule.holds(match):
                    yield (*match.span(1), rule.tag)


def is_identity(digits: str) -> bool:
    """A province and a birth date inside; recognition slips make the check digit useless.

    :param digits: 18 or 15 characters.
    """
    born = digits[6:14] if len(digits) == 18 else "19" + digits[6:12]
    year, month, day = int(born[:4]), int(born[4:6]), int(born[6:])
    plausible = 1900 <= year <= date.today().year and 1 <= month <= 12 and 1 <= day <= 31
    return plausible and _PROVINCE_CODE.match(digits) is not None


def is_payment_card(digits: str) -> bool:
    """A bank's prefix (UnionPay, Visa, Mastercard) and the check sum of payment cards."""
    known = (digits.startswith("62") and 16 <= len(digits) <= 19) or (digits[0] in "45" and len(digits) == 16)
    return known and _luhn(digits)


def _luhn(digits: str) -> bool:
    doubled = (int(digit) * 2 for digit in digits[-2::-2])
    return (sum(int(digit) for digit in digits[::-2]) + sum(two - 9 if two > 9 else two for two in doubled)) % 10 == 0


def follows_order_word(text: str, start: int) -> bool:
    """Whether "订单号" or the like stands right before the number at `start`."""
    return _ORDER_CUE.search(text, max(0, start - _CUE_REACH), start) is not None


def _is_no_order(match: re.Match[str]) -> bool:
    """An order or licence number of the same length is not a person's number."""
    return not (follows_order_word(match.string, match.start(1)) or _ORDER_AFTER.match(match.string, match.end(1)))


def _holds_identity(match: re.Match[str]) -> bool:
    return is_identity(_GAP.sub("", match[1])) and _is_no_order(match)


def _holds_card(match: re.Match[str]) -> bool:
    return is_payment_card(_GAP.sub("", match[1])) and _is_no_order(match)


def _holds_mobile(match: re.Match[str]) -> bool:
    """Grouped as people group it: single digits apart are a list or a price."""
    groups = _GAP.split(_COUNTRY.sub("", match[1], count=1))
    return len(groups) <= 4 and min(map(len, groups)) > 1 and _is_no_order(match)


def _is_as_long(match: re.Match[str]) -> bool:
    return len(match[1]) in (15, 16, 17, 18)


def _is_no_date(match: re.Match[str]) -> bool:
    return not _AS_DATE.fullmatch(match[1])


def _rule(tag: str, gate: re.Pattern[str], pattern: str, holds: Callable[[re.Match[str]], bool] | None = None) -> _Rule:
    return _Rule(f"[{tag}]", gate, re.compile(pattern), holds)


# Patterns begin with a class or letters, not with a look behind: so the engine skips to where one can match. What must
# not stand before is asked after the first sign.
_MANY = re.compile(r"\d(?:[^\w。；]{0,2}\d){5}")
_HIDDEN = re.compile(r"\d[*xX]{2}")
_AT = re.compile(r"@|艾特|[aA][tT]")
_CHAT = re.compile(r"加个?[vV]|[qQ]{2}|微信|[wWvV][xX]|weixin")
_PLATE = re.compile(r"[A-HJ-NP-Za-hj-np-z].{0,2}[\d*零幺一二三四五六七八九]")
_IS = r"(?:号码?|是|为|[:：]|\s)*"
_LATIN = "A-Za-z0-9"
_TLD = r"(?:com|cn|net|org|edu|gov)"
_FIRST = r"(?<![\dA-Za-z.].)"
_SUBSCRIBER = r"[3-9]\d(?:[ -]?\d){8}"
_MOBILE = rf"(?:1{_FIRST}|0{_FIRST}(?:086[- ]?)?1|8{_FIRST}6[- ]?1|\+86[- ]?1|\(\+?86\)\s?1){_SUBSCRIBER}"
_AREA = r"(?:10|2\d|[3-9]\d\d)"
_LOCAL = r"[2-8]\d{2,3}[ -]?\d{4}"
_CALL = "电话|座机|固话|手机|联系方式|致电|拨打|号码|传真"
_ACCOUNT = r"(?:加个?[vV]|[qQ](?<![A-Za-z].)[qQ]|微信|[wWvV](?<![A-Za-z].)[xX]|weixin(?<![A-Za-z]weixin))"
_NO_UTILITY = "".join(f"(?<!{word}[账帐])" for word in ("缴费", "用电", "用水", "水费", "电费", "燃气", "宽带"))
_CARD = rf"(?:卡号|存折|[账帐]{_NO_UTILITY}[号户]|银行卡|储蓄卡|信用卡|工资卡|社保卡)"
_PAPER = (
    "护照|通行证|回乡证|台胞证|军官证|士兵证|警官证|文职证|优待证|社保卡|社保号|社会保障卡|医保卡|居留证|居留许可|签证|军人证|学籍|出生证明?|"
    "出生医学证明|残疾证|永久居留身份证"
)
_RULES = (
    _rule("邮箱", _AT, rf"([{_LATIN}](?<![{_LATIN}_.+-].)[{_LATIN}_.+-]{{0,40}} ?@ ?[{_LATIN}-]+(?:\.[{_LATIN}-]+)+)"),
    _rule(
        "邮箱",
        _AT,
        rf"([{_LATIN}](?<![{_LATIN}_.+-].)[{_LATIN}_.+-]{{0,40}}(?: ?(?:@|艾特|[(\[]at[)\]]) ?| [aA][tT] )"
        rf"[{_LATIN}-]+(?: ?[.点。] ?[{_LATIN}-]+){{0,2}}? ?[.点。] ?{_TLD})(?![A-Za-z])",
    ),
    # G and L stand before the number of a pupil.
    _rule(
        "身份证",
        _MANY,
        r"([1-8](?<![\d.A-FHIKM-Za-fhikm-z].)\d(?:[ -]?\d){15}[ -]?[\dXx])(?![\dA-Za-z])",
        _holds_identity,
    ),
    _rule("身份证", _MANY, rf"([1-8]{_FIRST}\d{{14}})(?![\dA-Za-z])", _holds_identity),
    _rule(
        "身份证",
        _MANY,
        rf"(?:身份证|身份号码|残疾人?证|驾驶证){_IS}([1-8]\d(?:[ -]?\d){{12,17}}[\dXx](?:\dB\d)?)(?![\dA-Za-z])",
    ),
    _rule(
        "身份证", _HIDDEN, r"([1-8](?<!\d.)\d{1,4}[\d*xX]{4,8}[*xX]{2,}[\d*xX]{0,6}[\dX])(?![\dA-Za-z*])", _is_as_long
    ),
    _rule(
        "银行卡",
        _MANY,
        rf"(\d{_FIRST}\d{{3}}(?:[ -]?\d{{4}}){{2,3}}(?:[ -]?\d{{1,3}})?)(?![\dA-Za-z]|\.\d)",
        _holds_card,
    ),
    _rule("银行卡", _MANY, rf"{_CARD}[\u4e00-\u9fff]{{0,4}}[:：]?\s?(\d{{4}}(?:[ -]?\d){{8,24}})(?![\dA-Za-z])"),
    _rule("银行卡", _MANY, rf"(?:[银工农建中交招]行|信用社|邮储)卡?{_IS}(\d{{4}}(?:[ -]?\d){{12,15}})(?![\dA-Za-z])"),
    _rule("电话", _MANY, rf"({_MOBILE})(?!\d|[A-Za-z]+\d|\.\d|[元块万亿])", _holds_mobile),
    _rule("电话", _HIDDEN, r"(1(?<![\dA-Za-z].)[3-9]\d ?(?:[*xX]{4} ?\d{4}|\d{4} ?[*xX]{4}))(?!\d)"),
    _rule(
        "电话",
        _MANY,
        rf"((?:0(?<![\d.]0){_AREA}|\(0{_AREA}\)|（0{_AREA}）|\+86[- ]?(?:\(?0{_AREA}\)?|[1-9]\d{{1,2}}))"
        rf"(?:[ —–－-]|--|——)?{_LOCAL}(?:(?:-|转|分机) ?\d{{1,5}})?)(?![\d.])",
        _is_no_order,
    ),
    _rule(
        "电话",
        _MANY,
        rf"(?:{_CALL}|[打留]个电话|打)(?:号码?|[是为:：,，]|\s)*(?!400|800)({_LOCAL})(?![\d元万块户-])",
        _is_no_date,
    ),
    # Speech recognition spaces the digits; so far apart, only a cue makes them one number.
    _rule(
        "电话",
        _MANY,
        rf"(?:{_CALL})[\u4e00-\u9fff]{{0,4}}[:：,，]?\s?"
        r"((?:1[ -]?[3-9]|0[ -]?\d[ -]?\d)(?:[ ，,、-]?\d){9})(?![ -]?[\dA-Za-z])",
        _is_no_order,
    ),
    _rule(
        "电话",
        _MANY,
        r"[tTpPmMcwWvVqQ](?<![A-Za-z].)(?:el|EL|hone|obile|all|[xX]|[qQ])[:：.]?\s?"
        rf"((?:\+?86[- ]?)?1{_SUBSCRIBER})(?![\dA-Za-z])",
    ),
    _rule("电话", _MANY, rf"(1{_FIRST}[3-9]\d\.\d{{4}}\.\d{{4}})(?![\dA-Za-z]|\.\d)", _is_no_order),
    _rule("银行卡", _MANY, rf"{_CARD}{_IS}(\d(?:[ -]?\d){{8,11}})(?![\dA-Za-z元块万.])", _is_no_date),
    _rule(
        "证件号",
        _MANY,
        rf"(?:{_PAPER}){_IS}(?:编号|证号)?{_IS}([A-Za-z]{{0,3}}\d{{6,12}}[A-Za-z]?)(?![\dA-Za-z])",
        _is_no_date,
    ),
    _rule("证件号", _MANY, r"([A-Z](?<![\dA-Za-z].)[A-Z]?\d{7,8})(?=的?(?:护照|通行证|回乡证))"),
    _rule("证件号", _MANY, r"([军士武警海空文南北政参后装火]字第?\s?\d{5,9}号?)"),
    _rule("电话", _CHAT, r"(wxid_[a-z0-9]+)"),
    _rule("电话", _CHAT, rf"{_ACCOUNT}(?:号码?|账号|就?是|[为:：])+\s?([A-Za-z0-9][A-Za-z0-9_-]{{4,19}})"),
    _rule("电话", _CHAT, rf"{_ACCOUNT}\s?((?=[A-Za-z_-]*\d)[A-Za-z][A-Za-z0-9_-]{{5,19}})(?![A-Za-z0-9_.-])"),
    _rule("电话", _CHAT, r"[qQ](?<![A-Za-z].)[qQ]\s?([1-9]\d{5,10})(?![\d.])"),
    _rule(
        "车牌",
        _PLATE,
        rf"([{_PROVINCES}] ?[A-HJ-NP-Za-hj-np-z] ?[·.•-]? ?(?=[A-HJ-NP-Za-hj-np-z*]{{0,4}}[\d*])"
        r"[A-HJ-NP-Za-hj-np-z\d*]{4,5}[A-HJ-NP-Za-hj-np-z\d*挂学警港澳使领])(?![A-Za-z\d])",
    ),
    _rule(
        "车牌", _PLATE, rf"([{_PROVINCES}][A-HJ-NP-Z][零〇幺一二三四五六七八九]{{5,6}})(?![零〇幺一二三四五六七八九])"
    ),
    _rule("车牌", _PLATE, rf"(?:车牌|车号|号牌|牌照){_IS}([A-HJ-NP-Z][·.•-]?[A-HJ-NP-Z\d]{{5,6}})(?![A-Za-z\d])"),
    _rule("车牌", _PLATE, rf"([wW](?<![A-Za-z].)[jJ](?:[{_PROVINCES}]|\d\d)?[·-]?\d{{4,5}}[A-Z\d]?)(?![A-Za-z\d])"),
)
