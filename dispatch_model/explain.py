"""Why a unit was suggested: cue words in the text and the rules that spoke, as short Chinese sentences."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from dispatch_model import table
from dispatch_model.access_list import Verdict
from dispatch_model.cases import Reason, Span
from dispatch_model.catalogue import BINDING, CatalogueRow
from dispatch_model.city import City
from dispatch_model.errors import ErrorKind
from dispatch_model.gazetteer import Mention, Place
from dispatch_model.labels import LabelMaps, label_folder
from dispatch_model.lexicon import Hit, Lexicon, borders_among, learn, segmenter
from dispatch_model.table import Problems

CUE_FILE = "cues.csv"
_COLUMNS = ("function", "words")
_MOST_CUES = 3
_UNSURE = 0.4
_MOST_DOUBTS = 3
# Words of category names which say nothing about a case ("其他社会保险管理问题").
_EMPTY = re.compile(
    "其他|管理|服务|问题|事务|工作|咨询|政策|相关|方面|建设|行政|公共|监督|监管|信息|社会|经营|保障|执法|秩序|安全|设施"
)


class Cues:
    """Words that speak for a function; built once, then read only. Building it loads jieba's dictionary."""

    def __init__(self, words: Mapping[str, Iterable[str]]) -> None:
        self._functions: dict[str, set[str]] = {}
        for function, listed in words.items():
            for word in listed:
                self._functions.setdefault(word.lower(), set()).add(function)
        self._lexicon = Lexicon(self._functions)
        self.functions = frozenset(words)
        learn(self._functions)

    @classmethod
    def load(cls, maps: LabelMaps, folder: Path | None = None) -> "Cues":
        """The cue words of the label maps in `folder`, or of those shipped with the program.

        :raises DispatchError: cues.csv is missing, or names a function that does not exist.
        """
        rows = table.read(label_folder(folder) / CUE_FILE, CUE_FILE, _COLUMNS, ErrorKind.INVALID_LABEL_MAP)
        problems = Problems(CUE_FILE)
        for row in rows:
            if row["function"] not in maps.functions:
                problems.add(row, "function", row["function"], "不是 functions.csv 中的职能，请改正", maps.functions)
        problems.raise_any()
        return cls({row["function"]: row.many("words") for row in rows})

    def scan(self, text: str) -> tuple[Hit, ...]:
        """All cue words of `text`; one that starts inside another word ("电动车", "办公路段") is none."""
        hits = self._lexicon.scan(text.lower())
        cuts = borders_among(text, [hit.start for hit in hits])
        return tuple(hit for hit in hits if hit.start in cuts)

    def choose(
        self, text: str, hits: Sequence[Hit], function: str, category_path: Sequence[str] = ()
    ) -> tuple[Hit, ...]:
        """At most three distinct words of `text` that speak for `function` or its category, in text order."""
        found = {hit.word: hit for hit in reversed(hits) if function in self._functions[hit.word]}
        taken = list(found.values())
        for word in dict.fromkeys(word for name in reversed(category_path) for word in _name_words(name)):
            start = text.find(word)
            if start >= 0 and all(start + len(word) <= hit.start or hit.end <= start for hit in taken):
                taken.append(Hit(start, start + len(word), word))
        # A word of few functions tells more than one of many; a word of the category's own name tells most.
        taken.sort(key=lambda hit: (len(self._functions.get(hit.word, ())), -len(hit.word), hit.start))
        return tuple(sorted(taken[:_MOST_CUES]))


def reasons(
    *,
    function: str,
    probability: float,
    cues: Sequence[Hit] = (),
    place: Place,
    city: City | None,
    verdict: Verdict | None = None,
    catalogue_row: CatalogueRow | None = None,
    kind: str | None = None,
    moved: Sequence[tuple[str, str]] = (),
    unit_code: str | None = None,
) -> tuple[Reason, ...]:
    """All grounds for one suggestion: model, place, access list, catalogue.

    :param probability: what the model gives `function`.
    :param city: the directory `place` was found in; None when the case is of a city we do not know.
    :param moved: (from, to) level names for levels at which the list lets nobody lead.
    :param unit_code: the suggested unit; told when the citizen named it.
    """
    return (
        _model(function, probability, cues),
        *(_where_it_is(place, city, unit_code) if city else ()),
        *_access(verdict, moved),
        *_catalogue(catalogue_row, function, kind),
    )


def _model(function: str, probability: float, cues: Sequence[Hit]) -> Reason:
    words = "".join(f"「{hit.word}」" for hit in cues)
    doubt = "，把握不大" if probability < _UNSURE else ""
    said = f"{words}指向{function}" if words else f"按全文判断由{function}主办"
    return Reason(source="model", text=f"{said}（模型 {probability:.2f}{doubt}）", spans=_spans(cues))


def _where_it_is(place: Place, city: City, unit_code: str | None) -> tuple[Reason, ...]:
    return (*_place(place, city), *_named_unit(place, city, unit_code))


def _place(place: Place, city: City) -> Iterable[Reason]:
    if place.region_code is None:
        if not place.ambiguous:
            yield Reason(source="place", text="文中没有认出本市地点，请向市民核实")
    else:
        shown = _distinct(mention for mention in place.mentions if mention.code == place.region_code)
        found = f"地点：{_short(city, place.region_code)}{_where(place, city, shown)}"
        yield Reason(source="place", text=found, spans=_spans(shown))
    if place.ambiguous:
        names = "、".join(_short(city, code) for code in place.ambiguous[:_MOST_DOUBTS])
        more = " 等" if len(place.ambiguous) > _MOST_DOUBTS else ""
        yield Reason(source="place", text=f"文中地点也可能是{names}{more}，请核对")


def _where(place: Place, city: City, shown: Sequence[Mention]) -> str:
    """Where the place was read; the wording is quoted when it is not the official name."""
    if place.from_address:
        return "（按所填地址）"
    if not shown:
        return ""
    first = shown[0]
    quoted = "" if first.text == city.regions[first.code].name else f"「{first.text}」"
    return f"（文中第{first.start + 1}–{first.end}字{quoted}）"


def _named_unit(place: Place, city: City, unit_code: str | None) -> Iterable[Reason]:
    named = _distinct(mention for mention in place.units if mention.code == unit_code)
    if named:
        name = city.units[named[0].code].name
        said = f"「{named[0].text}」" + ("" if named[0].text == name else f"，即{name}")
        yield Reason(source="place", text=f"文中点名{said}", spans=_spans(named))


def _access(verdict: Verdict | None, moved: Sequence[tuple[str, str]]) -> Iterable[Reason]:
    for lower, higher in moved:
        yield Reason(source="access_list", text=f"准入清单没有可由{lower}主办的职能，须由{higher}或更高层级主办")
    if verdict is not None and verdict.row is not None:
        yield Reason(source="access_list", rule_id=verdict.row.id, text=verdict.text)


def _catalogue(row: CatalogueRow | None, function: str, kind: str | None) -> Iterable[Reason]:
    if row is None:
        return
    must = "规定由" if row.mode == BINDING else "一般由"
    helpers = f"，{'、'.join(row.co_functions)}协办" if row.co_functions else ""
    days = row.days.get(kind) if kind else None
    due = "" if days is None else f"，{kind}{days}个工作日办结" if days else f"，{kind}当日办结"
    differs = "" if row.lead_function == function else f"；本条建议{function}，请核对"
    said = f"派单目录 {row.id}：{must}{row.lead_function}主办{helpers}{due}{differs}（{row.basis}）"
    yield Reason(source="catalogue", rule_id=row.id, text=said)


def _short(city: City, code: str) -> str:
    """Names below the city run together, like 龙华区金贸街道; the city itself by its name."""
    path = city.region_path(code).split("/")
    return "".join(path[1:]) or path[0]


def _distinct(mentions: Iterable[Mention]) -> tuple[Mention, ...]:
    """The first mention of each wording."""
    return tuple({mention.text: mention for mention in reversed(tuple(mentions))}.values())[::-1]


def _spans(marks: Sequence[Hit | Mention]) -> tuple[Span, ...]:
    return tuple(Span(start=mark.start, end=mark.end) for mark in marks)


@cache
def _name_words(name: str) -> tuple[str, ...]:
    """Telling words of a category's name, by jieba."""
    words = dict.fromkeys(segmenter().cut_for_search(name, HMM=False))
    return tuple(word for word in words if len(word) >= 2 and not _EMPTY.fullmatch(word))
