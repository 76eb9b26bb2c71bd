"""The transcript of a call: normalised, split into turns, reduced to what the encoder reads."""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from dispatch_model.cases import MAX_TRANSCRIPT_CHARS, Case, Turn
from dispatch_model.errors import DispatchError, ErrorKind

if TYPE_CHECKING:
    from opencc import OpenCC

_AGENT = ("坐席", "座席", "话务员", "接线员", "客服")
_CITIZEN = ("市民", "来电人", "来电者", "诉求人", "群众", "用户")
_LABEL = re.compile(rf"[【\[(（]?({'|'.join(_AGENT + _CITIZEN)})[0-9A-Za-z]{{0,6}}[】\])）]?\s?[:：]\s*")

# NFKC would turn these into ASCII and "①" into a bare digit; the operator reads them as they are.
_COMPATIBLE = re.compile(r"[^，：；？！（）…①-⑳]+")
# Emoji and dingbats carry no place, matter or unit; a space keeps the words around them apart.
_EMOJI = re.compile("[\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\u20e3\ufe0e\ufe0f\U000e0020-\U000e007f]+")
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffd\ud800-\udfff\ue000-\uf8ff\U000f0000-\U0010ffff]+"
)
_BLANK = re.compile(r"\s+")
_SPELT_OUT = re.compile(r"(?<!\S)[\u4e00-\u9fff](?: [\u4e00-\u9fff]){3,}(?!\S)")

_FILLER = (
    r"喂+|您好|你好|哈[喽啰罗]|hello|hi|嗯+|呃+|啊+|哦+|噢+|哎+|诶+|唉+|额+|欸+|呀|吧|呢|嘛|吗|了|的|那个|这个|就是|然后|"
    r"听得[到见](?:我说话)?|能?听[到见清](?:楚)?|听不[到见清](?:楚)?|在不在|在吗|有人|说话|请讲|请说|您说|你说|"
    r"好的?|是的?|对的?|行|可以|没有?事|没什么|知道|谢谢[您你]?|麻烦[您你]?|不好意思|再见|拜拜|打错|信号|不好|不太好|"
    r"有?什么(?:事情?|问题)?(?:可以|能)(?:帮助?(?:到|您的)?|为)[您你]?(?:服务|的)?|请问|[您你我]们?|电话|热线|12345|幺二三四五|稍等|等一下|快一?点|尽快|抓紧|处理|能|不能|有没有|测试|test"
)
_INTENT = r"我?(?:想|要|来)+(?:投诉|反映|咨询|举报|求助|问|建议|说)(?:一下|一个|一件|个|件)*(?:问题|情况|事情|事)?"
_EMPTY_WORDS = re.compile(rf"\[[^\[\]]{{1,6}}\]|{_INTENT}|{_FILLER}|[\W_\d]+", re.IGNORECASE)
_OPENING = re.compile(
    r"^(?:(?:喂+|您好|你好|哎+|诶+|唉+|嗯+|呃+|啊+|哦+|噢+|那个|就是说?|然后|是这样的?|对+的?|是的|没错|好的?|行)[啊呀呢吧嘛,，、。\s]*)+"
)
_RESTATES = re.compile(
    r"诉求|(?:您|你)(?:是|就)?(?:要?想|要求|希望|反映|咨询|投诉|举报|建议|的意思)|归纳|核对一下|(?:对吗|对吧|是吗|是吧|对不对)[?？。]?$"
)
_ASKS_WHO = re.compile(r"贵姓|称呼|联系方式|联系电话|(?:电话|号码|手机).{0,6}(?:吗|吧|呢|可以)")
_PROTOCOL = re.compile(_ASKS_WHO.pattern + r"|登记|[记纪计][录绿]|感谢|谢谢|再见|请讲|请说|答复|很高兴|帮您")
# What a citizen says when the agent guessed wrong: such a guess names a matter that is not theirs.
_DENIES = re.compile(
    r"(?:[哎唉嗯啊呃哦噢,，。、 ]|那个|这个)*(?:不是|没有|没得|不用|不要|不需要|不想|不对|不投诉|也不|都不|那倒|哪里)"
)
_MATTERS = re.compile(
    r"主要|关键|重点|其实|就是(?:想|要|讲|这|希望|叫)|我(?:就|现在)?是?(?:想|要|只)|想(?:问|咨询|了解|知道|反映|投诉)|希望|求|"
    r"投诉|举报|咨询|建议|反映|能不能|可不可以|怎么办|第[一二]|一个是|叫(?:[他她]|你们|街道|政府)|要[查管来派]|赶紧"
)
_ROOM = 300  # chosen among 120–500 on calls, docs/experiments.md
_FULL = 60  # a longer turn is no more telling
_ECHO = 0.2  # an agent's question that repeats what was said
_MIN_SAID = 10
_MIN_RESTATED = 12


def normalise(text: str) -> str:
    """One clean line: NFKC, simplified characters, no control marks or emoji, single spaces.

    Chinese punctuation keeps its width; emoji become a space; invalid code points are dropped.
    """
    text = _INVISIBLE.sub("", _COMPATIBLE.sub(_nfkc, text))
    text = _BLANK.sub(" ", _EMOJI.sub(" ", text)).strip()
    text = _SPELT_OUT.sub(lambda match: match[0].replace(" ", ""), text)
    return text if _is_simplified(text) else _converter().convert(text)


def parse(transcript: str | Sequence[Turn]) -> tuple[Turn, ...]:
    """Normalised, non-empty turns; a text without speaker labels is one turn of the citizen."""
    if not isinstance(transcript, str):
        turns = (Turn(speaker=turn.speaker, text=normalise(turn.text)) for turn in transcript)
        return tuple(turn for turn in turns if turn.text)
    text = normalise(transcript)
    labels = list(_LABEL.finditer(text))
    if not _is_dialogue(labels):
        return (Turn(speaker="citizen", text=text),) if text else ()
    return _split(text, labels)


def as_text(turns: Sequence[Turn]) -> str:
    """The whole transcript on one line, speakers named only when both speak."""
    if len({turn.speaker for turn in turns}) < 2:
        return " ".join(turn.text for turn in turns)
    names = {"agent": _AGENT[0], "citizen": _CITIZEN[0]}
    return " ".join(f"{names[turn.speaker]}：{turn.text}" for turn in turns)


def model_text(turns: Sequence[Turn]) -> str:
    """What the encoder reads: a single text unchanged; of a dialogue, what carries the matter.

    The agent's restatements stand first, the fullest before the others: they are the shortest summary and survive
    truncation. Of a long call only the most telling turns follow, as they were said.
    """
    if len(turns) < 2:
        return "".join(turn.text for turn in turns)
    restated, told = _heard(turns)
    restated.sort(key=len, reverse=True)
    kept = _most_telling(told, _ROOM - sum(map(len, restated)))
    return " ".join([*restated, *kept]) or " ".join(turn.text for turn in turns)


def is_contentless(text: str) -> bool:
    """True for "喂喂听得到吗" and the like: only greetings, fillers, tags, digits and punctuation."""
    left = end = 0
    for match in _EMPTY_WORDS.finditer(text):
        left += match.start() - end
        end = match.end()
        # Most texts are settled by their first words.
        if left > 1:
            return False
    return left + len(text) - end < 2


def says_nothing(turns: Sequence[Turn]) -> bool:
    """True when the citizen says nothing but greetings and fillers, and the agent no more than protocol."""
    return all(is_contentless(turn.text) or (turn.speaker == "agent" and _is_protocol(turn.text)) for turn in turns)


def check(case: Case) -> tuple[Turn, ...]:
    """The turns of a case; refuses a transcript that is blank or too long before any work is spent on it.

    :raises DispatchError: TRANSCRIPT_TOO_LONG, or TRANSCRIPT_EMPTY when no turn says anything.
    """
    check_length(case)
    turns = parse(case.transcript)
    if not turns:
        spoken = case.transcript
        raise DispatchError(
            ErrorKind.TRANSCRIPT_EMPTY,
            f"工单 {case.case_id} 的 transcript 为空白；请填写通话转写或工单内容（1–{MAX_TRANSCRIPT_CHARS} 字）",
            field="transcript",
            value=spoken if isinstance(spoken, str) else "".join(turn.text for turn in spoken[:1]),
        )
    return turns


def check_length(case: Case) -> None:
    """Refuse a transcript that is too long, before anything looks at each of its characters.

    :raises DispatchError: TRANSCRIPT_TOO_LONG.
    """
    texts = [case.transcript] if isinstance(case.transcript, str) else [turn.text for turn in case.transcript]
    length = sum(map(len, texts))
    if length > MAX_TRANSCRIPT_CHARS:
        raise DispatchError(
            ErrorKind.TRANSCRIPT_TOO_LONG,
            f"工单 {case.case_id} 的 transcript 有 {length} 字，至多 {MAX_TRANSCRIPT_CHARS} 字；请截取与诉求有关的部分",
            field="transcript",
            value=length,
        )


def _is_dialogue(labels: list[re.Match[str]]) -> bool:
    """Speaker labels count when the text starts with one; quoted speech inside a letter does not."""
    if not labels:
        return False
    speakers = {label[1] in _AGENT for label in labels}
    return labels[0].start() == 0 or (len(labels) >= 3 and len(speakers) == 2)


def _split(text: str, labels: list[re.Match[str]]) -> tuple[Turn, ...]:
    """Turns between the labels; what stands before the first label counts as the citizen's."""
    pieces = [Turn(speaker="citizen", text=text[: labels[0].start()].strip())]
    ends = [label.start() for label in labels[1:]] + [len(text)]
    for label, end in zip(labels, ends, strict=True):
        words = text[label.end() : end].strip()
        pieces.append(Turn(speaker="agent" if label[1] in _AGENT else "citizen", text=words))
    return tuple(turn for turn in pieces if turn.text)


def _heard(turns: Sequence[Turn]) -> tuple[list[str], list[tuple[float, str]]]:
    """The agent's restatements, and what else was said with how telling it is; without protocol and wrong guesses."""
    restated: list[str] = []
    told: list[tuple[float, str]] = []
    asked = ""
    for turn, answer in zip(turns, [*turns[1:], None], strict=True):
        text = _strip(turn.text)
        if turn.speaker == "citizen":
            if not (is_contentless(turn.text) or _ASKS_WHO.search(asked)):
                told.append((min(len(text) / _FULL, 1.0) + bool(_MATTERS.search(text)), text))
            continue
        asked = turn.text
        if answer and answer.speaker == "citizen" and _DENIES.match(answer.text):
            continue
        if _restates(asked):
            restated.append(text)
        elif len(asked) >= _MIN_SAID and not _PROTOCOL.search(asked):
            told.append((_ECHO, text))
    return restated, told


def _most_telling(told: list[tuple[float, str]], room: int) -> list[str]:
    """The most telling of `told` until `room` characters are full, in the order they were said."""
    kept = set()
    for place in sorted(range(len(told)), key=lambda place: -told[place][0]):
        if room <= 0:
            break
        kept.add(place)
        room -= len(told[place][1])
    return [told[place][1] for place in sorted(kept)]


def _restates(text: str) -> bool:
    """Whether the agent sums up the matter here, rather than greets or asks for a name."""
    return len(text) >= _MIN_RESTATED and bool(_RESTATES.search(text)) and not _ASKS_WHO.search(text)


def _is_protocol(text: str) -> bool:
    return bool(_PROTOCOL.search(text)) and not _restates(text)


def _strip(text: str) -> str:
    return _OPENING.sub("", text) or text


def _nfkc(match: re.Match[str]) -> str:
    return unicodedata.normalize("NFKC", match[0])


def _is_simplified(text: str) -> bool:
    """GB2312 holds no traditional forms; the converter's phrase rules can spoil simplified text."""
    return len(text.encode("gb2312", "ignore").decode("gb2312")) == len(text)


@cache
def _converter() -> "OpenCC":
    from opencc import OpenCC

    return OpenCC("t2s")
