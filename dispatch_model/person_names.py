"""Names of persons in running text: a surname and one or two signs, beside words that announce a name."""

import re
from collections.abc import Callable, Iterator

from dispatch_model import lexicon

_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩邓冯曹彭曾肖田董潘袁蔡蒋余于杜叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖石金韦贾夏付方"
    "邹熊白孟秦邱侯江尹薛闫段雷龙黎史陶贺毛郝顾龚邵万覃武钱戴严莫孔向常汤温康施文牛樊葛邢安齐易乔伍庞颜倪庄聂章鲁岳翟殷詹申欧耿关兰焦俞左柳甘祝包宁"
    "尚符舒阮柯纪梅童凌毕单季裴霍涂成苗谷曲盛冉翁蓝骆路游辛靳管柴蒙鲍华喻祁蒲房滕屈饶解牟艾尤时穆农司卓古吉缪简车项连芦麦褚娄窦戚岑景党宫费卜冷晏"
    "席卫米柏宗瞿桂全佟应臧闵苟邬边卞姬仇栾隋商刁沙荣巫寇桑郎甄丛仲虞敖巩明佘池查麻苑迟邝赖冼羊云丘揭粟阙练占劳官丰苻巴植"
)
_SELDOM = frozenset("和于向从时路车水师商项经连占练官丰植巴劳明")
# Of these the signs after may be a word of its own: "老师家属|房|领取".
_DOUBTFUL = frozenset("云方房费全应章查管常安单游成包党高万关温解")
# Above this the dictionary's word is meant ("房东", "马上"); below, it may as well be a name.
_COMMON = 30
_COMMON_OF_SELF = 100
_COMMON_HEAD = 200
_NO_NAME = re.compile(
    "房[主客奴号]|车[主友]|高[管知达]|[余全]款|付[款费]|包[租干]|查[证房]|方[方面]|商[户铺]|童工|单[亲位]|安保|金主|文员|毛坯|易地|左心|曾向"
)
_HEAD_OF_NAMES = re.compile("王国|高明|安平|文明|江海|金银|万金|方正|马克")
_PLACE = "路街巷道县市区镇乡村苑园里寓城庄队组弄"
_TITLE = "先生|女士|小姐|同志|师傅|老师|医生|经理"
# What a name does not hold, and words that often follow one.
_NEVER = "我你您他她它们的是在要这那了吗呢吧啊嘛也就都很不没说被把给对跟因系总过打哈啦呀嘞喽"
_NEXT = (
    rf"{_TITLE}|主任|书记|家[住里在楼门]|住[在址]|来电|来自|来反|反映|投诉|咨询|举报|求助|表示|今年|现年|现在|性别|[男女](?![\u4e00-\u9fff])|"
    r"身份|证件|电话|手机|号码|联系|户籍|户口|想[问要请反投咨]|希望|有[个一事人]|[于从]\d|上[次周个]|昨[天日]|前天|之前|工作|上班|谢谢|麻烦"
)
_SIGN = rf"(?:(?!{_NEXT})[^\W\da-zA-Z_{_NEVER}])"
_DOUBLE = "欧阳|上官|司徒|司马|诸葛|皇甫|尉迟|令狐"
_NAME = rf"(?:(?:{_DOUBLE}){_SIGN}{{1,2}}?|[{_SURNAMES}]{_SIGN}{{1,2}})"
_DOUBLES = frozenset(_DOUBLE.split("|"))
_FOREIGN = r"[\u4e00-\u9fff]{1,6}·[\u4e00-\u9fff]{1,6}(?:·[\u4e00-\u9fff]{1,6})?"
_FIRM = rf"(?=$|[\s,，。.;；、!！?？)）(（:：\[“”\"《》*\d]|住|{_NEXT})"
_END = rf"(?=$|[\s,，。.;；、!！?？)）(（:：\[“”\"《》*\d{_NEVER}]|住|{_NEXT})"
_KIN = (
    "老公|老婆|丈夫|妻子|爱人|儿子|女儿|孩子|小孩|孙子|孙女|父亲|母亲|爸爸?|妈妈?|爷爷|奶奶|外公|外婆|哥哥?|姐姐?|弟弟?|妹妹?|"
    "朋友|同事|同学|邻居"
)
_BY_ACT = (
    "申请 当事 投诉 举报 反映 来电 代表 负责 产权 受害 收件 寄件 收货 联系 经办 诉求 信访 来访 报警 签字 驾驶 承租 "
    "出租 监护 借款 承包 持卡 登记 控告 申诉 报告 留言 求助"
)
# Written out word by word: the engine skips ahead only where every choice begins with a letter of its own.
_ROLE = "|".join(
    [f"{act}人" for act in _BY_ACT.split()] + ["户主", "户名", "机主", "法人代表", "法人", "患者", "死者", "伤者"]
)
_SPEAKER = (
    "业主|住户|房东|店主|司机|市民|村民|租客|经理|主任|老师|医生|护士|保安|民警|警官|律师|队长|局长|村长|书记|店长|客服|员工|"
    "工作人员|职工|男子|女子|老人|家属|教练|校长"
)


def _is_name(match: re.Match[str], common: int = _COMMON) -> bool:
    """Whether the find is no common word, nor begins with one."""
    name = match[1]
    if "·" in name or (name[:2] in _DOUBLES and len(name) > 2):
        return True
    if name[0] in _SELDOM or _NO_NAME.match(name):
        return False
    known = lexicon.segmenter().FREQ
    if len(name) == 3 and name[0] in _DOUBTFUL and (known.get(name[1:]) or 0) >= _COMMON:
        return False
    begun = not _HEAD_OF_NAMES.match(name) and (known.get(name[:2]) or 0) >= _COMMON_HEAD
    return not begun and (known.get(name) or 0) < common


def _is_self(match: re.Match[str]) -> bool:
    """Who says "我是" tells a name, a calling or a place."""
    return match[1][-1] not in _PLACE and _is_name(match, _COMMON_OF_SELF)


def _is_same(match: re.Match[str]) -> bool:
    """Of "我姓陈，陈某" the surname told is the one of the name."""
    return match[0][1] == match[1][0]


_OWN_NAME = "(?:的?(?:真名|大名|姓名|名字)[叫是为]?|名?叫)做?"
_RULES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], bool] | None], ...] = (
    (re.compile(rf"(?:我|本人){_OWN_NAME}\s?({_FOREIGN}|{_NAME})(?![市县区路])"), _is_self),
    (re.compile(rf"(?:他|她|其|{_KIN}){_OWN_NAME}\s?({_FOREIGN}|{_NAME}){_END}"), _is_name),
    (
        re.compile(rf"[头人长员师生呢妈爸哥姐弟妹公婆友娘子女孙板东户]名?叫做?\s?({_NAME})(?![市县区路店镇村])"),
        _is_self,
    ),
    (
        re.compile(rf"(?:名(?<![店司厂校区楼盘路目品药号园城村]名)|[\s、，,。])叫做?\s?({_FOREIGN}|{_NAME}){_END}"),
        _is_self,
    ),
    (re.compile(rf"(?:姓名|名字|联系人|收件人)(?:[是为叫:：]|叫做)\s?({_FOREIGN}|{_NAME}(?:、{_NAME})*){_END}"), None),
    (re.compile(rf"(?:姓名|名字)\s?({_NAME}){_FIRM}"), None),
    (re.compile(rf"(?:{_ROLE})(?:[是为叫:：]|名叫)\s?({_NAME}(?:、{_NAME})*){_FIRM}"), None),
    (re.compile(rf"[人主长员生者][:：]\s?({_NAME}(?:、{_NAME})*){_FIRM}"), _is_name),
    (re.compile(rf"(?:[我边]就?是|本人是?)\s?({_NAME})(?:{_FIRM}|(?=[哈啊呀]|的(?:{_KIN}|家属)))"), _is_self),
    (re.compile(rf"(?:{_ROLE}|{_SPEAKER})\s?({_NAME}){_FIRM}"), _is_name),
    (re.compile(rf"[我他她其]的?(?:{_KIN})({_NAME}){_END}"), _is_name),
    (re.compile(rf"姓(?<!百姓)[{_SURNAMES}][,，、\s]{{0,2}}(?:名?叫|全名叫?|名字[叫是])?\s?({_NAME}){_END}"), _is_same),
)
_TITLED = re.compile(f"{_TITLE}|警官|律师|主任|护士|[,，] ?[男女][,，。]")
_TITLE_RULES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], bool] | None], ...] = (
    (re.compile(rf"(?:^|[\s,，。:：;；、(（]|联系)({_NAME})(?=先生|女士|小姐|同志)"), _is_name),
    (re.compile(rf"(?:^|[\s,，。:：;；、(（])({_NAME})(?=[,，] ?[男女][,，。])"), _is_name),
    (re.compile(rf"([{_SURNAMES}]{_SIGN}{{2}})(?={_TITLE}|警官|律师|主任|护士)"), _is_name),
)


def find(text: str) -> Iterator[tuple[int, int]]:
    """Where names stand, as `(start, end)`; finds of different rules may overlap."""
    for pattern, holds in (*_RULES, *_TITLE_RULES) if _TITLED.search(text) else _RULES:
        for match in pattern.finditer(text):
            if holds is None or holds(match):
                yield match.span(1)
