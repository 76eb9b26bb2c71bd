"""What an agent wrote once the case was decided: it tells the answer, so it goes before anything is learned.

Hand-offs stand at the end of a note (请交警核实处理), in brackets anywhere (（30分钟办件）, 【已转城管】), or in what
the agent says of a call (帮您转给住建局); order numbers stand anywhere. What the citizen asks for stays, also where
it names an office: 希望城管来管一管, and all that a citizen says in a call.
"""

import re

from dispatch_model.transcript import as_text, parse

_SHORT = (
    "交警|公安|警方|城管|城市管理|住建|规划|环保|生态环境|交通|运管|路政|水务|环卫|园林|市政|路灯|教育|卫健|卫计|卫生|"
    "医保|社保|人社|人保|劳动监察|民政|市监|市场监管|工商|食药监|质监|物价|发改|商务|旅游|旅文|文体|农业|消防|应急|"
    "安监|税务|地税|国税|财政|金融办|司法|信访|纪委|监察|公积金|政务|退役军人|妇联|工会|残联|供电|电网|电力|供水|"
    "自来水|水务|燃气|移动|联通|电信|广电|公交|地铁|邮政|邮管|供销|房管|房产|国土|数字城管|综合执法|执法|网格|热线"
)
_SUFFIX = (
    "部门|单位|专席|窗口|平台|委员会|委|局|厅|署|办公室|办|处|所|站|支队|大队|中队|总队|队|政府|街道|社区|"
    "村委会|居委会|管委会|镇|公司|集团|控股|中心|机关|指挥部|机场|农场|税区|高新区"
)
_BUREAU = rf"(?:[\u4e00-\u9fffA-Za-z·]{{0,12}}?(?:{_SUFFIX}|{_SHORT}))"
_OFFICE = rf"(?:(?:贵|该)(?:局|单位|部门)|各?(?:相关|有关|职能|主管|责任|承办|属地|管理|辖区)+(?:{_SUFFIX})|{_BUREAU})"
_OFFICES = rf"{_OFFICE}(?:(?:和|与|及|、|/|会同|联合|配合){_OFFICE}){{0,3}}"
_HOW = (
    r"(?:尽快|及时|立即|马上|抓紧|迅速|依法|依规|依职|按照?规定|按照?职责|在?(?:规定|要求)的?时间内?|"
    r"在?规?定?(?:\d{1,3}|[一二三四五六七八九十]{1,3})(?:个?(?:工作日|小时|分钟|天|日))(?:之?内)?|现场|前往|到场|派人|派员|安排人?员?|"
    r"予以|给予|进行|帮助|协助|牵头|负责|主办|协办|先行?|一并|统一|妥善|认真|对接|酌情|再次|协调|是否|为盼)"
)
_WORK = (
    r"(?:核实|核查|核处|查实|查处|查证|查看|调查|了解|处理|处置|办理|办结|承办|受理|跟进|响应|回复|答复|回访|反馈|解决|落实|"
    r"整改|整治|清理|维修|修复|抢修|检查|执法|联系|解释|疏导|劝离|关注|知悉|阅处|阅办|介入|接单|签收|办件|为盼|协调|[移挪]车|到场|出警)"
)
_TO = (
    r"(?:(?:向|与|给|跟|对)?(?:市民|来电人|当事人|车主|诉求人|群众|投诉人|反映人|其|本中心|我中心|热线|情况)"
    r"(?:情况|问题|诉求)?)"
)
_JOB = (
    rf"(?:{_HOW}|{_TO}|并|和|及|、|后|(?:此|该|本)?(?:事|情况|问题|件|诉求|案|单|工单)|一下|{_WORK}|"
    rf"[，,:：]\s*(?={_WORK}|{_HOW}|{_TO}))"
)
_DOES = rf"{_JOB}{{0,8}}{_WORK}{_JOB}{{0,8}}"
_THANKS = r"(?:谢谢|感谢|多谢|辛苦|收到请回复|特此函告|为盼|为谢|为感|此致|敬礼)(?:[您你]|了|配合|支持|合作|理解)*"
_ASKED = rf"(?:(?:现|特|烦|敬|故|另|还|兹|拟|，)?请|望|盼|烦)(?:求)?{_OFFICES}{_DOES}"
_IT = r"(?:此|该|本)?(?:件|单|工单|诉求|案件|事项|问题|情况|案|事)?"
_MOVE = (
    r"(?:转交|转办|转派|转送|转至|转给|转到|转由|转(?!接)|派单|派发|派往|派至|派给|派|移交|移送|交办|交由|交给|下派|下发|"
    r"分派|分拨|推送|退回|改派)"
)
_BEEN = r"(?:现|现已|已经|已|特|拟|将|请|建议|可|应|需|故)*"
_MOVED = (
    rf"{_BEEN}(?:将|把)?{_IT}{_BEEN}{_MOVE}(?:至|给|往|到|由|了|单)?(?:{_OFFICES}|网格员?|承办单位)"
    rf"(?:{_DOES})?(?:了|中)?"
)
_LEAD = rf"(?:主办|承办|责任|协办|牵头|处办|办理|拟办)(?:单位|部门)[:：]\s*{_OFFICES}"
_DUE = rf"(?:{_HOW}|{_WORK}|{_TO}|\d{{1,3}}分钟?|到现场|请|办件|紧急|时限|件|内|、|的|并|[，,!！]){{2,8}}"
# Only agents write it so, whoever it is that they ask.
_FORMULA = (
    rf"请(?!{_HOW}|{_WORK}|问|求|[您你]|各位|大家)[\u4e00-\u9fff]{{2,16}}?(?:核实处[理置]|核实回复|核查处理|作出答复)"
)
_HANDOFF = rf"(?:{_ASKED}|{_FORMULA}|{_MOVED}|{_LEAD}|{_THANKS}|{_DUE})"
# That somebody above shall see to it tells nothing, and citizens write it.
_ANYBODY = (
    r"(?:[请望盼烦求恳]|希望)*(?:各级|上级|各|相关|有关|主管|职能|管理|党和|和|及|的)*"
    r"(?:领导|部门|单位|人员|政府|机关)*"
)
_MARKS = " \n\t，,。；;！!、.…:："
_PUNCTUATION = r"[\s，,。；;！!、.…:：]"
_ASIDE = r"(?:[（(][^（）()]{2,20}[）)])"
_WHOLE = re.compile(rf"{_PUNCTUATION}*(?:{_HANDOFF}{_PUNCTUATION}*{_ASIDE}?{_PUNCTUATION}*)+")
_TELLING = re.compile(
    rf"(?!{_ANYBODY}(?:{_HOW}|{_WORK}|{_TO}))(?:{_ASKED}|{_FORMULA})|{_MOVED}|{_LEAD}|\d\s*分钟?|办件|响应"
)
_BRACKET = re.compile(r"[（(【\[〔]([^（）()【】\[\]〔〕]{2,60})[）)】\]〕]")
_OPEN_BRACKET = re.compile(r"[（(【]([^（）()【】]{4,60})$")
_NUMBER = re.compile(
    r"[（(【]?(?:(?:政府|原|关联|受理|转派)?(?:工单|受理|办件|诉求|信访|派单|流水)(?:编号|单号|号码|号))\s*[:：为是]*\s*"
    r"(?:\[工单号\]|[A-Za-z]{0,6}[-\d]{5,}[A-Za-z]?)[）)】]?[，,]?|[（(【]?\[工单号\][）)】]?"
)
_CLAUSE = re.compile(r"(?<=[，,。；;！!？?\n\s）)】])")
_ENTRY = re.compile(r"\n|(?=市民再次|市民(?:来电|微信|公众号|网站|云|通过)|原?工单内容)")
_LONGEST_TAIL = 120  # characters
_MOST_CLAUSES = 6
_AGENT_SAYS = re.compile(
    rf"(?:这边|我们?|马上|现在|先|会|帮|为|给|替|[您你]|就|的|把|将|情况|问题|诉求|好|嗯|那)*{_MOVED}(?:的|吧|啊|哦|呢)?{_PUNCTUATION}*"
)


def strip_leaks(text: str) -> str:
    """`text` without hand-offs and order numbers; what is nothing but a hand-off becomes ''."""
    turns = parse(text)
    if len({turn.speaker for turn in turns}) < 2:
        return _of_note(text)
    kept = (
        turn.model_copy(update={"text": _of_agent(turn.text) if turn.speaker == "agent" else turn.text})
        for turn in turns
    )
    return as_text([turn for turn in kept if turn.text])


def _of_note(text: str) -> str:
    """A note may hold several entries, each with a hand-off of its own."""
    entries = (_of_entry(entry) for entry in _ENTRY.split(_NUMBER.sub("", text)))
    return "\n".join(entry for entry in entries if entry)


def _of_entry(text: str) -> str:
    text = _BRACKET.sub(_unless_handoff, text).rstrip()
    if (cut := _OPEN_BRACKET.search(text)) and _is_handoff(cut[1]):
        text = text[: cut.start()].rstrip()
    return _without_tail(text)


def _of_agent(text: str) -> str:
    """Of what the agent says in a call: each clause that hands the case on goes."""
    text = _NUMBER.sub("", text)
    return "".join(clause for clause in _CLAUSE.split(text) if not _AGENT_SAYS.fullmatch(clause))


def _without_tail(text: str) -> str:
    """The text up to the earliest clause from which on everything is a hand-off."""
    starts = [0, *(match.start() for match in _CLAUSE.finditer(text))]
    for start in starts[-_MOST_CLAUSES:]:
        if len(text) - start <= _LONGEST_TAIL and _is_handoff(text[start:]):
            return text[:start].rstrip(" \n\t，,；;")
    return text


def _is_handoff(text: str) -> bool:
    """Whether it is nothing else, and begins with what tells an office: a plea before it is the citizen's."""
    first = _CLAUSE.split(text.lstrip(_MARKS), maxsplit=1)[0]
    return bool(_TELLING.search(first) and _WHOLE.fullmatch(text))


def _unless_handoff(match: re.Match[str]) -> str:
    return "" if _is_handoff(match[1]) else match[0]
