"""Known words found in running text: a fixed word list scanned in one pass, and jieba's word borders."""

import re
from collections.abc import Collection, Iterable
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from jieba import Tokenizer

LONGEST_WORD = 16  # of jieba's dictionary
_RUN = re.compile(r"[\u4E00-\u9FD5a-zA-Z0-9+#&._%\-]+")  # jieba cuts such runs one by one, and before and after each


class Hit(NamedTuple):
    """`word` stands at characters [start, end) of the text."""

    start: int
    end: int
    word: str


class Lexicon:
    """Words of two or more characters, looked up by their first two: longest match, left to right."""

    def __init__(self, words: Iterable[str]) -> None:
        self._by_head: dict[str, list[str]] = {}
        for word in sorted(set(words), key=lambda word: (-len(word), word)):
            if len(word) >= 2:
                self._by_head.setdefault(word[:2], []).append(word)

    def scan(self, text: str) -> list[Hit]:
        """Words in the order of the text; none overlaps another."""
        hits: list[Hit] = []
        heads = self._by_head
        end = 0
        for at in [at for at in range(len(text) - 1) if text[at : at + 2] in heads]:
            if at >= end:
                word = next((word for word in heads[text[at : at + 2]] if text.startswith(word, at)), "")
                if word:
                    end = at + len(word)
                    hits.append(Hit(at, end, word))
        return hits


def borders(text: str) -> frozenset[int]:
    """Positions at which jieba begins or ends a word."""
    cuts = [0]
    for word in segmenter().cut(text, HMM=False):
        cuts.append(cuts[-1] + len(word))
    return frozenset(cuts)


def borders_among(text: str, positions: Collection[int]) -> frozenset[int]:
    """Those of `positions` at which jieba begins or ends a word; far cheaper than all borders of a long text."""
    doubtful = [position for position in positions if _in_doubt(text, position)]
    inside: set[int] = set()
    for run in _RUN.finditer(text) if doubtful else ():
        start, end = run.span()
        reached = {position - start for position in doubtful if start < position < end}
        inside.update(start + position for position in reached.difference(borders(run[0]) if reached else ()))
    return frozenset(positions).difference(inside)


def _in_doubt(text: str, position: int) -> bool:
    """Whether a word of the dictionary may reach over `position`; where none does, a word begins for certain."""
    if text[position - 1 : position + 1].isascii():
        return True
    # The dictionary holds the beginnings of its words too: none here, none that goes on past the position.
    known = segmenter().FREQ
    first = max(0, position - LONGEST_WORD + 1)
    return any(text[start : position + 1] in known for start in range(first, position))


def learn(words: Iterable[str]) -> None:
    """Make jieba cut `words` as words; those of its own dictionary keep their frequency."""
    tokenizer = segmenter()
    for word in words:
        if not tokenizer.FREQ.get(word):
            tokenizer.add_word(word)


@cache
def segmenter() -> "Tokenizer":
    """The one jieba tokenizer of the process, loaded on first use (half a second).

    Filled by hand: `initialize` would read and write a cache in the shared temporary folder, and log.
    """
    import jieba

    tokenizer = jieba.Tokenizer()
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    return tokenizer
