"""Personal data replaced by tags before a transcript is stored, logged or shown.

Conservative: a rule needs a shape (check digits, a date, a known prefix) or a cue word beside it.
What a unit needs to find the place stays: roads, house numbers, buildings; rooms do not.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from dispatch_model import lexicon

_TAG = re.compile(r"\[[\u4e00-\u9fff]{1,6}\]")
_ORDER_CUE = re.compile(
    r"(?:单号|工单|订单|编号|编码|文号|案号|证号|流水|发票|条码|批号|运单|快递|序列号|信用代码|票号)"
    r"[\w ]{0,4}[号码]?[是为:：#]?\s?$"
)
_CARD_CUE = re.compile(r"(?:卡号|账号|帐号|账户|帐户|银行卡|储蓄卡|信用卡|社保卡)[\u4e00-\u9fff]{0,4}[:：]?\s?$")
_CUE_REACH = 14

_PROVINCES = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
_SPOKEN = "零〇幺一二两三四五六七八九"
_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩邓冯曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖石金韦贾夏付方"
    "邹熊白孟秦邱侯江尹薛闫段雷龙黎史陶贺毛郝顾龚邵万覃武钱戴严莫孔向常汤温康施文牛樊葛邢安齐易乔伍庞颜倪庄聂章鲁岳翟殷詹申欧耿关兰焦俞左柳甘祝包宁"
    "尚符舒阮柯纪梅童凌毕单季裴霍涂成苗谷曲盛冉翁蓝骆路游辛靳管柴蒙鲍华喻祁蒲房滕屈饶解牟艾尤时穆农司卓古吉缪简车项连芦麦褚娄窦戚岑景党宫费卜冷晏"
    "席卫米柏宗瞿桂全佟应臧闵苟邬边卞姬仇栾隋商刁沙荣巫寇桑郎甄丛仲虞敖巩明佘池查麻苑迟邝"
)
_SELDOM_NAMES = "和于向从时路车水师商项经连"
_NAME = rf"(?:欧阳|上官|司徒|司马|诸葛|皇甫|尉迟|令狐|[{_SURNAMES}])[\u4e00-\u9fff]{{1,2}}?"
_TITLE = "先生|女士|小姐|同志|师傅|老师|医生|经理"
_NAME_END = (
    rf"(?=$|[\s,，。;；、!！?？)）(（:：\[“”\"《\d]|{_TITLE}|电话|手机|身份证|住|来电|反映|投诉|咨询|今年|男|女)"
)
_NAME_CUE = (
    r"(?:(?:姓名|名字|联系人|收件人)(?:[是为叫:：]|叫做)?|"
    r"(?:户主|申请人|当事人|投诉人|举报人|反映人|来电人|代表人|法人|负责人|患者|产权人|受害人|死者|伤者)(?:[是为叫:：]|名叫)|"
    r"(?:我|本人|他|她)的?(?:名字)?名?叫做?)\s?"
)


@dataclass(frozen=True)
class Masked:
    """A text without personal data; `spans` are `(start, end, tag)` in the text that was given."""

    text: str
    spans: tuple[tuple[int, int, str], ...]


@dataclass(frozen=True)
class _Rule:
    tag: str
    pattern: re.Pattern[str]
    holds: Callable[[re.Match[str]], bool] | None


def mask(text: str) -> Masked:
    """Replace personal data by `[电话]`, `[身份证]`, `[银行卡]`, `[车牌]`, `[邮箱]`, `[姓名]`, `[门牌]`.

    Tags already there are left alone, and masking twice changes nothing.
    """
    taken = [match.span() for match in _TAG.finditer(text)]
    spans: list[tuple[int, int, str]] = []
    for rule in _RULES:
        for match in rule.pattern.finditer(text):
            start, end = match.span(1)
            free = all(end <= left or right <= start for left, right in taken)
            if free and (rule.holds is None or rule.holds(match)):
                taken.append((start, end))
                spans.append((start, end, rule.tag))
    spans.sort()
    return Masked(_replaced(text, spans), tuple(spans))


def _replaced(text: str, spans: list[tuple[int, int, str]]) -> str:
    pieces: list[str] = []
    at = 0
    for start, end, tag in spans:
        pieces += (text[at:start], tag)
        at = end
    return "".join([*pieces, text[at:]])


def _before(match: re.Match[str]) -> str:
    return match.string[max(0, match.start(1) - _CUE_REACH) : match.start(1)]


def _no_order(match: re.Match[str]) -> bool:
    """An order or licence number of the same length is not a person's number."""
    return not _ORDER_CUE.search(_before(match)) or bool(_CARD_CUE.search(_before(match)))


def _is_identity(match: re.Match[str]) -> bool:
    """The birth date inside must be one; recognition slips make the check digit useless."""
    digits = re.sub(r"[\s-]", "", match[1])
    born = digits[6:14] if len(digits) == 18 else "19" + digits[6:12]
    year, month, day = int(born[:4]), int(born[4:6]), int(born[6:])
    plausible = 1900 <= year <= date.today().year and 1 <= month <= 12 and 1 <= day <= 31
    return plausible and _no_order(match)


def _is_card(match: re.Match[str]) -> bool:
    digits = re.sub(r"[\s-]", "", match[1])
    if _CARD_CUE.search(_before(match)):
        return len(digits) >= 12
    return 16 <= len(digits) <= 19 and digits.startswith("62") and _luhn(digits) and _no_order(match)


def _luhn(digits: str) -> bool:
    """The check sum of payment cards."""
    doubled = (int(digit) * 2 for digit in digits[-2::-2])
    return (sum(int(digit) for digit in digits[::-2]) + sum(two - 9 if two > 9 else two for two in doubled)) % 10 == 0


def _is_no_word(match: re.Match[str]) -> bool:
    """Beside a weak cue, a dictionary word ("群众路线", "司机和平台") is not a name."""
    name = match[1]
    return name[0] not in _SELDOM_NAMES and not lexicon.is_word(name) and not lexicon.is_word(name[:2])


def _rule(tag: str, pattern: str, holds: Callable[[re.Match[str]], bool] | None = None) -> _Rule:
    return _Rule(f"[{tag}]", re.compile(pattern, re.IGNORECASE), holds)


_MOBILE = r"(?:\+?86[- ]?)?1[3-9]\d[ -]?\d{4}[ -]?\d{4}"
_ACCOUNT = r"(?<![A-Za-z])(?:QQ|微信|wx|vx|weixin)"
# The part to hide is group 1; earlier rules win where two overlap.
_RULES = (
    _rule("邮箱", r"(?<![a-z0-9_.+-])([a-z0-9][a-z0-9_.+-]{0,40}@[a-z0-9-]+(?:\.[a-z0-9-]+)+)"),
    _rule("身份证", r"(?<![\dA-Za-z.])([1-8]\d{5}[ -]?\d{8}[ -]?\d{3}[\dX]|[1-8]\d{14})(?![\dA-Za-z])", _is_identity),
    _rule("身份证", r"(?<!\d)([1-8]\d{5}[\d*]{4,8}\*{2,}[\d*]{0,6}[\dX])(?![\dA-Za-z])"),
    _rule("身份证", rf"(?<![{_SPOKEN}])([{_SPOKEN}]{{17}}[{_SPOKEN}Xx])(?![{_SPOKEN}])"),
    _rule("银行卡", r"(?<![\dA-Za-z.])(\d{4}(?:[ -]?\d{4}){2,3}(?:[ -]?\d{1,3})?)(?![\dA-Za-z]|\.\d)", _is_card),
    _rule("电话", rf"(?<![\dA-Za-z.])({_MOBILE})(?![\dA-Za-z]|\.\d)", _no_order),
    _rule("电话", r"(?<![\dA-Za-z])(1[3-9]\d[*xX]{4}\d{4})(?!\d)"),
    _rule("电话", r"(?<![\d.])((?:0\d{2,3}|[(（]0\d{2,3}[)）])[- ]?[2-9]\d{6,7}(?:[-转]\d{1,5})?)(?![\d.])", _no_order),
    _rule("电话", r"(?:电话|座机|固话|手机|联系方式|致电)(?:号码|号)?[是为:：]?\s?([2-9]\d{6,7})(?!\d|元|万|块)"),
    _rule("电话", rf"(?<![{_SPOKEN}])([幺一][三四五六七八九][{_SPOKEN}]{{9}})(?![{_SPOKEN}十百千万])"),
    # Speech recognition spaces the digits; so far apart, only a cue makes them one number.
    _rule(
        "电话",
        r"(?:电话|手机|座机|固话|联系方式|致电|号码)[\u4e00-\u9fff]{0,4}[:：,，]?\s?"
        r"((?:1 ?[3-9]|0 ?\d ?\d)(?: ?\d){9})(?! ?[\dA-Za-z])",
        _no_order,
    ),
    _rule("电话", rf"(?<![A-Za-z])(?:tel|phone|mobile|call)[:：.]?\s?({_MOBILE})(?![\dA-Za-z])"),
    _rule("电话", r"(?<![\dA-Za-z.])(1[3-9]\d\.\d{4}\.\d{4})(?![\dA-Za-z]|\.\d)", _no_order),
    _rule("电话", rf"{_ACCOUNT}(?:号码?|[是为:：])+\s?([a-z0-9][a-z0-9_-]{{4,19}})"),
    _rule("电话", rf"{_ACCOUNT}\s?((?=[a-z_-]*\d)[a-z][a-z0-9_-]{{5,19}})(?![a-z0-9_.-])"),
    _rule("电话", r"(?<![A-Za-z])QQ\s?([1-9]\d{5,10})(?![\d.])"),
    _rule(
        "车牌",
        rf"([{_PROVINCES}][A-HJ-NP-Z][·. ]?(?=[A-HJ-NP-Z*]{{0,4}}[\d*])"
        r"[A-HJ-NP-Z\d*]{4,5}[A-HJ-NP-Z\d*挂学警港澳])(?![A-Za-z\d])",
    ),
    _rule("门牌", r"(?<![\d.])(\d{1,2}单元\d{3,4}(?:室|房|号房|户|号)?)(?!\d)"),
    _rule("门牌", r"(?:栋|幢|座|号楼|单元|梯)\s?([A-Z]?\d{3,4}(?:室|号房|房号|房|户|号))"),
    _rule("门牌", r"(?:栋|幢|座|号楼|单元)\s?([A-Z]?\d{3,4})(?![\d年月日元块万人户平米号.路])"),
    _rule("门牌", r"(?<![\d.A-Za-z])(\d{3,4}(?:室|号房|房))(?![间屋价租东产地管贷款子源主型]|\d)"),
    _rule("姓名", rf"{_NAME_CUE}({_NAME}(?:、{_NAME})*){_NAME_END}"),
    _rule("姓名", rf"(?:我是|本人|业主|住户|房东|店主|司机)({_NAME})(?=[,，。(（]|{_TITLE}|电话|身份证)", _is_no_word),
    _rule("姓名", rf"(?:^|[\s,，。:：;；、(（])({_NAME})(?=先生|女士|小姐|同志)", _is_no_word),
)
